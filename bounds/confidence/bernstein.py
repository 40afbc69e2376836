"""An upper confidence bound on a mean of bounded numbers: empirical Bernstein."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64


def bernstein_upper(
    mean: Float64[np.ndarray, "*#shape"],
    mean_square: Float64[np.ndarray, "*#shape"],
    largest: Float64[np.ndarray, "*#shape"] | float,
    m: int,
    log_inverse: float,
) -> Float64[np.ndarray, " ..."]:
    """mean + √(2 V L/m) + 7 R L/(3(m − 1)), V = m/(m − 1) (mean of squares − mean²), L = log(2/ε).

    Args:
        mean: of m values between 0 and `largest`.
        mean_square: of their squares.
        largest: R, what no value can exceed, known in advance.
        m: number of values, at least 2.
        log_inverse: log(1/ε).

    Returns:
        Not below the expectation, except with probability ε each.

    Raises:
        ValueError: m below 2.

    Example:
        >>> up = bernstein_upper(np.array(0.5), np.array(0.25), 1.0, 101, math.log(1 / 0.002))
        >>> round(float(up), 4) == round(0.5 + 7 * math.log(2 / 0.002) / 300, 4)
        True

    Source: Maurer, Pontil, Empirical Bernstein bounds and sample-variance penalization, COLT 2009, theorem 4.
    """
    if m < 2:
        raise ValueError(f"m={m} samples; the empirical variance needed at least 2")
    log_two = math.log(2.0) + log_inverse
    variance = np.maximum(mean_square - np.square(mean), 0.0) * m / (m - 1)
    return np.asarray(mean + np.sqrt(2 * variance * log_two / m) + 7 * largest * log_two / (3 * (m - 1)))
