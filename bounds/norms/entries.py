"""What all norms need of a linear layer: its entries, sums over them, and its map and transposed map on one vector."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from sparsebounds.bounds.graph.elements import distinct
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import (
    Diagonal,
    Dot,
    Pool,
    Table,
    Term,
    apply,
    column_counts,
    entries_of,
    strengths,
    width,
)

MAX_ENTRIES = 10**8
"""Entries written out one by one where two terms of a layer read the same elements."""


@per_graph
def linear_layer(graph: Graph, index: int) -> Linear:
    """Layer `index`, which must be linear with finite weights.

    Raises:
        ValueError: the layer is of another kind, or has weights that are NaN or infinite.
    """
    layer = graph.layers[index]
    if not isinstance(layer, Linear):
        raise ValueError(f"layer {index} is a {type(layer).__name__}; needed a linear layer")
    if not all(np.isfinite(strengths(term)).all() for term in layer.terms):
        raise ValueError(f"layer {label(layer)} has weights that are not finite; needed finite ones: retrain it")
    return layer


def power_of_two(values: np.ndarray) -> float:
    """The power of two above max |value|; dividing by it is exact, and squares of the quotients never overflow."""
    largest = float(np.max(np.abs(values), initial=0.0))
    return float(np.ldexp(1.0, int(np.clip(np.frexp(largest)[1], -1021, 1023)))) if largest > 0 else 1.0


def layer_scale(layer: Linear) -> float:
    """The power of two above all weights of a layer."""
    return max(power_of_two(strengths(term)) for term in layer.terms)


def row_sums(layer: Linear, table: Table) -> np.ndarray:
    """Σ over the entries of every row of the layer's matrix, of `table(entry)`: float64 (size,)."""
    if _needs_merging(layer):
        matrix = operator(layer)
        return np.asarray(sparse.csr_array((table(matrix.data), matrix.indices, matrix.indptr), matrix.shape).sum(1))
    return np.sum([_term_row_sums(term, table) for term in layer.terms], axis=0)


def total(layer: Linear, table: Table) -> float:
    """Σ over all entries of the layer's matrix of `table(entry)`; a convolution's taps times their valid positions."""
    if _needs_merging(layer):
        return float(table(operator(layer).data).sum())
    return float(sum(_term_total(term, table) for term in layer.terms))


def _term_total(term: Term, table: Table) -> float:
    if not isinstance(term, Dot):
        return float(_term_row_sums(term, table).sum())
    sums = table(term.weight).sum(axis=2)
    return float(sum(counts @ sums[b] for b, counts in enumerate(column_counts(term))))


def _term_row_sums(term: Term, table: Table) -> np.ndarray:
    """Row sums of one term: what it maps the indicator of all elements to, with its weights replaced."""
    return apply(term, np.append(np.ones(width(term)), 0.0), table)


def disjoint(terms: tuple[Term, ...]) -> bool:
    """Whether no element is read by two of these terms."""
    read = [distinct(t.elements if isinstance(t, Diagonal) else t.taps.source) for t in terms]
    return len(distinct(np.concatenate(read))) == sum(map(len, read))


def _needs_merging(layer: Linear) -> bool:
    """Whether some entry of the layer's matrix is a sum: two terms read one element, or a window reads one twice."""
    if len(layer.terms) > 1 and not disjoint(layer.terms):
        return True
    pools = [t for t in layer.terms if isinstance(t, Pool)]
    dots = [t for t in layer.terms if isinstance(t, Dot)]
    return any(_reads_twice(p) for p in pools) or any(d.taps.repeats > 1 for d in dots)


def _reads_twice(pool: Pool) -> bool:
    present = pool.taps.source[pool.taps.source >= 0]
    ordered = np.sort(pool.taps.sites, axis=1)
    return len(distinct(present)) < len(present) or bool(
        ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any()
    )


def operator(layer: Linear) -> sparse.csr_array:
    """The layer's matrix, rows its elements, columns the elements of the graph; entries that meet are added.

    Raises:
        ValueError: more than `MAX_ENTRIES` entries.
    """
    count = sum(t.elements.size if isinstance(t, Diagonal) else int(np.prod(t.taps.shape)) for t in layer.terms)
    widest = max((t.weight.shape[2] for t in layer.terms if isinstance(t, Dot)), default=1)
    if count * widest > MAX_ENTRIES:
        raise ValueError(
            f"layer {label(layer)} adds maps that read the same elements and has more than {MAX_ENTRIES} entries; "
            "needed a smaller layer, or an activation between them"
        )
    rows, columns, data = (np.concatenate(part) for part in zip(*map(entries_of, layer.terms), strict=True))
    there = columns >= 0
    shape = (layer.size, max(width(t) for t in layer.terms))
    matrix = sparse.coo_array((data[there], (rows[there], columns[there])), shape=shape).tocsr()
    matrix.sum_duplicates()
    return matrix
