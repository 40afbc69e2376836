"""What the pictures of pages and of matplotlib have in common: colours, bins, the ramp, what can be drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound

BINS = 40
GOOD, BAD, NEUTRAL, BLUE, YELLOW = "#2a9d5c", "#b3541e", "#6b7a8f", "#5b8db8", "#d9a441"
COLOURS = {"informative": GOOD, "on average": NEUTRAL, "vacuous": BAD, "no guarantee": NEUTRAL}
"""Of verdicts."""
PARTS = {
    "margin_error": ("margin error", BLUE),
    "complexity": ("complexity", BAD),
    "confidence": ("confidence", YELLOW),
}
"""Of a bound: its words and its colour."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """Shares of a sample by margin; the few margins beyond the ends are counted in the bins at the ends."""

    edges: Float64[np.ndarray, " bins+1"]
    shares: Float64[np.ndarray, " bins"]

    def ramp(self, gamma: float) -> list[tuple[float, float]]:
        """Corners of the line min(1, max(0, 1 − margin/γ)) from the first edge to the last.

        Example:
            >>> Histogram(np.array([-1.0, 0.0, 4.0]), np.array([0.5, 0.5])).ramp(2.0)
            [(-1.0, 1.0), (0.0, 1.0), (2.0, 0.0), (4.0, 0.0)]
        """
        low, high = float(self.edges[0]), float(self.edges[-1])
        corner = min(gamma, high)
        return [(low, 1.0), (0.0, 1.0), (corner, 1 - corner / gamma), (high, max(0.0, 1 - high / gamma))]


def histogram(margins: Float64[np.ndarray, " m"]) -> Histogram:
    """The margins in `BINS` bins, from a little below 0, or the least, to the largest.

    Example:
        >>> found = histogram(np.linspace(-1.0, 1.0, 1001))
        >>> len(found.shares), float(found.shares.sum())
        (40, 1.0)
    """
    low, high = np.quantile(margins, [0.002, 0.998])
    low, high = min(float(low), -0.05 * float(abs(high))), max(float(high), 1e-12)
    counts, edges = np.histogram(np.clip(margins, low, high), bins=BINS, range=(low, high))
    return Histogram(edges, counts / len(margins))


def on_a_logarithmic_axis(found: Mapping[str, Bound]) -> dict[str, Bound]:
    """Those with a value that a logarithmic axis can show, the smallest first."""
    shown = {name: bound for name, bound in found.items() if 0 < bound.value < math.inf}
    return dict(sorted(shown.items(), key=lambda item: item[1].value))
