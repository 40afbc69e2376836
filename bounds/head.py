"""The last layer as a matrix: one row of weights per class over the elements that it reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from bounds.graph import Diagonal, Dot, Graph, Linear, Pool, Term


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
        chosen = sparse.csr_array(
            (np.ones(len(self.node_of)), (np.arange(len(self.node_of)), self.node_of)),
            shape=(len(self.node_of), len(self.nodes)),
        )
        return np.asarray(np.square(rows) @ chosen)


def read_head(graph: Graph) -> Head:
    """The last layer of a graph, whose activation must have been checked.

    Args:
        graph: a network with a linear last layer: dense, a sum of several, or a pooling of linear scores.

    Returns:
        Head.

    Example:
        >>> from bounds import read_graph
        >>> f = lambda x: x @ np.array([[1.0, 0.0], [2.0, 3.0]], np.float32) + np.array([0.0, 1.0], np.float32)
        >>> head = read_head(read_graph(f, np.ones((1, 2), np.float32)))
        >>> head.weights.tolist(), head.bias.tolist(), len(head.nodes)
        ([[1.0, 2.0], [0.0, 3.0]], [0.0, 1.0], 2)
    """
    last = graph.layers[-1]
    assert isinstance(last, Linear)
    parts = [_entries(term, last.size) for term in last.terms]
    rows, elements, values = (np.concatenate([part[i] for part in parts]) for i in range(3))
    there = elements >= 0
    read, column = np.unique(elements[there], return_inverse=True)
    weights = np.zeros((last.size, len(read)))
    np.add.at(weights, (rows[there].astype(np.int64), np.ravel(column)), values[there])
    nodes, node_of = np.unique(graph.node_of[read.astype(np.int64)], return_inverse=True)
    bias = None if last.bias is None else last.bias.astype(np.float64)
    return Head(read.astype(np.int64), weights, bias, nodes.astype(np.int64), np.ravel(node_of))


def _entries(term: Term, classes: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(class, element, weight) of every weight of one term."""
    if isinstance(term, Diagonal):
        scale = np.ones(classes) if term.scale is None else term.scale
        return np.arange(classes), term.elements.ravel(), scale
    if isinstance(term, Pool):
        f, c = len(term.taps.sites), term.taps.source.shape[2]
        seen = term.taps.rows(0).reshape(f, -1, c)
        rows = np.broadcast_to(np.arange(f * c).reshape(f, 1, c), seen.shape)
        values = np.broadcast_to(np.broadcast_to(term.coefficient, (f, c))[:, None], seen.shape)
        return rows.ravel(), seen.ravel(), values.ravel()
    return _dot_entries(term)


def _dot_entries(term: Dot) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    b_count, f, k = term.taps.shape
    n = term.weight.shape[2]
    order = np.arange(b_count * f * n) if term.order is None else term.order
    rows = np.broadcast_to(order.reshape(b_count, f, 1, n), (b_count, f, k, n))
    seen = np.stack([term.taps.rows(b) for b in range(b_count)])[..., None]
    values = np.broadcast_to(term.weight[:, None], (b_count, f, k, n))
    return rows.ravel(), np.broadcast_to(seen, rows.shape).ravel(), values.ravel()
