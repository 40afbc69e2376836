"""What the sample shows: its margins, and the loss that each of them costs."""

from __future__ import annotations

import math

import numpy as np

from sparsebounds.bounds.sample.margins import Measured
from sparsebounds.bounds.show.pictures import BAD, NEUTRAL, histogram
from sparsebounds.bounds.show.plot.axes import Axes, axes_or_new


def margins_and_ramp(sample: Measured, gamma: float, *, axes: Axes | None = None) -> Axes:
    """The distribution of margins, and above it the ramp: 1 at margins of 0 and below, 0 from γ on.

    Args:
        sample: a `bounds.Sample`, or the margins of other samples (`Margins`).
        gamma: the margin, such as `bound.gamma`.
        axes: where to draw; None: a figure of its own.

    Returns:
        The axes with the histogram (share of the sample); the ramp has a second scale at the right. The few margins
        beyond the 0.2 % at either end are counted in the bins at the ends.

    Raises:
        ValueError: gamma is no margin above 0.
        ModuleNotFoundError: axes is None, and the extra [report] is not installed.

    Example:
        >>> from sparsebounds import bounds
        >>> axes = bounds.plot.margins_and_ramp(sample, 1.0)
        >>> axes.get_xlabel()
        'margin'
    """
    if not 0 < gamma < math.inf:
        raise ValueError(f"gamma is {gamma!r}; a margin above 0 is needed, such as the gamma of a bound")
    axes = axes_or_new(axes)
    found = histogram(np.asarray(sample.margins))
    axes.bar(found.edges[:-1], found.shares, width=np.diff(found.edges), align="edge", color=NEUTRAL)
    axes.set_xlabel("margin")
    axes.set_ylabel("share of the sample")
    right = axes.twinx()
    right.plot(*zip(*found.ramp(gamma), strict=True), color=BAD, lw=2)
    right.set_ylim(0.0, 1.05)
    right.set_ylabel(f"ramp loss, γ = {gamma:.4g}", color=BAD)
    return axes
