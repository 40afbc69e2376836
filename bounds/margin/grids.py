"""Grids of numbers written down in advance, and the price of every grid point."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.unrounded import unrounded

RATIO = 1.1
"""Ratio of the grid of class sizes."""
ROUNDING = 1e-6
"""The grid points are 1.1^j · (1 + 1e-6): a norm that equals 1.1^j up to float32 rounding stays at j."""


def grid_index(log_c: float, ratio: float = RATIO) -> int:
    """The smallest j with c ≤ 1.1^j · (1 + 1e-6); another ratio for 1.1 where one is given.

    Example:
        >>> grid_index(0.0), grid_index(math.log(0.01)), grid_index(math.log(34.0))
        (0, -48, 37)
    """
    return math.ceil((log_c - math.log1p(ROUNDING)) / math.log(ratio))


def grid_delta(j: int, delta: float) -> float:
    """δ_j = δ / (2(|j|+1)(|j|+2)); they sum to ¾ δ.

    Example:
        >>> grid_delta(0, 0.001), sum(grid_delta(j, 1.0) for j in range(-99999, 100000)) <= 0.75
        (0.00025, True)
    """
    return delta / (2 * (abs(j) + 1) * (abs(j) + 2))


def grid_up(value: float, ratio: float = RATIO) -> tuple[float, float]:
    """A further number that the class fixes: the grid point above it, and its price in nats.

    The grid and its weights 1 / (2(|j|+1)(|j|+2)) are those of c; 0 is a grid point of its own with weight 1/4.

    Args:
        value: a norm or a ratio of norms, not negative.
        ratio: of the grid, above 1; to be paid for where it was chosen after looking.

    Returns:
        (value rounded up, log(1/weight)).

    Example:
        >>> up, nats = grid_up(1.05)
        >>> round(up, 4), round(nats, 4)  # 1.1 has j = 1, weight 1/12
        (1.1, 2.4849)
    """
    if not 0.0 <= value < math.inf:
        raise ValueError(f"a class cannot fix the number {value}; needed a finite one, not negative")
    if unrounded():
        return value, 0.0
    if value == 0.0:
        return 0.0, math.log(4.0)
    j = grid_index(math.log(value), ratio)
    return exp_or_inf(j * math.log(ratio)) * (1 + ROUNDING), -math.log(grid_delta(j, 1.0))


def shares_up(
    values: Float64[np.ndarray, "*shape"], ratio: float = RATIO
) -> tuple[Float64[np.ndarray, "*shape"], float]:
    """Numbers between 0 and 1 that the class fixes beside a common scale: rounded up to ratio^{−k}, k = 0, 1, 2, …

    Grid point k has weight 0.9 / ((k+1)(k+2)); 0 is a grid point of its own with weight 0.1. Each number pays.

    Args:
        values: any shape, in [0, 1].
        ratio: of the grid, above 1.

    Returns:
        (values rounded up, Σ log(1/weight)).

    Example:
        >>> up, nats = shares_up(np.array([1.0, 0.3, 0.0]), 2.0)
        >>> up.round(4).tolist(), round(nats, 4) == round(math.log(2 / 0.9 * 6 / 0.9 * 10), 4)
        ([1.0, 0.5, 0.0], True)
    """
    values = np.asarray(values, dtype=np.float64)
    if not ((values >= 0.0) & (values <= 1.0 + ROUNDING)).all():
        raise ValueError("a share of the common scale lies outside [0, 1]")
    if unrounded():
        return values, 0.0
    zero = values == 0.0
    k = np.floor(np.maximum(0.0, math.log1p(ROUNDING / 2) - np.log(np.where(zero, 1.0, values))) / math.log(ratio))
    up = np.where(zero, 0.0, ratio**-k * (1 + ROUNDING))
    nats = np.where(zero, math.log(10.0), np.log((k + 1) * (k + 2) / 0.9))
    return up, float(nats.sum())


def exp_or_inf(x: float) -> float:
    """exp that says inf instead of raising."""
    return math.exp(x) if x < 709.0 else math.inf
