"""How many inputs are possible: the lattice that all of them lie on, found in one pass."""

from __future__ import annotations

import math

import numpy as np

LEVELS = 65536
"""Of a coordinate, at most."""
BITS = 64
"""A space of more inputs than 2^BITS explains no repetition: so many pairs are never compared."""


class Lattice:
    """The values of every coordinate, as long as few coordinates take more than one.

    Example:
        >>> found = Lattice()
        >>> for part in ([[0.0, 1.0]], [[0.5, 1.0], [1.0, 1.0]]):
        ...     found.add(np.array(part))
        >>> found.size()
        3.0
    """

    def __init__(self) -> None:
        self.unbounded = False
        """Whether the space is beyond 2^BITS already."""
        self._first: np.ndarray | None = None
        self._values: dict[int, np.ndarray | None] = {}

    def add(self, part: np.ndarray) -> None:
        """Some more inputs, (B, …)."""
        rows = part.reshape(len(part), -1)
        if self._first is None:
            self._first = rows[:1].copy()
        if self.unbounded:
            return
        for j in np.flatnonzero((rows != self._first).any(axis=0)).tolist():
            self._values.setdefault(j, self._first[0, j : j + 1])
            if len(self._values) > BITS:
                self.unbounded, self._values = True, {}
                return
        for j, values in self._values.items():
            if values is not None:
                both = np.unique(np.concatenate([values, rows[:, j]]))
                self._values[j] = both if len(both) <= LEVELS else None

    def size(self) -> float:
        """N = Π_j L_j, infinite beyond 2^BITS."""
        found = 1.0
        for values in self._values.values():
            found *= math.inf if values is None else _levels(values)
        return math.inf if self.unbounded or found > 2.0**BITS else found


def _levels(column: np.ndarray) -> float:
    """L of one coordinate: Euclid's algorithm on the gaps between its values, up to the rounding of float32."""
    values = np.unique(column.astype(np.float64))
    gaps, slack = np.diff(values), 4 * 2.0**-24 * np.abs(values).max()
    width = float(gaps.sum())
    step = float(gaps.min())
    while step * LEVELS > width and step > 32 * slack:
        rest = np.abs(gaps - step * np.round(gaps / step))
        if (rest <= slack).all():
            levels = round(width / step) + 1
            return float(levels) if levels <= min(LEVELS, len(values) ** 2) else math.inf
        step = float(rest[rest > slack].min())
    return math.inf
