"""Activations that are layers of their own, in the pass: Theorem M of docs/theory.md.

N(σ∘T) ≤ s_σ N(T) for one class T of functions. The rows of a node lie in one class where the class of networks fixes
the largest norm of a row (any Lipschitz σ), or where σ is positively homogeneous, so that a row is its norm times one
of norm 1. Otherwise a node of c coordinates counts coordinate by coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy import sparse

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity


@dataclass(frozen=True)
class ActivationStep:
    """A fixed function of every element."""

    index: int
    function: Nonlinearity
    shares: sparse.csr_array
    """(nodes of the layer, nodes of the graph and one more): q² of what node j reads is shares · q²."""
    sizes: Float64[np.ndarray, " nodes"]
    """c_j: elements of each node."""


def contraction_of(function: Nonlinearity, p: Float64[np.ndarray, " K"]) -> Float64[np.ndarray, " K"]:
    """s_σ = min(2^{1/p} λ, |a + b|/2 + (b − a)/2 · 2^{1/p}); λ where σ is odd.

    Example:
        >>> from sparsebounds.bounds.graph.nonlinearities import GELU, TANH
        >>> [round(float(contraction_of(function, np.array([2.0]))[0]), 4) for function in (GELU, TANH)]
        [1.3894, 1.0]
    """
    lipschitz = function.lipschitz
    if function.odd:
        return np.full(len(p), lipschitz)
    root = 2.0 ** (1.0 / p)
    return np.minimum(
        root * lipschitz, abs(function.low + function.high) / 2 + (function.high - function.low) / 2 * root
    )


def needs_rows(graph: Graph, index: int) -> bool:
    """Whether an activation that is not homogeneous reads this linear layer: the class then fixes its largest rows."""
    return any(not layer.function.homogeneous for layer in _readers(graph, index))


def is_activated(graph: Graph, index: int) -> bool:
    """Whether an activation in a layer of its own reads this layer: fixed maps in it then count row by row."""
    return bool(_readers(graph, index))


def _readers(graph: Graph, index: int) -> list[Activation]:
    return [
        layer for i, layer in enumerate(graph.layers) if isinstance(layer, Activation) and index in graph.sources(i)
    ]


def largest_rows(graph: Graph, index: int, squares: Float64[np.ndarray, " size"]) -> Float64[np.ndarray, " nodes"]:
    """√c_j · max over the rows of node j of the root of these squares: (nodes,)."""
    largest = np.zeros(graph.node_counts[index])
    np.maximum.at(largest, graph.local_nodes(index), squares)
    return np.sqrt(largest * graph.node_sums(index, np.ones(graph.layers[index].size)))


def activation_step(graph: Graph, index: int) -> ActivationStep:
    """Prepare an activation.

    Args:
        graph: the network.
        index: of a layer that is an `Activation`.

    Returns:
        Its step. Of a linear layer without activation that it reads, q² of a row counts 1/c of its node's where the
        class fixes rows; for homogeneous functions q² of a node counts once, if no element is read twice.
    """
    layer = graph.layers[index]
    if not isinstance(layer, Activation):
        raise ValueError(f"layer {index} is {layer.kind}; needed an activation")
    there = layer.elements >= 0
    read, own = layer.elements[there], graph.local_nodes(index)[there]
    node = graph.node_of[read]
    width = int(graph.node_offsets[-1]) + 1
    ones = np.ones(len(read))
    counts = sparse.csr_array((ones, (own, node)), (graph.node_counts[index], width))
    distinct = len(np.unique(own * np.int64(graph.offsets[-1]) + read)) == len(read)
    for source in graph.sources(index):
        below = graph.layers[source]
        if not isinstance(below, Linear) or below.activated:
            continue
        mine = slice(int(graph.node_offsets[source]), int(graph.node_offsets[source + 1]))
        weights = np.ones(width)
        if needs_rows(graph, source):
            weights[mine] = 1.0 / graph.node_sums(source, np.ones(below.size))
        elif distinct:
            counts = _once(counts, mine)
        counts = sparse.csr_array(counts @ sparse.diags_array(weights))
    sizes = graph.node_sums(index, np.ones(layer.size))
    return ActivationStep(index, layer.function, counts[:, : int(graph.node_offsets[-2]) + 1], sizes)


def _once(counts: sparse.csr_array, columns: slice) -> sparse.csr_array:
    """Numbers in these columns become 1 where they are larger."""
    found = sparse.coo_array(counts)
    inside = (found.coords[1] >= columns.start) & (found.coords[1] < columns.stop)
    data = np.where(inside, np.minimum(found.data, 1.0), found.data)
    return sparse.csr_array((data, found.coords), counts.shape)
