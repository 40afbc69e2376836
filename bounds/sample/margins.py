"""Margins: score of the label less the largest other score."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Int, UInt64

from sparsebounds.bounds.sample.fingerprinting import as_fingerprints, fingerprints
from sparsebounds.bounds.sample.repetitions import Copies, Marked, input_space, within


class Measured(Marked, Protocol):
    """Samples whose margins are known: a `Sample`, or `Margins`."""

    @property
    def margins(self) -> Float64[np.ndarray, " m"]: ...

    @property
    def copies(self) -> Copies: ...


@dataclass(frozen=True, eq=False)
class Margins:
    """The margins of the network on samples, float64 (n,), and by what they are known again.

    Args:
        margins: (n,).
        fingerprints: uint64 (n,) of the inputs; None: that they were not used in training cannot be checked.
        input_space: how many inputs are possible, see `input_space` of `bounds.sample.repetitions`.
        repetitions: "counted", or "natural" where the distribution itself repeats inputs.
    """

    margins: Float64[np.ndarray, " n"]
    fingerprints: UInt64[np.ndarray, " n"] | None = None
    input_space: float | None = None
    repetitions: str = "counted"

    def __post_init__(self) -> None:
        if self.fingerprints is None:
            return
        object.__setattr__(self, "fingerprints", as_fingerprints(self.fingerprints))
        if np.shape(self.fingerprints) != np.shape(self.margins):
            raise ValueError(
                f"fingerprints of shape {np.shape(self.fingerprints)} for margins of shape {np.shape(self.margins)}; "
                "needed one per sample, in the same order"
            )

    @classmethod
    def on(cls, x: Any, margins: Float64[np.ndarray, " n"], repetitions: str = "counted") -> Margins:
        """Those of a network on inputs x, (n, …), from which the rest is computed."""
        return cls(margins, fingerprints(x), input_space(x), repetitions)

    @cached_property
    def copies(self) -> Copies:
        """Inputs that repeat an earlier one."""
        return within(self.fingerprints, self.input_space, self.repetitions)


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
