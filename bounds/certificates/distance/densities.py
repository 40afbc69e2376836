"""log dQ/dP at the drawn weights, from sums in float64 over the leaves; mixtures are summed group by group."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp


@dataclass(frozen=True)
class LeafSums:
    """Of one leaf, in the coordinates v = (w − w0)/(c s) of the factor c that the posterior was made for."""

    moving: int
    """Weights with a positive scale."""
    ratio: float
    """log of the density of this leaf under Q over that under N(w0, (c s)²)."""
    distance: float
    """½ Σ v² of the drawn v."""
    mean: float
    """½ Σ u² of the posterior's mean, or its KL divergence where it has spreads of its own."""

    @property
    def rms(self) -> float:
        """√(2 mean/moving)."""
        return math.sqrt(2.0 * max(self.mean, 0.0) / self.moving) if self.moving else 0.0


@dataclass(frozen=True)
class Mixed:
    """The ratio of one group to a mixture over factors."""

    log_ratio: float
    best: float
    """The factor with the largest density at the drawn weights."""


def mixture(leaves: Iterable[LeafSums], factors: tuple[float, ...], chosen: float) -> Mixed:
    """log r = −log (1/N) Σ_i p_i(v)/q(v), p_i/p = (c/c_i)^n exp(−(c²/c_i² − 1) ½Σv²).

    A factor 0 is an atom at the reference: against a posterior that moves it has no density, and a posterior that is
    this atom has the ratio N.

    Args:
        leaves: those of the group.
        factors: c_i.
        chosen: c, in whose coordinates the sums are.

    Example:
        >>> alone = mixture([LeafSums(3, 0.5, 1.0, 0.25)], (2.0,), 2.0)
        >>> alone.log_ratio
        0.5
        >>> round(mixture([LeafSums(0, 0.0, 0.0, 0.0)], (0.0, 1.0), 0.0).log_ratio, 6)
        0.693147
    """
    sums = list(leaves)
    if chosen == 0.0:
        return Mixed(math.log(len(factors)), 0.0)
    moving, distance = sum(one.moving for one in sums), math.fsum(one.distance for one in sums)
    base = math.fsum(one.ratio for one in sums)
    ratios = {
        factor: base + moving * math.log(factor / chosen) + distance * ((chosen / factor) ** 2 - 1.0)
        for factor in factors
        if factor > 0.0
    }
    best = min(ratios, key=lambda factor: ratios[factor])
    value = math.log(len(factors)) - float(logsumexp([-one for one in ratios.values()]))
    return Mixed(value, best)


def gaussian_sums(u: np.ndarray, noise: np.ndarray, log_shrunk: np.ndarray | None) -> LeafSums:
    """Of a leaf whose posterior is N(u, t²) in the coordinates of the prior.

    R = Σ ½u² + uε for t = 1; else Σ −log t − ½ε² + ½v², v = u + tε. Mean: Σ ½u² + ½(t² − 1) − log t.

    Args:
        u: mean of the moving weights, float64.
        noise: ε, as many.
        log_shrunk: log t, or None where t = 1.

    Example:
        >>> found = gaussian_sums(np.array([3.0]), np.array([1.0]), None)
        >>> found.ratio, found.distance, found.mean
        (7.5, 8.0, 4.5)
    """
    if log_shrunk is None:
        v = u + noise
        return LeafSums(u.size, float(np.sum(0.5 * u * u + u * noise)), half_square(v), half_square(u))
    t = np.exp(log_shrunk)
    v = u + t * noise
    ratio = float(np.sum(0.5 * (v * v - noise * noise) - log_shrunk))
    return LeafSums(u.size, ratio, half_square(v), float(np.sum(0.5 * (u * u + t * t - 1.0) - log_shrunk)))


def half_square(v: np.ndarray) -> float:
    """½ Σ v²."""
    return 0.5 * float(np.sum(v * v))


def shown(layers: Mapping[str, LeafSums]) -> dict[str, Any]:
    """Per layer, for the terms of a row."""
    return {
        name: {"K": round(one.mean, 6), "rms": round(one.rms, 6), "weights": one.moving} for name, one in layers.items()
    }
