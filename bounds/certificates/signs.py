"""Classes whose weights have the signs written down in advance: peeled one-sidedly, at no factor per activation.

The signs are those of a network that was trained on other samples, for instance (letters: docs/theory.md, "Signs").
A row w = w' + w'' belongs to the class if w' has the signs of the class and ‖w'/τ‖ ≤ a, and ‖w''/τ‖ ≤ SLACK·a with any
signs: rounding in float32 must not decide whether a network belongs to it. With P_j² = E (sup Σ_n ξ_n z_j(x_n))₊²

    P_j ≤ (1 + √2·SLACK) √(Σ_i τ_i² P_i²)        P of an input = √(½ Σ_n x_n²), of the constant 1 = √(½ m)

where an ellipsoid of free signs has s √(Σ_i τ_i² q_i²) and no ½. Proof: docs/theory.md, "Signs".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

SLACK = 1e-4
"""Share of every row that may have other signs than the class says."""
GROWTH = 1.0 + math.sqrt(2.0) * SLACK
"""What this costs per layer: two-sided moments are at most √2 times the one-sided ones."""
HALF = 0.5
"""E (Σ ξ_n x_n)₊² = ½ Σ x_n²."""


@dataclass(frozen=True, eq=False)
class Orthants:
    """1 or −1 for every weight, fixed without looking at the sample; of the shapes of the axes."""

    rows: Float64[np.ndarray, "R N"]
    hidden: Mapping[int, Float64[np.ndarray, "_B _N _M"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for signs in (self.rows, *self.hidden.values()):
            if not np.isin(signs, (-1.0, 1.0)).all():
                raise ValueError("signs of weights that are neither 1 nor -1")


def squares_in(
    over: Float64[np.ndarray, "*shape"], signs: Float64[np.ndarray, "*shape"] | None
) -> tuple[Float64[np.ndarray, "*shape"], Float64[np.ndarray, "*shape"]]:
    """Squares of weights over axes: of those with the right sign, and of all others.

    Example:
        >>> right, wrong = squares_in(np.array([2.0, -3.0]), np.array([1.0, 1.0]))
        >>> right.tolist(), wrong.tolist()
        ([4.0, 0.0], [0.0, 9.0])
    """
    square = np.square(over)
    if signs is None:
        return square, np.zeros_like(square)
    right = over * signs >= 0
    return np.where(right, square, 0.0), np.where(right, 0.0, square)


def radius_of(
    right: Float64[np.ndarray, "*shape"], wrong: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    """The smallest a with ‖w'/τ‖ ≤ a and ‖w''/τ‖ ≤ SLACK·a, from the two sums of squares.

    Example:
        >>> radius_of(np.array([4.0]), np.array([1.0])).round(6).tolist()
        [10000.0]
    """
    return np.maximum(np.sqrt(right), np.sqrt(wrong) / SLACK)


def over_axes(
    weights: Float64[np.ndarray, "*#shape"], axes: Float64[np.ndarray, "*#shape"]
) -> Float64[np.ndarray, "*#shape"]:
    """weights / axes, 0 where both are; ValueError where only the axis is."""
    if ((axes == 0) & (weights != 0)).any():
        raise ValueError("a weight differs from 0 where the class fixes its axis to 0; train inside the class")
    return np.divide(weights, axes, out=np.zeros(np.broadcast_shapes(weights.shape, axes.shape)), where=axes > 0)
