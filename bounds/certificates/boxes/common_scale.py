"""Which multiples of a box around a rehearsal hold a network: an interval of factors, or none."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.margin.grids import ROUNDING


def common_scales(
    weights: Float64[np.ndarray, "*shape"],
    centres: Float64[np.ndarray, "*shape"],
    halves: Float64[np.ndarray, "*shape"],
) -> tuple[float, float]:
    """The least and the largest a > 0 with |w_i − a w⁰_i| ≤ a h_i for all i.

    Args:
        weights: w.
        centres: w⁰, fixed in advance.
        halves: h ≥ 0, fixed in advance.

    Returns:
        (least, most); most is infinite where 0 lies in every box that counts.

    Raises:
        ValueError: there is none, or so few that a grid point between them is left to rounding.

    Example:
        >>> common_scales(np.array([1.0, -2.0]), np.array([1.0, -2.0]), np.array([0.5, 0.5]))
        (0.8, 1.3333333333333333)
        >>> common_scales(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([2.0, 1.0]))
        (0.3333333333333333, inf)

    Source: docs/theory.md, "Boxes around a rehearsal".
    """
    # a (w⁰ + h) ≥ w and a (h − w⁰) ≥ −w: each a lower or an upper limit of a, by the sign of what a is multiplied with.
    slopes, ends = np.stack([centres + halves, halves - centres]), np.stack([weights, -weights])
    quotients = np.divide(ends, slopes, out=np.zeros_like(ends), where=slopes != 0)
    least = np.where(slopes > 0, np.maximum(quotients, 0.0), np.where((slopes == 0) & (ends > 0), math.inf, 0.0))
    most = np.where(slopes < 0, quotients, math.inf)
    low, high = float(least.max(initial=0.0)), float(most.min(initial=math.inf))
    if low == math.inf or high <= 0.0 or low * (1 + ROUNDING) > high:
        raise ValueError(
            "no multiple of the box around the rehearsal holds this network: one weight needs a factor of at least "
            f"{low:.4g}, another one of at most {high:.4g}; train inside the class (nets.train_centred)"
        )
    return low, high
