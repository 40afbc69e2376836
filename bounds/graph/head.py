"""The last layer as a matrix: one row of weights per class over the elements that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sparsebounds.bounds.graph.blocks import joined
from sparsebounds.bounds.graph.elements import distinct
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, elements_read
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool, Term


@dataclass(frozen=True)
class Head:
    """f_r(x) = Σ_k weights[r, k] z_{elements[k]}(x) + bias[r]."""

    elements: np.ndarray
    """int64 (K,): every element that the architecture lets the last layer read, once."""
    weights: np.ndarray
    """float64 (C, K)."""
    bias: np.ndarray | None
    """float64 (C,); None where the architecture has none."""
    nodes: np.ndarray
    """int64 (J,): the nodes of these elements, ascending."""
    node_of: np.ndarray
    """int64 (K,): index into `nodes`."""

    @cached_property
    def present(self) -> np.ndarray:
        """Whether a node has a weight that is not zero: bool (J,)."""
        return self.square_norms(self.weights).sum(axis=0) > 0

    def square_norms(self, rows: np.ndarray) -> np.ndarray:
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
    last = graph.layers[-1]
    assert isinstance(last, Linear)
    read = distinct(np.concatenate([elements.ravel() for elements in elements_read(last)]))
    column = np.full(int(graph.offsets[-1]) + 1, len(read))  # of every element; one column too many, for ABSENT
    column[read] = np.arange(len(read))
    weights = np.zeros((last.size, len(read) + 1))
    for term in last.terms:
        _add(weights, term, column)
    node = graph.node_of[read]
    nodes = distinct(node)
    bias = None if last.bias is None else last.bias.astype(np.float64)
    return Head(read, np.ascontiguousarray(weights[:, :-1]), bias, nodes, np.searchsorted(nodes, node))


def _add(weights: np.ndarray, term: Term, column: np.ndarray) -> None:
    """Add a term to the matrix (C, K + 1), whose last column takes what stands in padding."""
    if isinstance(term, Dot) and term.taps.shape[:2] == (1, 1) and term.order is None:
        seen = column[term.taps.rows(0)[0]]
        if len(distinct(seen)) == len(seen):  # a dense layer that reads every element once
            weights[:, seen] += term.weight[0].T
            return
    rows, elements, values = _entries(term, len(weights))
    places = rows * weights.shape[1] + column[elements]
    added = np.bincount(places.ravel(), np.broadcast_to(values, places.shape).ravel(), weights.size)
    weights += added.reshape(weights.shape)


def _entries(term: Term, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(class, element, weight) of every weight of one term, broadcast against each other."""
    if isinstance(term, Diagonal):
        scale = np.ones(classes) if term.scale is None else term.scale
        return np.arange(classes), term.elements.ravel(), scale
    if isinstance(term, Pool):
        f, c = len(term.taps.sites), term.taps.source.shape[2]
        seen = term.taps.rows(0).reshape(f, -1, c)
        return np.arange(f * c).reshape(f, 1, c), seen, np.broadcast_to(term.coefficient, (f, c))[:, None]
    return _dot_entries(term)


def _dot_entries(term: Dot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    b_count, f, _ = term.taps.shape
    n = term.weight.shape[2]
    order = np.arange(b_count * f * n) if term.order is None else term.order
    seen = np.stack([term.taps.rows(b) for b in range(b_count)])
    return order.reshape(b_count, f, 1, n), seen[..., None], term.weight[:, None]
