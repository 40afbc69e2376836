"""Dot: a learned linear map, its weights shared between rows or not."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Num, Shaped

from sparsebounds.bounds.graph.blocks import Blocks, LayerNodes, row_blocks
from sparsebounds.bounds.graph.elements import counted, present_elements
from sparsebounds.bounds.graph.joining import WIDE
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms.linear_map import LinearMap, Read, Table

BLOCK = 1 << 18
"""Entries of such a layer that are computed with at a time: what the cache of a core holds."""


@dataclass(frozen=True)
class Dot(LinearMap):
    """A learned linear map: convolution, dense, locally connected, explicit predecessors.

    Row (b, f) computes Σ_k z[taps(b, f)_k] · weight[b, k, :]. `order` sends its outputs (b, f, n), flattened, to the
    elements of the layer; None where they already agree.
    """

    taps: Taps
    weight: Float64[np.ndarray, "B K N"]
    order: Int[np.ndarray, " size"] | None = None

    learned: ClassVar[bool] = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, F, N): weight sets, rows of each, outputs of a row."""
        return (*self.taps.shape[:2], int(self.weight.shape[2]))

    @property
    def dense(self) -> bool:
        """Whether it has one row: a matrix over all that the layer reads."""
        return self.taps.shape[:2] == (1, 1)

    @property
    def places(self) -> Int[np.ndarray, " size"]:
        """Where the outputs (b, f, n), flattened, stand in the layer: int (size,)."""
        return np.arange(np.prod(self.shape)) if self.order is None else self.order

    @property
    def numbers(self) -> Float64[np.ndarray, "sets K N"]:
        """What the program can choose: one set of weights where all its sets are the same."""
        return self.weight[:1] if bool((self.weight == self.weight[:1]).all()) else self.weight

    def placed(self, outputs: Shaped[np.ndarray, "*batch B F N"]) -> Shaped[np.ndarray, "*batch size"]:
        """(…, B, F, N) → (…, size), in the order of the layer's elements."""
        flat = outputs.reshape(*outputs.shape[:-3], -1)
        if self.order is None:
            return flat
        placed = np.empty_like(flat)
        placed[..., self.order] = flat
        return placed

    def by_rows(self, values: Num[np.ndarray, " size"]) -> Num[np.ndarray, "B F N"]:
        """One value per element of the layer → (B, F, N)."""
        return (values if self.order is None else values[self.order]).reshape(self.shape)

    @cached_property
    def with_shared_rows(self) -> Dot:
        """Rows that are written with weights of their own, all equal, share one table."""
        b_count, f_count, _ = self.shape
        if b_count == 1 or f_count != 1 or not (self.weight == self.weight[:1]).all():
            return self
        rows = np.stack([self.taps.rows(b)[0] for b in range(b_count)])
        return Dot(Taps.spelled(rows[None]), self.weight[:1], self.order)

    # ---- as every term ------------------------------------------------------------------------------------------

    @property
    def elements_read(self) -> Int32[np.ndarray, "B S C"]:
        return self.taps.source

    @property
    def reads_twice(self) -> bool:
        return self.taps.repeats > 1

    def renumbered(self, renumber: Table) -> Dot:
        return replace(self, taps=self.taps.renumbered(renumber))

    @property
    def strengths(self) -> Float64[np.ndarray, "B K N"]:
        return self.weight

    def with_strengths(self, values: Float64[np.ndarray, "B K N"]) -> Dot:
        return replace(self, weight=values)

    @property
    def parameters(self) -> Float64[np.ndarray, "B K N"]:
        return self.weight

    def scaled(self, factor: Float64[np.ndarray, " size"]) -> Dot | None:
        rows = self.by_rows(factor)
        if not (rows == rows[:, :1]).all():
            return None
        return replace(self, weight=self.weight * rows[:, 0][:, None, :])

    def reordered(self, order: Int[np.ndarray, " size"]) -> Dot:
        same = np.arange(len(order))
        if np.array_equal(order, same):
            return self
        target = np.empty_like(same)
        target[order] = same
        places = target if self.order is None else target[self.order]
        return replace(self, order=None if np.array_equal(places, same) else places)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        taps = self.taps
        return {"windows": (taps.source, taps.sites), "weights' shape": (self.weight.shape, self.order)}

    @property
    def entry_count(self) -> int:
        return int(np.prod(self.taps.shape)) * self.shape[2]

    @property
    def additions(self) -> int:
        return sum(self.taps.shape) + sum(self.weight.shape)

    def entries(
        self,
    ) -> tuple[Int[np.ndarray, "B F 1 N"], Int32[np.ndarray, "B F K 1"], Float64[np.ndarray, "B 1 K N"]]:
        b_count, f_count, n = self.shape
        seen = np.stack([self.taps.rows(b) for b in range(b_count)])
        return self.places.reshape(b_count, f_count, 1, n), seen[..., None], self.weight[:, None]

    def add_to(self, matrix: Float64[np.ndarray, "size columns"], column: Int[np.ndarray, " padded"]) -> None:
        if self.dense and self.order is None:
            seen = column[self.taps.rows(0)[0]]
            if len(present_elements(seen)) == len(seen):  # every element once: no list of entries is needed
                matrix[:, seen] += self.weight[0].T
                return
        super().add_to(matrix, column)

    def sum_of_entries(self, table: Table) -> float:
        """A convolution's taps times their valid positions."""
        counts = self.taps.column_counts()
        return float(sum(each @ _row_sums(weight, table) for each, weight in zip(counts, self.weight, strict=True)))

    def apply(self, values: Float64[np.ndarray, " padded"], table: Table) -> Float64[np.ndarray, " size"]:
        if self.dense and self.weight.size > WIDE:
            return self.placed(self._dense_apply(values, table))
        out, weight = np.empty(self.shape), table(self.weight)
        for b, start, taken in self.taps.windows(values):
            out[b, start : start + len(taken)] = taken.reshape(len(taken), -1) @ weight[b]
        return self.placed(out)

    def _dense_apply(self, values: Float64[np.ndarray, " padded"], table: Table) -> Float64[np.ndarray, "1 1 N"]:
        """`apply` of a wide matrix, some of its columns at a time: it is not copied."""
        taken, weight = values[self.taps.rows(0)[0]], self.weight[0]
        out, step = np.zeros(self.shape), max(1, BLOCK // weight.shape[1])
        for start in range(0, len(weight), step):
            out[0, 0] += taken[start : start + step] @ table(weight[start : start + step])
        return out

    def _dense_apply_transposed(self, row: Float64[np.ndarray, " N"], table: Table) -> Float64[np.ndarray, "1 K"]:
        """`apply_transposed` of a wide matrix, some of its columns at a time, for each column that it reads."""
        weight, step = self.weight[0], max(1, BLOCK // self.weight.shape[2])
        return np.concatenate([table(weight[s : s + step]) @ row for s in range(0, len(weight), step)])[None]

    def reads_of(self, values: Float64[np.ndarray, " padded"]) -> Bool[np.ndarray, " size"]:
        there = np.zeros(self.shape, dtype=bool)
        for b, source in enumerate(self.taps.source):
            sites = np.append((values[source] > 0).any(axis=1), False)  # ABSENT is −1
            there[b] = sites[self.taps.sites].any(axis=1)[:, None]
        return self.placed(there)

    def apply_transposed(
        self, outputs: Float64[np.ndarray, " outputs"], table: Table, size: int
    ) -> Float64[np.ndarray, " size"]:
        rows = self.by_rows(outputs)
        if self.dense and self.weight.size > WIDE:
            return counted(self.taps.rows(0), self._dense_apply_transposed(rows[0, 0], table), size)
        weight = table(self.weight)
        window = self.taps.sites.shape[1], self.taps.channels

        def spread(b: int, start: int, stop: int) -> Float64[np.ndarray, "rows T C"]:
            return (rows[b, start:stop] @ weight[b].T).reshape(-1, *window)

        return self.taps.scattered(spread, size)

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        b_count, f_count, n = self.shape
        if f_count == 1 and self.taps.sites.shape[1] == 1 and b_count > 1:  # unshared: all rows at once
            values = read(self.taps.source[:, self.taps.sites[0, 0]])
            return self.placed(np.einsum("xbk,bkn->xbn", values, self.weight)[:, :, None])
        out = np.empty((0, b_count, f_count, n))
        for b in range(b_count):
            source = read(self.taps.source[b])
            if not b:
                out = np.empty((len(source), b_count, f_count, n))
            for start, rows in self.taps.batches(source):
                out[:, b, start : start + rows.shape[1]] = rows.reshape(*rows.shape[:2], -1) @ self.weight[b]
        return self.placed(out)

    def blocks(self, nodes: LayerNodes) -> Blocks:
        return row_blocks(self.taps, self.weight, self.order, nodes)


def _row_sums(weight: Float64[np.ndarray, "K N"], table: Table) -> Float64[np.ndarray, " K"]:
    """Σ over every row of `table(entry)`, some rows at a time: a wide layer is not copied."""
    step = max(1, BLOCK // max(1, weight.shape[1]))
    starts = range(0, len(weight), step)
    return np.concatenate([table(weight[s : s + step]).sum(axis=1) for s in starts] or [np.zeros(0)])
