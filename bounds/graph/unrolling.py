"""One layer written as a matrix: the same function, every entry a weight of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.pruning import layer_index
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot

MOST = 10**8
"""Entries of a matrix that are written out."""


def unrolled(graph: Graph, layer: int | str) -> Graph:
    """The network with one layer as a fully connected one: no weight is shared, padding and zeros are weights too.

    Args:
        graph: any network.
        layer: its index in `graph.layers`, or its name.

    Returns:
        A graph of the same function.

    Raises:
        ValueError: no such layer, a layer that is not linear, or a matrix of more than 10⁸ entries.

    Example:
        >>> from sparsebounds import bounds
        >>> f = lambda x: (x.reshape(-1, 3, 2) @ np.array([[1.0], [2.0]], np.float32)).reshape(-1, 3)
        >>> graph = bounds.read_graph(f, np.ones((1, 6), np.float32))
        >>> unrolled(graph, 1).dot(1).weight.shape, bounds.evaluate(unrolled(graph, 1), np.arange(6.0)[None]).tolist()
        ((1, 6, 3), [[2.0, 8.0, 14.0]])
    """
    index = layer_index(graph, layer)
    found = graph.layers[index]
    if not isinstance(found, Linear):
        raise ValueError(f"layer {label(found)} is {found.kind}; needed a linear layer, to count as fully connected")
    read = present_elements(np.concatenate([np.ravel(part) for part in found.elements_read]))
    if len(read) * found.size > MOST:
        raise ValueError(
            f"layer {label(found)} as a matrix has {len(read)}×{found.size} entries; needed at most {MOST}"
        )
    weight = np.zeros((len(read), found.size))
    for term in found.terms:
        rows, columns, data = (part.ravel() for part in np.broadcast_arrays(*term.entries()))
        there = columns >= 0
        np.add.at(weight, (np.searchsorted(read, columns[there]), rows[there]), data[there])
    dot = Dot(Taps(read.astype(np.int32)[None, None], np.zeros((1, 1), dtype=np.int32)), weight[None])
    layers = (*graph.layers[:index], replace(found, terms=(dot,), groups=1), *graph.layers[index + 1 :])
    return replace(graph, layers=layers)
