"""Linear maps that no training changes: average pooling, skips, and elementwise scales (whose size is a number)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int32
from scipy import sparse

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.terms import Fixed


@dataclass(frozen=True)
class FixedMap:
    """Σ_t P_t, where P_t shows each element of the layer one element of another: norms of its blocks, node by node."""

    spectral2: tuple[sparse.csr_array, ...]
    """Per t, ‖P_t,ji‖² for nodes j of the layer (rows) and nodes i of the graph (columns)."""
    frobenius: sparse.csr_array
    """Σ_t ‖P_t,ji‖_F."""
    scale: float | None
    """max |scale|, by which all this is to be multiplied; None where nothing is learned."""

    def linear(self, q: Float64[np.ndarray, "padded K"]) -> Float64[np.ndarray, "nodes K"]:
        """Σ_t √(Σ_i ‖P_t,ji‖² q_i²): the rows of P_t,ji for different i are different coordinates of node j."""
        return sum(
            (np.sqrt(p @ np.square(q)) for p in self.spectral2), start=np.zeros((self.frobenius.shape[0], q.shape[1]))
        )

    def activated(self, q: Float64[np.ndarray, "padded K"]) -> Float64[np.ndarray, "nodes K"]:
        """Σ_i ‖P_ji‖_F q_i: below an activation a map counts row by row."""
        return np.asarray(self.frobenius @ q)


def fixed_map(graph: Graph, index: int, term: Fixed) -> FixedMap:
    """A term of a layer that is not learned, but for its scale."""
    scale = term.learned_scale
    factors = np.abs(term.factors) if scale is None else np.ones(graph.layers[index].size)
    return _map(graph, index, term.copies, factors, scale)


def _map(
    graph: Graph,
    index: int,
    shown: Sequence[Int32[np.ndarray, " size"]],
    coefficient: Float64[np.ndarray, " size"],
    scale: float | None,
) -> FixedMap:
    local, shape = graph.local_nodes(index), (graph.node_counts[index], int(graph.node_offsets[-1]))
    spectral2, frobenius = [], sparse.csr_array(shape)
    for elements in shown:
        there = elements >= 0
        j, e, squares = local[there], elements[there], np.square(coefficient[there])
        # P has one entry per row, so PᵀP is diagonal: an element's own entry is the sum of its squares.
        entries = sparse.coo_array((squares, (j, e)), shape=(shape[0], int(graph.offsets[-1])))
        entries.sum_duplicates()
        rows, columns = entries.coords[0], graph.node_of[entries.coords[1]]
        largest = _reduced(np.maximum, rows, columns, entries.data, shape)
        total = _reduced(np.add, rows, columns, entries.data, shape)
        spectral2.append(largest)
        frobenius = frobenius + total.sqrt()
    return FixedMap(tuple(spectral2), sparse.csr_array(frobenius), scale)


def _reduced(
    combine: np.ufunc,
    rows: Int[np.ndarray, " n"],
    columns: Int[np.ndarray, " n"],
    values: Float64[np.ndarray, " n"],
    shape: tuple[int, int],
) -> sparse.csr_array:
    """One number per (row, column) from several."""
    keys, where = np.unique(rows.astype(np.int64) * shape[1] + columns, return_inverse=True)
    out = np.zeros(len(keys))
    combine.at(out, where, values)
    return sparse.csr_array((out, (keys // shape[1], keys % shape[1])), shape=shape)
