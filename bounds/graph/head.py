"""The last layer as a matrix: one row of weights per class over the elements that it reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int64

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.joining import joined
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot


@dataclass(frozen=True)
class Head:
    """f_r(x) = Σ_k weights[r, k] z_{elements[k]}(x) + bias[r]."""

    elements: Int64[np.ndarray, " K"]
    """Every element that the architecture lets the last layer read, once."""
    weights: Float64[np.ndarray, "C K"]
    bias: Float64[np.ndarray, " C"] | None
    """None where the architecture has none."""
    nodes: Int64[np.ndarray, " J"]
    """The nodes of these elements, ascending."""
    node_of: Int64[np.ndarray, " K"]
    """Index into `nodes`."""

    @cached_property
    def present(self) -> Bool[np.ndarray, " J"]:
        """Whether a node has a weight that is not zero: bool (J,)."""
        return self.square_norms(self.weights).sum(axis=0) > 0

    def square_norms(self, rows: Float64[np.ndarray, "R K"]) -> Float64[np.ndarray, "R J"]:
        """Σ over the elements of each node of rows²: (R, K) → (R, J)."""
        return joined(np.square(rows), self.node_of, len(self.nodes), axis=1)


def read_head(graph: Graph) -> Head:
    """The last layer of a graph, whose activation must have been checked.

    Args:
        graph: a network with a linear last layer: dense, a sum of several, or a pooling of linear scores.

    Returns:
        Head.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> f = lambda x: x @ np.array([[1.0, 0.0], [2.0, 3.0]], np.float32) + np.array([0.0, 1.0], np.float32)
        >>> head = read_head(read_graph(f, np.ones((1, 2), np.float32)))
        >>> head.weights.tolist(), head.bias.tolist(), len(head.nodes)
        ([[1.0, 2.0], [0.0, 3.0]], [0.0, 1.0], 2)
    """
    last = graph.linear(-1)
    read = present_elements(np.concatenate([elements.ravel() for elements in last.elements_read]))
    column = np.full(int(graph.offsets[-1]) + 1, len(read))  # of every element; one column too many, for ABSENT
    column[read] = np.arange(len(read))
    weights = np.zeros((last.size, len(read) + 1))
    for term in last.terms:
        term.add_to(weights, column)
    node = graph.node_of[read]
    nodes = present_elements(node)
    bias = None if last.bias is None else last.bias.astype(np.float64)
    return Head(read, np.ascontiguousarray(weights[:, :-1]), bias, nodes, np.searchsorted(nodes, node))


@per_graph
def dense_head(graph: Graph) -> Graph:
    """The network with a dense map for its last layer, where nothing of it is learned: pooled scores, shown elements.

    Args:
        graph: any network.

    Returns:
        The same function, as one of the class whose last layer is learned; the graph itself where it is.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds.bounds import read_graph
        >>> pooled = read_graph(lambda x: jnp.mean(x.reshape(-1, 2, 2), axis=1), np.ones((1, 4), np.float32))
        >>> dense_head(pooled).layers[-1].terms[0].weight[0].T.tolist()
        [[0.5, 0.0, 0.5, 0.0], [0.0, 0.5, 0.0, 0.5]]
    """
    last = graph.linear(-1)
    if last.dots:
        return graph
    head = read_head(graph)
    term = Dot(Taps.spelled(head.elements[None, None]), head.weights.T[None])
    top = Linear(1, last.size, (term,), head.bias, name=last.name, where=last.where, number=last.number)
    return replace(graph, layers=(*graph.layers[:-1], top))
