"""Windows of one series among samples that go by once: what `windows.overlapping` finds, without all of them."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.sample.windows import (
    EACH,
    FEWEST,
    NUMBERS,
    SEEN,
    TOGETHER,
    codes_of,
    overlapping,
    run_length,
    runs_of,
    share_moved,
)

FORESEEN = 1 << 24
"""Samples for which runs are long enough not to agree by chance, once they can no longer be kept."""


class Overlapping:
    """The first numbers of every sample are kept while they are few; of more samples their runs alone.

    With up to NUMBERS numbers in all the answer is that of `overlapping`. Beyond, runs are as long as FORESEEN samples
    need, and are thinned by halves.

    Example:
        >>> series = np.random.default_rng(0).normal(size=300).astype(np.float32)
        >>> found = Overlapping()
        >>> for i in range(0, 280, 10):
        ...     found.add(np.stack([series[j : j + 20] for j in range(i, i + 10)]))
        >>> found.share()
        1.0
    """

    def __init__(self) -> None:
        self.count = 0
        self._parts: list[np.ndarray] = []
        self._size = 0
        self._length: float | None = None
        """Of runs, once samples are no longer kept."""
        self._every = 1
        self._runs = [(np.zeros(0, np.uint64), np.zeros(0, np.int32), np.zeros(0, np.int64))]

    def add(self, part: np.ndarray) -> None:
        """Some more inputs, (B, …)."""
        before, self.count = self.count, self.count + len(part)
        full = int(np.prod(part.shape[1:]))
        if self._length is None:
            self._size = min(full, max(SEEN, NUMBERS // self.count))
            self._parts.append(codes_of(part, self._size))
            if sum(kept.size for kept in self._parts) > 2 * NUMBERS:
                self._parts = [kept[:, : self._size].copy() for kept in self._parts]
            if self.count * self._size > NUMBERS:
                self._begin()
        else:
            self._add_runs(codes_of(part, self._size), before)

    def share(self) -> float:
        """The share of samples that look like windows of one series."""
        if self._length is None:
            return overlapping(self._kept()) if self.count >= FEWEST else 0.0
        marks, places, samples = (np.concatenate([runs[i] for runs in self._runs]) for i in range(3))
        return share_moved(marks, places, samples, self.count)

    def _kept(self) -> np.ndarray:
        return np.concatenate([kept[:, : self._size] for kept in self._parts]).view(np.float32)

    def _begin(self) -> None:
        """From here on runs alone are kept."""
        kept, most = self._kept(), 2 * self._size // 3
        length = run_length(kept, self._size, len(kept))
        self._length = min(run_length(kept, self._size, FORESEEN), max(length, most))
        if self._length <= most:
            self._every = max(1, (self._size - int(self._length) + 1) // EACH)
        self._parts = []
        for start in range(0, len(kept), FEWEST * SEEN):
            self._add_runs(kept[start : start + FEWEST * SEEN].view(np.uint32), start)

    def _add_runs(self, codes: np.ndarray, first: int) -> None:
        if self._length is None or math.isinf(self._length) or self._length > 2 * self._size / 3:
            return  # no run can be told from chance
        marks, places, samples, _ = runs_of(codes, int(self._length), self._every)
        self._runs.append((marks, places, samples + first))
        while sum(len(runs[0]) for runs in self._runs) > TOGETHER:
            self._every *= 2
            thin = [runs[0] % np.uint64(self._every) == 0 for runs in self._runs]
            self._runs = [
                (runs[0][keep], runs[1][keep], runs[2][keep]) for runs, keep in zip(self._runs, thin, strict=True)
            ]
