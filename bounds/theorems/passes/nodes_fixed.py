"""Spectral norms of fixed maps, node by node: skips, elementwise scales, average pooling."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import spectral_upper
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes


def fixed_norms(nodes: Nodes, index: int, number: int) -> Float64[np.ndarray, " nodes"]:
    """At least ‖P_j‖ of the rows P_j of a term that belong to each node j: (largest row sum · largest column sum)^½.

    Args:
        nodes: the partition.
        index: of a linear layer.
        number: of its term.

    Returns:
        float64 (nodes of the layer,), of the values that are there, learned scales too.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: jnp.mean(x.reshape(-1, 2, 4), axis=2), np.ones((1, 8)))
        >>> fixed_norms(Nodes(graph), 1, 0).tolist()  # the mean of four numbers
        [0.5, 0.5]

    Source: I. Schur's test.
    """
    return _norms(nodes.graph, nodes.whole, index, number)


@per_graph
def _norms(graph: Graph, whole: frozenset[int], index: int, number: int) -> Float64[np.ndarray, " nodes"]:
    nodes, layer = Nodes(graph, whole), graph.linear(index)
    term, local, count = layer.terms[number], nodes.local(index), nodes.counts[index]
    rows = np.zeros(count)
    np.maximum.at(rows, local, term.row_sums(np.abs))
    written = np.broadcast_arrays(*term.entries())
    row, element, value = (part.ravel() for part in written)
    there = element >= 0
    keys = local[row[there]].astype(np.int64) * int(graph.offsets[-1]) + element[there]
    pairs, place = np.unique(keys, return_inverse=True)
    columns = np.zeros(count)
    np.maximum.at(columns, pairs // int(graph.offsets[-1]), np.bincount(place, weights=np.abs(value[there])))
    found = np.sqrt(rows * columns)
    alone = len(layer.terms) == 1 and count == 1
    return np.minimum(found, spectral_upper(graph, index)) if alone else found
