"""Mean ramp losses of one sample at many margins γ: the search for the best γ asks for hundreds."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64


class Ramps:
    """Margins, sorted once."""

    def __init__(self, margins: Float64[np.ndarray, " m"]) -> None:
        """Of a sample, in any order."""
        self.measured = len(margins)
        self.positive = np.sort(margins[margins > 0])
        self.sums = np.concatenate([[0.0], np.cumsum(self.positive)])

    def at(self, gammas: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]:
        """Mean of max(0, min(1, 1 − M/γ)) at each γ.

        Args:
            gammas: above 0, any shape.

        Returns:
            float64 of the shape of γ, up to rounding.

        Example:
            >>> Ramps(np.array([-1.0, 0.5, 2.0])).at(np.array([1.0, 4.0])).round(4).tolist()
            [0.5, 0.7917]
        """
        below = np.searchsorted(self.positive, gammas)
        return np.asarray((self.measured - len(self.positive) + below - self.sums[below] / gammas) / self.measured)
