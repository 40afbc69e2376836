"""Inputs that look normalised by their own statistics: exactly what only constants of this very sample would give.

Constants fixed without the sample give it means near 0 and variances near 1, not these numbers themselves; and a range
known in advance is reached in every coordinate only where many samples reach it, as white pixels do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

PREPROCESSING = ("fixed", "sample", "stated")
APPARENT = "apparent"
"""What becomes of "fixed" where the inputs look normalised by their own statistics."""
NEAR, POOLED = 1e-4, 2e-5
"""How near to 0 and 1 means and variances must be: in every coordinate, and of coordinates together, which meet such
numbers more easily. float32 is about as near."""
FEWEST = 20
"""Samples; fewer meet such numbers by chance."""
ROWS = 4096

Numbers = Float64[np.ndarray, " ..."] | np.float64
"""Of coordinates, or of all of them together."""


def believed(preprocessing: str, x: Any, *, numbers: bool = True) -> str:
    """What is said of the constants of the normalisation, "apparent" where "fixed" is not believed.

    Args:
        preprocessing: one of `PREPROCESSING`.
        x: (m, …) inputs.
        numbers: whether they are numbers, and not tokens.

    Raises:
        ValueError: another word.
    """
    if preprocessing not in PREPROCESSING:
        raise ValueError(f"preprocessing is {preprocessing!r}; it is one of {', '.join(map(repr, PREPROCESSING))}")
    return APPARENT if preprocessing == "fixed" and numbers and looks_normalised(x) else preprocessing


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
    sums, squares, largest, reached, alike = _gathered(x)
    mean, energy = sums[0] / len(x), squares / len(x)
    varies = energy > np.square(mean) * (1 + 1e-12)
    if not varies.any() or (largest[0] == largest[1])[varies].all():  # one absolute value for each coordinate
        return False
    every = tuple(range(mean.ndim))
    over: list[tuple[int, ...]] = [()] if alike else [(), every[:-1], every[1:], every]
    for axes in over:
        if _standard(mean.mean(axis=axes), energy.mean(axis=axes), len(x), POOLED if axes else NEAR):
            return True
    binary = sums[1] == squares  # all values are 0, 1 (or −1)
    own = varies & ~binary
    ones = np.abs(largest[1] - 1.0) <= 1e-6
    return bool(own.sum() > 1 and ones[varies].all() and np.median(reached[own]) <= 2)


def _standard(mean: Numbers, energy: Numbers, m: int, near: float) -> bool:
    """Mean 0, and variance 1 with m or m − 1 in its denominator, in most of what has a variance.

    In float32 the statistics of coordinates that are hardly ever there come out inexact.
    """
    there = energy > 0
    one = (np.abs(energy - 1.0) <= near) | (np.abs(energy - (m - 1) / m) <= near)
    return bool(there.any() and np.mean((one & (np.abs(mean) <= near))[there]) > 0.5)


def _gathered(x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bool]:
    """Sums of x and |x|, (2, …), of x², least and largest |x|, (2, …), how many reach it, whether all norms agree."""
    shape = x.shape[1:]
    sums, squares, reached = np.zeros((2, *shape)), np.zeros(shape), np.zeros(shape)
    largest = np.stack([np.full(shape, np.inf), np.zeros(shape)])
    norms = []
    for start in range(0, len(x), ROWS):
        part = np.asarray(x[start : start + ROWS], dtype=np.float64)
        size = np.abs(part)
        sums += np.stack([part.sum(axis=0), size.sum(axis=0)])
        squares += np.square(part).sum(axis=0)
        norms.append(np.square(part).reshape(len(part), -1).sum(axis=1))
        top = size.max(axis=0)
        count = (size >= top).sum(axis=0)
        reached = np.where(top > largest[1], count, reached + np.where(top == largest[1], count, 0))
        largest = np.stack([np.minimum(largest[0], size.min(axis=0)), np.maximum(largest[1], top)])
    all_norms = np.concatenate(norms)
    return sums, squares, largest, reached, bool(np.ptp(all_norms) <= 1e-3 * all_norms.max())
