"""Whether two arrays of scores are of one function: compared by the differences between scores, which margins are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

TOLERANCE = 1e-3
"""Of a difference between two scores, or of the median gap where that is larger."""
ULPS = 16
"""Roundings of the largest score of a row (of a middling one, where it is larger), in the type of the scores, that are
let through,"""
RESOLVED = 0.1
"""but never more than this share of a gap: what rounding decides is not compared."""

TURNED = 0.02
"""Of the tolerance is left where two rows or more turn the decision round: small scores may decide many inputs."""
TINY = 1e-33
"""A difference that is none: devices take the smallest float32 for zero."""


@dataclass(frozen=True)
class Disagreement:
    """The worst difference between two arrays of scores."""

    ratio: float
    """Over what is allowed; above 1: not one function."""
    difference: float
    size: float
    """Of what differs, or the median gap where that is larger."""


def disagreement(
    found: Float64[np.ndarray, "B C"], expected: Float64[np.ndarray, "B C"], tolerance: float = TOLERANCE
) -> Disagreement:
    """The differences f_top − f_r between the largest and every other score, of two arrays of scores.

    What all scores have in common, however large, decides nothing and hides nothing. `top` is the class that `expected`
    says; every margin is one of these differences, or minus one. With g the median over the rows of the gap between
    the two largest scores, d = f_top − f_r may differ by tolerance · max(d, g), and by a few roundings; by a fiftieth
    of that tolerance where d > 0 turns into 0 or less in more than one row, which is no chance.

    Args:
        found, expected: (B, C) scores, B ≥ 1.
        tolerance: relative.

    Returns:
        The worst of them. NaN and infinities are worse than everything.

    Example:
        >>> scores = np.array([[1.0, 3.0], [2.0, -2.0]])
        >>> disagreement(scores + 1e6, scores).ratio
        0.0
        >>> small = np.array([[1e-4, 0.0], [1e-4, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
        >>> disagreement(np.where(small < 0.1, 0.0, small), small).ratio > 4
        True
        >>> scores = np.random.default_rng(0).normal(size=(9, 2))  # in half precision less would be asked
        >>> disagreement(scores * 1.01, scores).ratio > 9, disagreement(scores + [0.0, 0.1], scores + 1e3).ratio > 3
        (True, True)
    """
    rows = np.arange(len(expected))
    top = expected.argmax(axis=1)
    ours, theirs = (s[rows, top][:, None] - s for s in (found, expected))
    others = theirs.copy()
    others[rows, top] = np.inf
    gap = float(np.median(others.min(axis=1)))
    size = np.maximum(theirs, gap)
    largest = np.abs(expected).max(axis=1, keepdims=True)
    largest = np.maximum(largest, np.median(largest) if gap > 0 else largest.max())
    rounding = ULPS * _resolution(expected) * largest
    rounding = TINY + (np.minimum(rounding, RESOLVED * size) if gap > 0 else rounding)
    apart = np.abs(ours - theirs)
    strict, allowed = rounding + TURNED * tolerance * size, rounding + tolerance * size
    turned = (ours <= 0.0) & (theirs > 0.0) & (apart > strict)
    if turned.any(axis=1).sum() > 1:
        allowed = np.where(turned, strict, allowed)
    ratio = np.where(np.isfinite(apart), apart / allowed, np.inf)
    worst = np.unravel_index(int(ratio.argmax()), ratio.shape)
    return Disagreement(float(ratio[worst]), float(apart[worst]), float(size[worst]))


def _resolution(scores: Float64[np.ndarray, "B C"]) -> float:
    """The relative rounding of their type: half precision shows in the numbers."""
    bits = np.frexp(np.abs(scores))[0] * 2.0**8
    if np.array_equal(bits, np.round(bits)):
        return 2.0**-7  # bfloat16
    bits *= 2.0**3
    return 2.0**-10 if np.array_equal(bits, np.round(bits)) else 2.0**-23
