"""Logarithms of numbers that may be 0."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Num


def log_of(values: Num[np.ndarray, " ..."] | float) -> Float64[np.ndarray, " ..."]:
    """log of every value, −inf at 0.

    Example:
        >>> log_of(np.array([0.0, 1.0])).tolist()
        [-inf, 0.0]
    """
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(values))
