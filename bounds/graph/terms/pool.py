"""Pool: sums over windows, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Int32

from sparsebounds.bounds.graph.blocks import Blocks, LayerNodes, row_blocks
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms.linear_map import LinearMap, Read, Table

STRUCTURAL = 1e-6
"""A pooling coefficient this close (relatively) to 1 or to 1/|window| is part of the architecture, not learned."""


@dataclass(frozen=True)
class Pool(LinearMap):
    """A fixed sum over windows, channel by channel (average pooling): element (f, c) = coefficient · Σ_t z."""

    taps: Taps
    """With B = 1."""
    coefficient: Float64[np.ndarray, " ..."]
    """Broadcastable to (F, C)."""

    @property
    def shape(self) -> tuple[int, int]:
        """(F, C): windows and channels."""
        return len(self.taps.sites), self.taps.channels

    @property
    def copies(self) -> Int32[np.ndarray, "T size"]:
        """P_t of Σ_t P_t, before the factors: the element that each element reads at t, or ABSENT."""
        seen = self.taps.rows(0).reshape(self.shape[0], -1, self.shape[1])
        return seen.transpose(1, 0, 2).reshape(seen.shape[1], -1)

    @property
    def factors(self) -> Float64[np.ndarray, " size"]:
        """What each element of the layer is multiplied by: float64 (size,)."""
        return np.broadcast_to(self.coefficient, self.shape).ravel()

    @property
    def learned_scale(self) -> float | None:
        """max |coefficient|; None where all windows are summed, all divided by their size, or all by what is there."""
        sizes = np.abs(np.broadcast_to(self.coefficient, self.shape))
        present = np.maximum(self.taps.window_sizes, 1)[:, None]
        counts = (1.0, self.taps.sites.shape[1], present)
        fixed = any(bool((np.abs(sizes * count - 1.0) <= STRUCTURAL).all()) for count in counts)
        return None if fixed else float(sizes.max(initial=0.0))

    # ---- as every term ------------------------------------------------------------------------------------------

    @property
    def elements_read(self) -> Int32[np.ndarray, "1 S C"]:
        return self.taps.source

    @property
    def reads_twice(self) -> bool:
        return self.taps.repeats > 1

    def renumbered(self, renumber: Table) -> Pool:
        return replace(self, taps=self.taps.renumbered(renumber))

    @property
    def strengths(self) -> Float64[np.ndarray, " ..."]:
        return np.asarray(self.coefficient, dtype=np.float64)

    def with_strengths(self, values: Float64[np.ndarray, " ..."]) -> Pool:
        return replace(self, coefficient=values)

    @property
    def parameters(self) -> None:
        return None

    def scaled(self, factor: Float64[np.ndarray, " size"]) -> Pool:
        coefficient = np.broadcast_to(self.coefficient, self.shape) * factor.reshape(self.shape)
        return replace(self, coefficient=coefficient)

    def reordered(self, order: Int[np.ndarray, " size"]) -> None:
        return None

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"windows": (self.taps.source, self.taps.sites), "pooling": (self.coefficient,)}

    @property
    def entry_count(self) -> int:
        return int(np.prod(self.taps.shape))

    @property
    def additions(self) -> int:
        return sum(self.taps.shape) + sum(self.strengths.shape)

    def entries(self) -> tuple[Int[np.ndarray, "F 1 C"], Int32[np.ndarray, "F T C"], Float64[np.ndarray, "F 1 C"]]:
        f_count, channels = self.shape
        seen = self.taps.rows(0).reshape(f_count, -1, channels)
        row = np.arange(f_count * channels).reshape(f_count, 1, channels)
        return row, seen, np.broadcast_to(self.coefficient, self.shape)[:, None]

    def apply(self, values: Float64[np.ndarray, " padded"], table: Table) -> Float64[np.ndarray, " size"]:
        sums = [taken.sum(axis=1) for _, _, taken in self.taps.windows(values)]
        return (np.concatenate(sums) * table(self.strengths)).ravel()

    def apply_transposed(
        self, outputs: Float64[np.ndarray, " outputs"], table: Table, size: int
    ) -> Float64[np.ndarray, " size"]:
        scaled = (outputs.reshape(self.shape) * table(self.strengths))[:, None]
        window = self.taps.sites.shape[1], self.taps.channels
        return self.taps.scattered(
            lambda _, start, stop: np.broadcast_to(scaled[start:stop], (stop - start, *window)), size
        )

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        values = read(self.taps.source[0])
        sums = [rows.sum(axis=2) for _, rows in self.taps.batches(values)]
        return (np.concatenate(sums, axis=1) * self.coefficient).reshape(len(values), -1)

    def blocks(self, nodes: LayerNodes) -> Blocks:
        channels = self.taps.channels
        taps = Taps(self.taps.source[0].T[:, :, None], self.taps.sites)
        order = np.arange(np.prod(self.shape)).reshape(-1, channels).T.ravel()
        return row_blocks(taps, np.ones((channels, taps.shape[2], 1)), order, nodes)
