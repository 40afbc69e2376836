"""Taps: which elements each row of a linear map or of a maximum reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int, Int32

from sparsebounds.bounds.graph.elements import (
    ABSENT,
    CHUNK,
    counted,
    largest_count,
    names_twice,
    present_elements,
    take_rows,
)


@dataclass(frozen=True, eq=False)
class Taps:
    """Which elements each row of a linear map reads: row (b, f) reads `source[b, sites[f, t], c]` for all t, c.

    A convolution keeps its image once (`source`: sites × channels) and a table of windows (`sites`); a dense or
    locally connected layer has one tap (T = 1) and spells its elements out.
    """

    source: Int32[np.ndarray, "B S C"]
    """Element numbers, ABSENT for zeros."""
    sites: Int32[np.ndarray, "F T"]
    """Indices into S, ABSENT for a tap that falls into padding."""

    @classmethod
    def spelled(cls, rows: Int[np.ndarray, "B F K"]) -> Taps:
        """Of rows that are written out: (B, F, K) element numbers."""
        return cls(np.ascontiguousarray(rows, dtype=np.int32), np.arange(rows.shape[1], dtype=np.int32)[:, None])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, F, K): weight sets, rows per weight set, elements per row."""
        return len(self.source), len(self.sites), self.sites.shape[1] * self.channels

    @property
    def channels(self) -> int:
        """C: elements per site."""
        return int(self.source.shape[2])

    @property
    def step(self) -> int:
        """Rows to gather at once."""
        return max(1, CHUNK // max(1, self.shape[2]))

    @property
    def window_sizes(self) -> Int[np.ndarray, " F"]:
        """Sites in each window that are not padding: int (F,)."""
        return np.asarray((self.sites >= 0).sum(axis=1))

    @cached_property
    def repeats(self) -> int:
        """How often one row reads one element, at most."""
        site_twice = names_twice(self.sites)
        if not site_twice and self.sites.shape[1] == 1 and not names_twice(self.source):
            return 1
        most = 1
        for b, source in enumerate(self.source):
            present = source[source >= 0]
            if not site_twice and len(present_elements(present)) == len(present):
                continue
            for start, chunk in self.chunks():
                rows = self.rows(b, start, start + len(chunk)).astype(np.int64)
                most = max(most, largest_count(rows, np.arange(len(rows))[:, None]))
        return most

    def renumbered(self, renumber: Callable[[np.ndarray], np.ndarray]) -> Taps:
        """The same taps of elements with other numbers."""
        return Taps(renumber(self.source), self.sites)

    def rows(self, b: int, start: int = 0, stop: int | None = None) -> Int32[np.ndarray, "rows K"]:
        """Element numbers read by rows (b, start:stop): int32 (rows, K)."""
        return take_rows(self.source[b], self.sites[start:stop], ABSENT)

    def chunks(self) -> Iterator[tuple[int, Int32[np.ndarray, "rows T"]]]:
        """First row and sites of rows that are gathered at once."""
        for start in range(0, len(self.sites), self.step):
            yield start, self.sites[start : start + self.step]

    def batches(
        self, values: Float64[np.ndarray, "n S C"], fill: float = 0.0
    ) -> Iterator[tuple[int, Float64[np.ndarray, "n rows T C"]]]:
        """From the values of one weight set's source for several inputs, (n, S, C): first row, (n, rows, T, C)."""
        for start, sites in self.chunks():
            taken = values[:, sites]
            absent = sites < 0
            if absent.any():
                taken[:, absent] = fill
            yield start, taken

    def windows(
        self, values: Float64[np.ndarray, " padded"]
    ) -> Iterator[tuple[int, int, Float64[np.ndarray, "rows T C"]]]:
        """From one value per element of the graph, 0 at the end: weight set, first row, (rows, T, C)."""
        for b, source in enumerate(self.source):
            image = np.concatenate([values[source], np.zeros((1, self.channels))])  # ABSENT is −1
            for start, sites in self.chunks():
                yield b, start, image[sites]

    def scattered(self, values: Callable[[int, int, int], np.ndarray], size: int) -> Float64[np.ndarray, " size"]:
        """Sum over all rows what each gives to the elements that it reads.

        Args:
            values: (weight set, first row, last row) → (rows, T, C).
            size: elements of the graph.

        Returns:
            float64 (size,).
        """
        result = np.zeros(size)
        for b, source in enumerate(self.source):
            low = int(np.min(source, where=source >= 0, initial=size))  # of a deep network a layer reads few elements
            near = np.where(source >= 0, source - low, ABSENT)
            padded = np.concatenate([near, np.full((1, self.channels), ABSENT, dtype=near.dtype)])
            width = int(near.max(initial=-1)) + 1
            for start, sites in self.chunks():
                result[low : low + width] += counted(padded[sites], values(b, start, start + len(sites)), width)
        return result

    def column_counts(self) -> Iterator[Float64[np.ndarray, " K"]]:
        """For every weight set: how many rows apply each of its columns, float64 (K,)."""
        for source in self.source:
            used = (source >= 0).astype(np.float64)
            padded = np.concatenate([used, np.zeros((1, self.channels))])  # ABSENT is −1
            yield sum((padded[sites].sum(axis=0).ravel() for _, sites in self.chunks()), np.zeros(self.shape[2]))
