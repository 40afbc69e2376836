"""What all norms need of a linear layer: its entries, sums over them, and its map and transposed map on one vector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Real
from scipy import sparse

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Table, Term

MAX_ENTRIES = 10**8
"""Entries written out one by one where two terms of a layer read the same elements."""

MODERATE = (2.0**-200, 2.0**200)


@per_graph
def linear_layer(graph: Graph, index: int, number: int | None = None) -> Linear:
    """Layer `index`, which must be linear with finite weights; with its term `number` alone where one is named.

    Raises:
        ValueError: the layer is of another kind, or has weights that are NaN or infinite.
    """
    layer = graph.linear(index)
    if not all(np.isfinite(term.strengths).all() for term in layer.terms):
        raise ValueError(f"layer {label(layer)} has weights that are not finite; needed finite ones: retrain it")
    return layer if number is None else replace(layer, terms=(layer.terms[number],))


def biases(graph: Graph, index: int) -> Float64[np.ndarray, " size"]:
    """|b| of every element of a layer, 0 where there are none: float64 (size,).

    Raises:
        ValueError: biases that are not finite.
    """
    layer = linear_layer(graph, index)
    bias = np.zeros(layer.size) if layer.bias is None else np.abs(layer.bias)
    if not np.isfinite(bias).all():
        raise ValueError(f"layer {label(layer)} has biases that are not finite; needed finite ones: retrain it")
    return bias


def power_of_two(values: Real[np.ndarray, " ..."]) -> float:
    """The power of two above max |value|; dividing by it is exact, and squares of the quotients never overflow."""
    largest = max(float(np.max(values, initial=0.0)), -float(np.min(values, initial=0.0)))  # without a copy
    return float(np.ldexp(1.0, int(np.clip(np.frexp(largest)[1], -1021, 1023)))) if largest > 0 else 1.0


def needed_scale(layer: Linear) -> float:
    """`layer_scale`, or 1 where squares of the weights are far from overflow and underflow: no copy is needed then."""
    scale = layer_scale(layer)
    return 1.0 if MODERATE[0] < scale < MODERATE[1] else scale


def layer_scale(layer: Linear) -> float:
    """The power of two above all weights of a layer."""
    return max(power_of_two(term.strengths) for term in layer.terms)


def row_sums(layer: Linear, table: Table) -> Float64[np.ndarray, " size"]:
    """Σ over the entries of every row of the layer's matrix, of `table(entry)`: float64 (size,)."""
    if _needs_merging(layer):
        matrix = operator(layer)
        return np.asarray(sparse.csr_array((table(matrix.data), matrix.indices, matrix.indptr), matrix.shape).sum(1))
    return np.sum([term.row_sums(table) for term in layer.terms], axis=0)


def sum_of_entries(layer: Linear, table: Table) -> float:
    """Σ over all entries of the layer's matrix of `table(entry)`; a convolution's taps times their valid positions."""
    if _needs_merging(layer):
        return float(table(operator(layer).data).sum())
    return float(sum(term.sum_of_entries(table) for term in layer.terms))


def disjoint(terms: tuple[Term, ...]) -> bool:
    """Whether no element is read by two of these terms."""
    read = [present_elements(term.elements_read) for term in terms]
    return len(present_elements(np.concatenate(read))) == sum(map(len, read))


def _needs_merging(layer: Linear) -> bool:
    """Whether some entry of the layer's matrix is a sum: two terms read one element, or a row reads one twice."""
    return (len(layer.terms) > 1 and not disjoint(layer.terms)) or any(term.reads_twice for term in layer.terms)


def operator(layer: Linear) -> sparse.csr_array:
    """The layer's matrix, rows its elements, columns the elements of the graph; entries that meet are added.

    Raises:
        ValueError: more than `MAX_ENTRIES` entries.
    """
    if sum(term.entry_count for term in layer.terms) > MAX_ENTRIES:
        raise ValueError(
            f"layer {label(layer)} adds maps that read the same elements and has more than {MAX_ENTRIES} entries; "
            "needed a smaller layer, or an activation between them"
        )
    written = [[part.ravel() for part in np.broadcast_arrays(*term.entries())] for term in layer.terms]
    rows, columns, data = (np.concatenate(part) for part in zip(*written, strict=True))
    there = columns >= 0
    shape = (layer.size, max(term.width for term in layer.terms))
    matrix = sparse.coo_array((data[there], (rows[there], columns[there])), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix
