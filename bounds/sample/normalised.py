"""Inputs that look normalised by their own statistics: exactly what only constants of this very sample would give.

Constants fixed without the sample give it means near 0 and variances near 1, not these numbers themselves; and a range
known in advance is reached in every coordinate only where many samples reach it, as white pixels do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.sample.pieces import pieces

PREPROCESSING = ("fixed", "sample", "stated")
APPARENT = "apparent"
"""What becomes of "fixed" where the inputs look normalised by their own statistics."""
NEAR, POOLED = 1e-4, 2e-5
"""How near to 0 and 1 means and variances must be: in every coordinate, and of coordinates together, which meet such
numbers more easily. float32 is about as near."""
FEWEST = 20
"""Samples; fewer meet such numbers by chance."""

Numbers = Float64[np.ndarray, " ..."] | np.float64
"""Of coordinates, or of all of them together."""


def check_preprocessing(preprocessing: str) -> None:
    """Raise ValueError unless it is one of `PREPROCESSING`."""
    if preprocessing not in PREPROCESSING:
        raise ValueError(f"preprocessing is {preprocessing!r}; it is one of {', '.join(map(repr, PREPROCESSING))}")


def looks_normalised(x: Any) -> bool:
    """Whether a sample has mean 0 and variance 1, or a largest value of 1 that hardly any sample has, everywhere.

    Everywhere: in every coordinate that varies; for mean and variance also in every channel, or over all coordinates
    together, unless every single input is normalised by itself.

    Args:
        x: (m, …) inputs.

    Returns:
        False for coordinates of −1 and 1, or of 0 and 1, alone, and for fewer samples than FEWEST.

    Example:
        >>> x = np.random.default_rng(0).gamma(2.0, size=(100, 3))
        >>> own = (x - x.mean(axis=0)) / x.std(axis=0)
        >>> looks_normalised(own), looks_normalised(x / x.max(axis=0)), looks_normalised((x - 2.0) / 1.4)
        (True, True, False)
    """
    if len(x) < FEWEST:
        return False
    found = Coordinates()
    for part in pieces(x):
        found.add(part)
    return found.normalised()


def _standard(mean: Numbers, energy: Numbers, m: int, near: float) -> bool:
    """Mean 0, and variance 1 with m or m − 1 in its denominator, in most of what has a variance.

    In float32 the statistics of coordinates that are hardly ever there come out inexact.
    """
    there = energy > 0
    one = (np.abs(energy - 1.0) <= near) | (np.abs(energy - (m - 1) / m) <= near)
    return bool(there.any() and np.mean((one & (np.abs(mean) <= near))[there]) > 0.5)


class Coordinates:
    """Statistics of every coordinate, gathered in one pass."""

    def __init__(self) -> None:
        self.count = 0
        self.norms = np.array([np.inf, 0.0])
        """The least and the largest ‖x‖²."""

    def add(self, part: np.ndarray) -> None:
        """Some more inputs, (B, …)."""
        part = np.asarray(part, dtype=np.float64)
        if not self.count:
            shape = part.shape[1:]
            self.sums, self.squares, self.reached = np.zeros((2, *shape)), np.zeros(shape), np.zeros(shape)
            self.largest = np.stack([np.full(shape, np.inf), np.zeros(shape)])
        self.count += len(part)
        size, squares = np.abs(part), np.square(part)
        self.sums += np.stack([part.sum(axis=0), size.sum(axis=0)])
        self.squares += squares.sum(axis=0)
        norms = squares.reshape(len(part), -1).sum(axis=1)
        self.norms = np.array([min(self.norms[0], norms.min()), max(self.norms[1], norms.max())])
        top, before = size.max(axis=0), self.largest[1]
        reaching = (size >= top).sum(axis=0)
        self.reached = np.where(top > before, reaching, self.reached + np.where(top == before, reaching, 0))
        self.largest = np.stack([np.minimum(self.largest[0], size.min(axis=0)), np.maximum(before, top)])

    def normalised(self) -> bool:
        """What `looks_normalised` says of them."""
        if self.count < FEWEST:
            return False
        mean, energy = self.sums[0] / self.count, self.squares / self.count
        varies = energy > np.square(mean) * (1 + 1e-12)
        if not varies.any() or (self.largest[0] == self.largest[1])[varies].all():
            return False  # one absolute value for each coordinate
        every = tuple(range(mean.ndim))
        alike = self.norms[1] - self.norms[0] <= 1e-3 * self.norms[1]
        over: list[tuple[int, ...]] = [()] if alike else [(), every[:-1], every[1:], every]
        for axes in over:
            if _standard(mean.mean(axis=axes), energy.mean(axis=axes), self.count, POOLED if axes else NEAR):
                return True
        binary = self.sums[1] == self.squares  # all values are 0, 1 (or −1)
        own = varies & ~binary
        ones = np.abs(self.largest[1] - 1.0) <= 1e-6
        return bool(own.sum() > 1 and ones[varies].all() and np.median(self.reached[own]) <= 2)
