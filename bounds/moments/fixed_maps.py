"""Linear maps that no training changes: average pooling, skips, and elementwise scales (whose size is a number)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32
from scipy import sparse

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.terms import Fixed
from sparsebounds.bounds.moments.activations import is_activated, needs_rows

Entries = tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Float64[np.ndarray, " n"]]
"""Row, column and value of the entries of a matrix, no place twice, rows ascending."""


@dataclass(frozen=True)
class FixedMap:
    """Σ_t P_t, where P_t shows each element of the layer one element of another, as norms of its blocks P_t,ji.

    Below an activation a map counts row by row: Σ_i Σ_t ‖P_t,ji‖_F q_i. Without one it counts as
    Σ_t √(Σ_i ‖P_t,ji‖² q_i²), as the rows of P_t,ji for different i are different coordinates of node j.
    """

    plain: sparse.csr_array
    """What is linear in q, added up over t; without an activation that of pairs (t, j) where node j sees one node."""
    squares: sparse.csr_array
    """‖P_t,ji‖² for the other pairs (rows) and nodes i (columns)."""
    together: sparse.csr_array
    """1 where a row of `squares` belongs to node j: adds up over t."""
    scale: float | None
    """max |scale|, by which all this is to be multiplied; None where nothing is learned."""

    def reach(self, q: Float64[np.ndarray, "padded K"]) -> Float64[np.ndarray, "nodes K"]:
        """The sum above, without `scale`."""
        total = np.asarray(self.plain @ q)
        if self.squares.nnz:
            total += self.together @ np.sqrt(self.squares @ np.square(q))
        return total


def fixed_map(graph: Graph, index: int, term: Fixed) -> FixedMap:
    """A term of a layer that is not learned, but for its scale."""
    scale, rows = term.learned_scale, needs_rows(graph, index)
    activated = graph.linear(index).slope < 1.0 or is_activated(graph, index)
    factors = np.abs(term.factors) if scale is None else np.ones(graph.layers[index].size)
    count, columns = graph.node_counts[index], int(graph.node_offsets[-2]) + 1
    pair, element, squares = _squares(graph, index, term.copies, factors)
    # P_t has one entry per row, so P_tᵀP_t is diagonal: an element's own entry is the sum of its squares.
    norm2 = np.add if activated else np.maximum
    pair, seen, norms2 = _reduced(norm2, pair, graph.node_of[element], squares, columns)
    if rows:  # every row of a node may be as large as its largest, and read what any of them reads
        norms2 = _largest_row(graph, index, term.copies, factors, pair, seen) * node_sizes(graph, index)[pair % count]
    apart = np.zeros(len(pair), dtype=bool) if activated else _repeated(pair)
    several, row = np.unique(pair[apart], return_inverse=True)
    return FixedMap(
        plain=sparse.csr_array((np.sqrt(norms2[~apart]), (pair[~apart] % count, seen[~apart])), (count, columns)),
        squares=sparse.csr_array((norms2[apart], (row, seen[apart])), (len(several), columns)),
        together=sparse.csr_array(
            (np.ones(len(several)), (several % count, np.arange(len(several)))), (count, len(several))
        ),
        scale=scale,
    )


def node_sizes(graph: Graph, index: int) -> Float64[np.ndarray, " nodes"]:
    """Elements of every node of a layer."""
    return graph.node_sums(index, np.ones(graph.layers[index].size))


def _largest_row(
    graph: Graph,
    index: int,
    shown: Int32[np.ndarray, "T size"],
    factors: Float64[np.ndarray, " size"],
    pairs: Int[np.ndarray, " n"],
    nodes: Int[np.ndarray, " n"],
) -> Float64[np.ndarray, " n"]:
    """max over the rows of pair (t, j) that read node i of factor²."""
    t, where = np.nonzero(shown >= 0)
    width = int(graph.node_offsets[-2]) + 1
    keys = (t * graph.node_counts[index] + graph.local_nodes(index)[where]) * width + graph.node_of[shown[t, where]]
    found, place = np.unique(keys, return_inverse=True)
    largest = np.zeros(len(found))
    np.maximum.at(largest, place, np.square(factors)[where])
    return np.asarray(largest[np.searchsorted(found, pairs * width + nodes)])


def _squares(
    graph: Graph, index: int, shown: Int32[np.ndarray, "T size"], factors: Float64[np.ndarray, " size"]
) -> Entries:
    """Sums of squares of the factors by pair (t, j), as number t · nodes + j, and element that node j sees at t."""
    t, where = np.nonzero(shown >= 0)
    pair = t * graph.node_counts[index] + graph.local_nodes(index)[where]
    return _reduced(np.add, pair, shown[t, where], np.square(factors)[where], int(graph.offsets[-1]))


def _reduced(
    combine: np.ufunc,
    rows: Int[np.ndarray, " n"],
    columns: Int[np.ndarray, " n"],
    values: Float64[np.ndarray, " n"],
    width: int,
) -> Entries:
    """One number per (row, column) from several; most maps come in order and need no sorting."""
    keys = rows * width + columns
    if (keys[1:] < keys[:-1]).any():
        order = np.argsort(keys, kind="stable")
        keys, rows, columns, values = keys[order], rows[order], columns[order], values[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    if len(first) == len(keys):
        return rows, columns, values
    return rows[first], columns[first], combine.reduceat(values, first)


def _repeated(rows: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether a number of an ascending list stands there more than once."""
    next_same = np.diff(rows, append=-1) == 0
    return next_same | np.concatenate([[False], next_same])[:-1]
