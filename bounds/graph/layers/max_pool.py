"""Maxima over windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True)
class MaxPool(NoTerms):
    """The maximum over windows, channel by channel: element (f, c) = max_t z[taps(f)_t,c]; ABSENT taps are left out."""

    positions: int
    channels: int
    taps: Taps
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "max pool"
    kind: ClassVar[str] = "max pool"
    maximum: ClassVar[bool] = True
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def window(self) -> int:
        """The most sites in a window."""
        return int(self.taps.window_sizes.max())

    @property
    def elements(self) -> Int32[np.ndarray, "size T"]:
        """int32 (size, T): the elements that each element of the layer compares, ABSENT left out."""
        seen = self.taps.rows(0).reshape(len(self.taps.sites), -1, self.taps.channels)
        return np.ascontiguousarray(seen.transpose(0, 2, 1)).reshape(self.size, -1)

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, "B S C"], ...]:
        return (self.taps.source,)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"windows": (self.taps.source, self.taps.sites)}

    def renumbered(self, renumber: Table) -> MaxPool:
        return replace(self, taps=self.taps.renumbered(renumber))

    def windows(self, values: Float64[np.ndarray, " padded"]) -> Iterator[Float64[np.ndarray, "rows T C"]]:
        """From one value per element of the graph, 0 at the end: (rows, T, C) of some rows after the others."""
        return (taken for _, _, taken in self.taps.windows(values))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        source = self.taps.source[0]
        values = read(source)
        values[:, source < 0] = -np.inf
        maxima = [rows.max(axis=2) for _, rows in self.taps.batches(values, fill=-np.inf)]
        return np.concatenate(maxima, axis=1).reshape(len(values), -1)
