"""The half-space {v : v·û ≥ t} under N(0, I): how far it lies for a given log ratio, and a point of it along û."""

from __future__ import annotations

import math

from scipy.special import ndtri_exp


def threshold(nats: float) -> float:
    """t with P(v·û ≥ t) = e^(−nats).

    Example:
        >>> round(threshold(10.0), 3), round(threshold(math.log(2.0)), 6) + 0.0
        (3.914, 0.0)
    """
    return -float(ndtri_exp(-nats))


def displacement(nats: float) -> float:
    """The mean of v·û there, φ(t)/Φ(−t): how far a draw with the constant log ratio `nats` moves, in scales.

    Args:
        nats: above 0.

    Returns:
        What |u| = |(mean − w0)/s| of a training should be for the noise and the step of that draw.

    Example:
        >>> round(displacement(10.0), 2)
        4.14
    """
    t = threshold(nats)
    return math.exp(nats - 0.5 * t * t) / math.sqrt(2.0 * math.pi)


def along(nats: float, uniform: float) -> float:
    """v·û of a draw: Φ(−v·û) = uniform · e^(−nats), for uniform numbers in (0, 1].

    Example:
        >>> along(10.0, 1.0) == threshold(10.0)
        True
    """
    return threshold(nats - math.log(uniform))
