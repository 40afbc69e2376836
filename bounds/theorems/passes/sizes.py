"""How large the values of a layer are on a sample, and arithmetic on logarithms: products of norms exceed float64."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Size:
    """Logarithms of bounds that hold for every network of a class, for every choice of its weights."""

    total: float
    """log B: (Σ_n ‖z(x_n)‖²)^½ ≤ B over the samples; with one sample in general position, the same as `largest`."""
    largest: float
    """log χ: ‖z(x_n)‖₂ ≤ χ for each sample."""
    peak: float
    """log of what no single element exceeds."""


def log(x: float) -> float:
    """Natural logarithm with log 0 = −∞."""
    return math.log(x) if x > 0 else -math.inf


def log_sum(logs: Iterable[float]) -> float:
    """log Σ exp.

    Example:
        >>> round(log_sum([0.0, math.log(2.0)]), 6) == round(math.log(3.0), 6), log_sum([])
        (True, -inf)
    """
    found = list(logs)
    return float(np.logaddexp.reduce(found)) if found else -math.inf


def log_root(logs: Iterable[float]) -> float:
    """log (Σ exp²)^½.

    Example:
        >>> round(math.exp(log_root([math.log(3.0), math.log(4.0)])), 6)
        5.0
    """
    return 0.5 * log_sum([2.0 * one for one in logs])


def joined(sizes: Iterable[Size]) -> Size:
    """Of the values of several layers side by side, or of a part of them."""
    found = list(sizes)
    return Size(
        log_root(size.total for size in found),
        log_root(size.largest for size in found),
        max((size.peak for size in found), default=-math.inf),
    )
