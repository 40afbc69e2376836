"""Margins: score of the label less the largest other score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from jaxtyping import Float64, Int


class Measured(Protocol):
    """Samples whose margins are known: a `Sample`, or `Margins`."""

    @property
    def margins(self) -> Float64[np.ndarray, " m"]: ...


@dataclass(frozen=True, eq=False)
class Margins:
    """The margins of the network on samples, float64 (n,), and nothing else about them."""

    margins: Float64[np.ndarray, " m"]


def margins_of(scores: Float64[np.ndarray, "B C"], labels: Int[np.ndarray, " B"]) -> Float64[np.ndarray, " B"]:
    """Margin f_y − max_{r≠y} f_r of every row.

    Args:
        scores: (B, C) float64, C ≥ 2.
        labels: (B,) integers 0..C-1.

    Returns:
        (B,) float64.

    Example:
        >>> margins_of(np.array([[1.0, 3.0, 2.0]]), np.array([1]))
        array([1.])
    """
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return scores[rows, labels] - others.max(axis=1)
