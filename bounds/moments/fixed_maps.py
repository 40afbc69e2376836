"""Linear maps that no training changes: average pooling, skips, and elementwise scales (whose size is a number)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Int32
from scipy import sparse

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.terms import Fixed


@dataclass(frozen=True)
class FixedMap:
    """Σ_t P_t, where P_t shows each element of the layer one element of another: norms of its blocks, node by node."""

    spectral2: sparse.csr_array
    """‖P_t,ji‖² for pairs (t, j) of one t and a node j of the layer (rows) and nodes i of the graph (columns)."""
    together: sparse.csr_array
    """1 where a row of `spectral2` belongs to node j: adds up over t."""
    frobenius: sparse.csr_array
    """Σ_t ‖P_t,ji‖_F."""
    scale: float | None
    """max |scale|, by which all this is to be multiplied; None where nothing is learned."""

    def linear(self, q: Float64[np.ndarray, "padded K"]) -> Float64[np.ndarray, "nodes K"]:
        """Σ_t √(Σ_i ‖P_t,ji‖² q_i²): the rows of P_t,ji for different i are different coordinates of node j."""
        return np.asarray(self.together @ np.sqrt(self.spectral2 @ np.square(q)))

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
    shown: Int32[np.ndarray, "T size"],
    coefficient: Float64[np.ndarray, " size"],
    scale: float | None,
) -> FixedMap:
    """`shown`: the element that each element of the layer sees at t, or ABSENT."""
    count, columns = graph.node_counts[index], int(graph.node_offsets[-1])
    t, where = np.nonzero(shown >= 0)  # t ascending: sums over t are in this order
    j = graph.local_nodes(index)[where].astype(np.int64)
    # P_t has one entry per row, so P_tᵀP_t is diagonal: an element's own entry is the sum of its squares.
    pairs, row = np.unique(t * count + j, return_inverse=True)
    entries = sparse.coo_array(
        (np.square(coefficient[where]), (row, shown[t, where])), shape=(len(pairs), int(graph.offsets[-1]))
    )
    entries.sum_duplicates()
    row, seen = entries.coords[0], graph.node_of[entries.coords[1]]
    largest = _reduced(np.maximum, row, seen, entries.data, (len(pairs), columns))
    total = _reduced(np.add, row, seen, entries.data, (len(pairs), columns)).tocoo()
    node = pairs % count
    frobenius = _reduced(np.add, node[total.coords[0]], total.coords[1], np.sqrt(total.data), (count, columns))
    ones = sparse.csr_array((np.ones(len(pairs)), (node, np.arange(len(pairs)))), shape=(count, len(pairs)))
    return FixedMap(largest, ones, frobenius, scale)


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
