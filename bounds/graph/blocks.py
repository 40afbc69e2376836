"""Predecessors and block norms of a layer, for the graph's partition into nodes.

W_ji is the block of weights from node i to node j: rows are coordinates of j, columns coordinates of i. Rows that
share their weights share one table of norms, so a convolution costs (positions × taps) integers and
(taps × output nodes) numbers, however large the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64
from scipy import sparse

from sparsebounds.bounds.graph.elements import ABSENT, CHUNK, names_twice, present_elements
from sparsebounds.bounds.graph.joining import WIDE, ascending, joined, joined_in_pieces
from sparsebounds.bounds.graph.taps import Taps

MAX_EDGES = 2 * 10**8
"""Edges written out one by one, where several terms have to be joined or rows share no pattern."""


@dataclass(frozen=True)
class Blocks:
    """The blocks of one linear term: node `out[b, f, m]` reads node `taps[b, f, t]`, norm² `norms2[b, t, m]`."""

    taps: Int32[np.ndarray, "B F T"]
    """Global node numbers, ABSENT for constant zeros; no node twice in a row."""
    table: Float64[np.ndarray, "B T M"]
    """Squared Frobenius norms; or the weights themselves, of a wide dense layer whose blocks are one weight each."""
    out: Int32[np.ndarray, "B F M"]
    """Node number within the layer; every node of the layer once."""
    size: int
    """Nodes of the layer."""
    single: bool = False
    """Whether the table is of weights: they are not copied for as long as nobody asks for their squares."""

    @property
    def norms2(self) -> Float64[np.ndarray, "B T M"]:
        """Squared Frobenius norms."""
        return np.square(self.table) if self.single else self.table

    @property
    def present(self) -> Bool[np.ndarray, "B T M"]:
        """Which blocks are not zero."""
        return np.asarray(self.table != 0)

    @cached_property
    def full(self) -> bool:
        """Whether no block is zero."""
        return bool(self.table.all())

    def counts(self, structural: bool = False) -> Int64[np.ndarray, " nodes"]:
        """|pred(j)|: predecessors with a non-zero block, or (`structural`) all that the layer could read."""
        if structural or self.full:
            total = np.zeros(self.size, dtype=np.int64)
            total[self.out] = (self.taps >= 0).sum(axis=2)[:, :, None]
            return total
        return np.rint(self.sums_of_present(self._ones)).astype(np.int64)

    def square_norms(self) -> Float64[np.ndarray, " nodes"]:
        """‖W_j‖²_F = Σ_i ‖W_ji‖²_F, for every node."""
        return self.sums(self._ones, self.norms2)

    @property
    def _ones(self) -> Float64[np.ndarray, " padded"]:
        return np.append(np.ones(int(self.taps.max(initial=0)) + 1), 0.0)

    def sums_of_present(self, values: Float64[np.ndarray, " padded"]) -> Float64[np.ndarray, " nodes"]:
        """Σ values[i] over the non-zero blocks of every node; `values` as in `sums`."""
        if not self.single:
            return self.sums(values, self.present.astype(np.float64))
        seen, step, total = values[self.taps[0, 0]], max(1, WIDE // self.table.shape[2]), np.zeros(self.size)
        for start in range(0, len(seen), step):  # a wide matrix is not copied
            part = slice(start, start + step)
            total[self.out[0, 0]] += seen[part] @ (self.table[0, part] != 0).astype(np.float64)
        return total

    def sums(
        self, values: Float64[np.ndarray, " padded"], table: Float64[np.ndarray, "B T M"]
    ) -> Float64[np.ndarray, " nodes"]:
        """Σ_t table[b, t, m] · values[taps[b, f, t]] for every node; `values` by global node, 0 at its end."""
        total = np.zeros(self.size)
        for b, rows in self._chunks():
            total[self.out[b, rows]] = values[self.taps[b, rows]] @ table[b]
        return total

    def largest(
        self, values: Float64[np.ndarray, " padded"], structural: bool = False
    ) -> Float64[np.ndarray, " nodes"]:
        """max_{i ∈ pred(j)} values[i] for every node; −inf without predecessors.

        `values` is indexed by global node, and −inf at its end: ABSENT is −1.
        """
        best = np.full(self.size, -np.inf)
        for b, rows in self._chunks():
            seen = values[self.taps[b, rows]]
            every = (structural or self.full) and seen.shape[1] > 0
            best[self.out[b, rows]] = seen.max(axis=1)[:, None] if every else _masked_max(seen, self.table[b])
        return best

    def _chunks(self) -> Iterator[tuple[int, slice]]:
        b_count, f_count, t = self.taps.shape
        step = max(1, CHUNK // max(1, t + self.table.shape[2]))
        for b in range(b_count):
            for start in range(0, f_count, step):
                yield b, slice(start, start + step)

    def edges(self) -> sparse.csr_array:
        """The pattern of non-zero blocks: sparse (nodes of the layer, nodes of the graph)."""
        (b_count, f_count, t), m = self.taps.shape, self.table.shape[2]
        if b_count * f_count * t * m > MAX_EDGES:
            raise ValueError(f"{b_count * f_count * t * m} edges; count predecessors in a coarser partition")
        shape = (b_count, f_count, t, m)
        source = np.broadcast_to(self.taps[..., None], shape)
        target = np.broadcast_to(self.out[:, :, None, :], shape)
        present = self.present[:, None] & (source >= 0)
        columns = int(max(self.taps.max(), 0)) + 1
        data = np.ones(int(present.sum()), dtype=bool)
        return sparse.csr_array((data, (target[present], source[present])), shape=(self.size, columns))


def _masked_max(seen: Float64[np.ndarray, "R T"], table: Float64[np.ndarray, "T M"]) -> Float64[np.ndarray, "R M"]:
    """max over t with table[t, m] ≠ 0 of seen[r, t]: (R, T), (T, M) → (R, M); columns with one mask share the work."""
    present = table.T != 0
    _, first, which = np.unique(np.packbits(present, axis=1), axis=0, return_index=True, return_inverse=True)
    best = np.full((len(seen), len(first)), -np.inf)
    for i, mask in enumerate(present[first]):
        if mask.any():
            best[:, i] = seen[:, mask].max(axis=1)
    return best[:, np.ravel(which)]


@dataclass(frozen=True)
class JoinedBlocks:
    """The pattern of a sum of terms (a skip beside a convolution)."""

    parts: tuple[Blocks, ...]

    def counts(self) -> Int64[np.ndarray, " nodes"]:
        """|pred(j)| of the sum: a node read by two terms counts once."""
        patterns = [p.edges() for p in self.parts]
        width = max(p.shape[1] for p in patterns)
        total = sum(
            sparse.csr_array((p.data.astype(np.int64), p.indices, p.indptr), (p.shape[0], width)) for p in patterns
        )
        return np.diff(sparse.csr_array(total).indptr).astype(np.int64)


@dataclass(frozen=True)
class LayerNodes:
    """Which elements form one node, for the blocks of one layer."""

    local: Int32[np.ndarray, " size"]
    """Node number within the layer, for every element of the layer."""
    node_of: Int32[np.ndarray, " padded"]
    """Global node number of every element that can be read, ABSENT at the end."""
    channels: int
    """Of the layer."""
    scalar: bool
    """Whether every element is a node of its own."""


def row_blocks(
    taps: Taps, weight: Float64[np.ndarray, "B K N"], order: Int[np.ndarray, " size"] | None, nodes: LayerNodes
) -> Blocks:
    """Blocks of rows (b, f) with weights (B, K, N).

    Args:
        taps: what the rows read.
        weight: (B, K, N).
        order: sends the outputs (b, f, n) to the layer's elements; None where they agree.
        nodes: of the layer and of what it reads.
    """
    b_count, f_count, _ = taps.shape
    targets = (nodes.local if order is None else nodes.local[order]).reshape(b_count, f_count, -1)
    columns, out = _output_groups(targets)
    read, group, groups = _read_nodes(nodes.node_of, taps)
    size, m = int(nodes.local.max()) + 1, out.shape[2]
    if weight.size > WIDE and taps.shape[:2] == (1, 1) and ascending(group):
        single = (groups, m) == weight.shape[1:] and ascending(columns)
        table = weight if single else joined_in_pieces(weight, columns, m, group, groups)
        blocks = Blocks(read, table, out, size, single)
    else:
        squares = joined(np.square(weight), columns, m, axis=2).reshape(len(weight), taps.sites.shape[1], -1, m)
        table = joined(squares, group, groups, axis=2)
        blocks = _each_node_once(Blocks(read, table.reshape(len(weight), -1, m), out, size))
    return blocks if nodes.scalar else _each_tap_once(blocks)


def _output_groups(targets: Int[np.ndarray, "B F N"]) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, "B F M"]]:
    """Outputs of a row that belong to one node: group of each output (N,), and the nodes (B, F, M)."""
    _, first, columns = np.unique(targets[0, 0], return_index=True, return_inverse=True)
    out = targets[:, :, first]
    if not np.array_equal(out[:, :, np.ravel(columns)], targets):
        columns, out = np.arange(targets.shape[2]), targets
    return np.ravel(columns), np.ascontiguousarray(out)


def _read_nodes(
    node_of: Int32[np.ndarray, " padded"], taps: Taps
) -> tuple[Int32[np.ndarray, "B F T"], Int[np.ndarray, " C"], int]:
    """Node numbers (B, F, T'); columns of one tap that always show one node are joined: their groups, and how many."""
    source = node_of[taps.source]
    group, first = _equal_columns(source.reshape(-1, source.shape[2]))
    nodes = source[:, :, first][:, taps.sites]
    nodes[:, taps.sites < 0] = ABSENT
    return nodes.reshape(len(source), len(taps.sites), -1), group, len(first)


def _equal_columns(rows: Int[np.ndarray, "R K"]) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " groups"]]:
    """Columns that agree in every row: their group (K,), and one column of each group."""
    k = rows.shape[1]
    if k == 1:
        return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)
    if len(rows) == 1 and (rows[0, 1:] >= rows[0, :-1]).all():  # a dense layer that reads node after node
        new = np.concatenate([[True], rows[0, 1:] != rows[0, :-1]])
        return np.cumsum(new) - 1, np.flatnonzero(new)
    rng = np.random.default_rng(0)
    probe = rows[rng.integers(0, len(rows), size=min(len(rows), 64))]
    by_probe = np.lexsort(probe)
    ordered = rows[:, by_probe]
    new = np.concatenate([[True], (ordered[:, 1:] != ordered[:, :-1]).any(axis=0)])
    group = np.empty(k, dtype=np.int64)
    group[by_probe] = np.cumsum(new) - 1
    return group, by_probe[new]


def _each_node_once(blocks: Blocks) -> Blocks:
    """Rows that feed one node (the groups of a grouped convolution) become one row that reads what all of them read."""
    (b_count, f_count, t), m = blocks.taps.shape, blocks.out.shape[2]
    if b_count == 1 or len(present_elements(blocks.out)) == blocks.out.size:
        return blocks
    feeding: dict[bytes, list[int]] = {}  # weight sets that feed the same nodes, row by row
    for b, nodes in enumerate(blocks.out):
        feeding.setdefault(nodes.tobytes(), []).append(b)
    groups = list(feeding.values())
    width = max(len(g) for g in groups)
    taps = np.full((len(groups), f_count, width, t), ABSENT, dtype=np.int32)
    norms2 = np.zeros((len(groups), width, t, m))
    for i, members in enumerate(groups):
        taps[i, :, : len(members)] = blocks.taps[members].transpose(1, 0, 2)
        norms2[i, : len(members)] = blocks.table[members]
    out = blocks.out[[members[0] for members in groups]]
    if len(present_elements(out)) != out.size:
        raise ValueError("a layer whose nodes mix weight groups irregularly; read it with nodes='scalar'")
    return Blocks(taps.reshape(*taps.shape[:2], -1), norms2.reshape(len(groups), -1, m), out, blocks.size)


def _each_tap_once(blocks: Blocks) -> Blocks:
    """Columns that show the same node are joined; where that differs from row to row, every row gets its own table."""
    b_count, f_count, _ = blocks.taps.shape
    if not names_twice(blocks.taps):
        return blocks
    parts = [_equal_columns(rows) for rows in blocks.taps]
    width = max(len(first) for _, first in parts)
    taps = np.full((b_count, f_count, width), ABSENT, dtype=np.int32)
    given = blocks.norms2
    norms2 = np.zeros((b_count, width, given.shape[2]))
    for b, (group, first) in enumerate(parts):
        taps[b, :, : len(first)] = blocks.taps[b][:, first]
        np.add.at(norms2[b], group, given[b])
    if names_twice(taps):
        return _row_by_row(blocks)
    return Blocks(taps, norms2, blocks.out, blocks.size)


def _row_by_row(blocks: Blocks) -> Blocks:
    """A table of norms for every row, with each node once."""
    (b_count, f_count, t), m = blocks.taps.shape, blocks.table.shape[2]
    if b_count * f_count * t * m > MAX_EDGES:
        raise ValueError(
            "a layer whose rows read nodes in irregular patterns is too large; read it with nodes='scalar'"
        )
    taps = np.full((b_count * f_count, 1, t), ABSENT, dtype=np.int32)
    norms2, given = np.zeros((b_count * f_count, t, m)), blocks.norms2
    for r, row in enumerate(blocks.taps.reshape(-1, t)):
        nodes, where = np.unique(row, return_inverse=True)
        taps[r, 0, : len(nodes)] = nodes
        np.add.at(norms2[r], where, given[r // f_count])
    return Blocks(taps, norms2, blocks.out.reshape(b_count * f_count, 1, -1), blocks.size)
