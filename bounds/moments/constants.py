"""The three constants of Theorem 1: what an activation, the input and a maximum cost in the p-th moment.

Letters s, B, c_D: docs/theory.md, "Setting".
"""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64, Int
from scipy.special import gammaln

P_GRID: tuple[float, ...] = (
    2.0,
    2.25,
    2.5,
    2.75,
    3.0,
    3.5,
    4.0,
    4.5,
    5.0,
    6.0,
    7.0,
    8.5,
    10.0,
    13.0,
    17.0,
    22.0,
    30.0,
    40.0,
)
"""Moments p that are tried. The moment is a device of the proof: its choice costs nothing."""


def contraction(
    p: Float64[np.ndarray, " ..."] | float, slope: Float64[np.ndarray, " ..."] | float = 0.0
) -> Float64[np.ndarray, " ..."]:
    """s = π + (1 − π) 2^{1/p}, π = (1 + a)/2: what an activation max(t, a·t) costs in the p-th moment.

    Args:
        p: the moment, at least 2; a number or an array.
        slope: a, from 0 (ReLU, s = ½ + 2^{1/p}/2) to 1 (no activation, s = 1).

    Returns:
        s of the shape of p: sup over the class of |Σ ξ σ(t)| is at most s times that of |Σ ξ t|, in L^p.

    Example:
        >>> round(float(contraction(2.0)), 4), float(contraction(2.0, 1.0))
        (1.2071, 1.0)

    Source: theorem 1 of docs/theory.md, step (i).
    """
    share = (1.0 + slope) / 2.0
    return np.asarray(share + (1.0 - share) * 2.0 ** (1.0 / np.asarray(p, dtype=np.float64)))


def khintchine(p: Float64[np.ndarray, "*shape"] | float) -> Float64[np.ndarray, "*shape"]:
    """B = √2 (Γ((p+1)/2)/√π)^{1/p}: (E ‖Σ ξ_i x_i‖ᵖ)^{1/p} ≤ B √Σ‖x_i‖², in any Hilbert space, p ≥ 2.

    Example:
        >>> round(float(khintchine(2.0)), 12), round(float(khintchine(4.0)) ** 4, 12)
        (1.0, 3.0)

    Source: Khintchine's inequality with the constant of Haagerup, Studia Mathematica 70 (1981).
    """
    p = np.asarray(p, dtype=np.float64)
    return np.asarray(math.sqrt(2.0) * np.exp((gammaln((p + 1.0) / 2.0) - 0.5 * math.log(math.pi)) / p))


def window(
    p: Float64[np.ndarray, " ..."] | float, size: Int[np.ndarray, " ..."] | int, slope: float | None = None
) -> Float64[np.ndarray, " ..."]:
    """c_D = 2^{1/p} − (2^{1/p} − 1) 2^{−D}, D = ⌈log₂ k⌉: a maximum over k elements, then an activation or none.

    The activation is the last step: c = π c_D + (1 − π) 2^{1/p}, which for ReLU is c_{D+1}.

    Args:
        p: the moment, broadcast against `size`.
        size: k, at least 1.
        slope: of the activation; None without one.

    Returns:
        c: sup |Σ ξ max_t z_t| is at most c Σ_t sup |Σ ξ z_t|, in L^p.

    Example:
        >>> float(window(2.0, 1)), bool(window(2.0, 2) == window(2.0, 1, 0.0) == contraction(2.0))
        (1.0, True)

    Source: theorem 1 of docs/theory.md, step (v).
    """
    root = 2.0 ** (1.0 / np.asarray(p, dtype=np.float64))
    depth = np.ceil(np.log2(np.maximum(np.asarray(size, dtype=np.float64), 1.0)) - 1e-12)
    value = root - (root - 1.0) * 2.0**-depth
    if slope is None:
        return np.asarray(value)
    share = (1.0 + slope) / 2.0
    return np.asarray(share * value + (1.0 - share) * root)
