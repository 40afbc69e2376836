"""From a complexity to a bound on the error: γ, the union over what the class fixes, and δ.

Every theorem of the complexity type says: for a class fixed by one number c (norms divided by γ) and for 0 < δ < 1,
with probability 1 − δ, for all networks of the class,

    P(M ≤ 0) ≤ mean ramp φ_γ(M) on S + factor/m · c · unit + 2 √(log(1/δ) / 2m)

where E_ξ sup Σ ξ… ≤ c · unit is the complexity (theory: Rademacher symmetrisation, contraction of the margin, one
bounded-difference inequality). The number c depends on the trained weights and on γ, so it is paid for here, once
and in the same way for every theorem: the grid c_j = 1.1^j, j ∈ ℤ, is written down in advance, grid point j gets
δ_j = δ / (2(|j|+1)(|j|+2)), and a network uses the smallest grid point above its own c. Then γ is free.

Σ_j δ_j = ¾ δ. The remaining quarter serves alternatives (other forms of a theorem, masks): an alternative with prior
weight w ≤ 1 uses δ_j · w / 3, and the weights of all alternatives of one theorem may sum to 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sparsebounds.bounds.margin.grids import RATIO, ROUNDING, exp_or_inf, grid_delta, grid_index

ALTERNATIVES = 3.0
"""¾ δ for the main form leaves ¼ δ, one third of it, for all alternatives together."""


class MarginSample(Protocol):
    """What the margin step needs of a sample."""

    @property
    def m(self) -> int: ...

    def ramp(self, gamma: float) -> float: ...

    def ramps(self, gammas: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class Complexity:
    """E_ξ sup Σ_i (…) ≤ exp(log_scale) · unit over the class of networks that share `scale`.

    `log_scale` holds the logarithm of the norms that the class fixes (at γ = 1), `unit` everything else; `nats` is the
    logarithm of 1/(prior weight) of the choices that led to this form, 0 for the main form.
    """

    log_scale: float
    unit: float
    nats: float = 0.0
    main: bool = True
    terms: Mapping[str, Any] = field(default_factory=dict)
    curve: Callable[[float], float] | None = None
    """For complexities that are not proportional to c (covering numbers): what stands in the bound at c = scale/γ,
    non-decreasing in c, already divided by m and with all factors; `unit` is not used then."""

    @property
    def value(self) -> float:
        """The bound on the expected supremum at the network's own norms, before rounding and union."""
        return exp_or_inf(self.log_scale) * self.unit if self.unit > 0 else 0.0


@dataclass(frozen=True)
class MarginStep:
    """A complexity after γ, union and δ."""

    ramp: float
    complexity: float
    confidence: float
    gamma: float
    terms: Mapping[str, Any]

    @property
    def value(self) -> float:
        return self.ramp + self.complexity + self.confidence


def step(
    complexity: Complexity,
    sample: MarginSample,
    *,
    factor: float,
    delta: float,
    gamma: float | str,
    nats: float = 0.0,
) -> MarginStep:
    """Pay for c, γ and δ.

    Args:
        complexity: of the class, before division by m.
        sample: m and the margins.
        factor: what stands before the complexity after symmetrisation and contraction (4 for vector-valued classes).
        delta: failure probability of the bound.
        gamma: the margin, or "best": the γ that makes the bound smallest; both are covered by the same union.
        nats: log(1/weight) of further choices, log 3 for the best of three partitions.

    Returns:
        The three parts of the bound. Never below what the theorem allows: c is rounded up.
    """
    if math.isnan(complexity.log_scale) or complexity.log_scale == math.inf:
        raise ValueError("the norms of the network overflow float64; the bound has no finite value for it")
    if complexity.log_scale == -math.inf:  # a class of constants: every grid point covers it
        return _at(complexity, sample, _cheap(sample.m), _gamma(gamma, 1.0), factor=factor, delta=delta, nats=nats)
    if gamma == "best":
        return _best(complexity, sample, factor=factor, delta=delta, nats=nats)
    assert not isinstance(gamma, str)
    j = grid_index(complexity.log_scale - math.log(gamma))
    return _at(complexity, sample, j, gamma, factor=factor, delta=delta, nats=nats)


def _gamma(gamma: float | str, otherwise: float) -> float:
    return otherwise if isinstance(gamma, str) else gamma


def _cheap(m: int) -> int:
    """A grid point at which the complexity is negligible and the union still cheap."""
    return -math.ceil(math.log(1e6 * m) / math.log(RATIO))


def _at(
    complexity: Complexity,
    sample: MarginSample,
    j: int,
    gamma: float,
    *,
    factor: float,
    delta: float,
    nats: float,
) -> MarginStep:
    paid = _paid(complexity, nats)
    c_j, size, confidence = _costs(complexity, j, sample.m, factor=factor, delta=delta, paid=paid)
    terms = {
        **complexity.terms,
        "c = scale/gamma": exp_or_inf(complexity.log_scale - math.log(gamma)),
        "grid index j": j,
        "c_j": c_j,
        "delta_j": grid_delta(j, delta),
        "nats paid for choices": paid,
        "m": sample.m,
        "factor": factor,
    }
    return MarginStep(sample.ramp(gamma), size, confidence, gamma, terms)


def _paid(complexity: Complexity, nats: float) -> float:
    """Nats for everything but c."""
    return nats + complexity.nats + (0.0 if complexity.main else math.log(ALTERNATIVES))


def _costs(
    complexity: Complexity, j: int, m: int, *, factor: float, delta: float, paid: float
) -> tuple[float, float, float]:
    """c_j, the complexity and the confidence at a grid point."""
    c_j = exp_or_inf(j * math.log(RATIO)) * (1 + ROUNDING)
    confidence = 2 * math.sqrt((paid - math.log(grid_delta(j, delta))) / (2 * m))
    return c_j, _size(complexity, c_j, factor, m), confidence


def _size(complexity: Complexity, c: float, factor: float, m: int) -> float:
    """What stands in the bound for a class of size c."""
    if complexity.curve is not None:
        return complexity.curve(c)
    size = factor / m * c * complexity.unit if complexity.unit > 0 else 0.0
    return math.inf if math.isnan(size) else size  # 0 · inf: too large for float64, not 0


STEPS = 200
"""Grid points that the search for the best γ visits below the first useless one: a factor 1.1^200 ≈ 2·10⁸."""


def _best(complexity: Complexity, sample: MarginSample, *, factor: float, delta: float, nats: float) -> MarginStep:
    """Minimise over the grid: at grid point j the smallest γ allowed, scale / c_j, has the smallest ramp."""
    high = _useless(complexity, factor, sample.m)
    points = {j: _smallest_gamma(complexity, j) for j in range(high - STEPS, high + 1)}
    # γ = 1 too: where no grid point has a complexity below 1, the search has nothing to go by.
    points.setdefault(grid_index(complexity.log_scale), 1.0)
    ramps = sample.ramps(np.array(list(points.values())))
    paid = _paid(complexity, nats)
    values = [
        ramp + sum(_costs(complexity, j, sample.m, factor=factor, delta=delta, paid=paid)[1:])
        for j, ramp in zip(points, ramps.tolist(), strict=True)
    ]
    j = list(points)[int(np.argmin(values))]
    return _at(complexity, sample, j, points[j], factor=factor, delta=delta, nats=nats)


def _useless(complexity: Complexity, factor: float, m: int) -> int:
    """The smallest grid point whose complexity alone exceeds 1, found by bisection; at most 1.1^±2000."""
    low, high = -2000, 2000
    while high - low > 1:
        middle = (low + high) // 2
        if _size(complexity, exp_or_inf(middle * math.log(RATIO)), factor, m) > 1.0:
            high = middle
        else:
            low = middle
    return high


def _smallest_gamma(complexity: Complexity, j: int) -> float:
    # Half the slack of the grid point, so that the same γ given by hand lands on the same grid point.
    gamma = exp_or_inf(complexity.log_scale - j * math.log(RATIO)) / (1 + ROUNDING / 2)
    return min(max(gamma, 1e-300), 1e300)
