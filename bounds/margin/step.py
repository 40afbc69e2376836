"""From the size of a class to a bound on the error: γ, the union over what the class fixes, and δ.

For a class fixed by one number c (norms divided by γ) and for 0 < δ < 1, w.p. ≥ 1 − δ, for all its networks,

    P(M ≤ 0) ≤ mean ramp φ_γ(M) on S + factor/m · c · unit  + 2 √(log(1/δ)/2m)        (plain)
    P(M ≤ 0) ≤ mean ramp φ_γ(M) on S + factor/m · c · unit⁺ +   √(log(2/δ)/2m)        (one-sided)

where c · unit bounds E_ξ sup Σ ξ… on the sample and c · unit⁺ its expectation, w.p. ≥ 1 − δ/2 (symmetrisation,
contraction of the margin, one bounded-difference inequality; theorem 3 of docs/theory.md). The number c depends on the
trained weights and on γ, so it is paid for here, once and in the same way for every theorem: the grid c_j = ratio^j,
j ∈ ℤ, is written down in advance, grid point j has weight 1/(2(|j|+1)(|j|+2)), and a network uses the smallest grid
point above its own c. Then γ is free. Every other number and choice stands in prices, as log(1/weight).

A Rademacher average of losses in [0, 1] is at most ½, so what stands in the second place is at most 1.

Where the better of both forms counts, δ is here each form's half: the energies behind unit⁺ must then hold w.p. ≥
1 − δ/4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from jaxtyping import Float64, Int64

from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import RATIO, ROUNDING, exp_or_inf, grid_delta, grid_index
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.unrounded import unrounded

STEPS = 200
"""Grid points searched for the best γ below the first at which the complexity alone exceeds 1: 1.1^200 ≈ 2·10⁸."""
FURTHEST = 2000
"""Grid points are sought between ratio^±FURTHEST."""
SMALLEST = 1e-200
"""γ where the margin does not depend on the input and 0 is a grid point."""
LOG_LARGEST = 690.0
"""log of the largest γ, and of its inverse."""
FORMS = ("plain", "one-sided")


class MarginSample(Protocol):
    """What the margin step needs of a sample."""

    @property
    def m(self) -> int: ...

    def ramp(self, gamma: float) -> float: ...

    def ramps(self, gammas: Float64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape"]: ...


@dataclass(frozen=True)
class MarginStep:
    """The parts of a bound after γ, union and δ, and the factors that led to them."""

    margin_error: float
    complexity: float
    confidence: float
    gamma: float
    delta: float
    terms: Mapping[str, Any]
    whole: float | None = None
    """The value, where the parts are its differences and not the other way round."""

    @property
    def value(self) -> float:
        parts = self.margin_error + self.complexity + self.confidence
        return parts if self.whole is None else self.whole


def smallest(sizes: Sequence[ClassSize], sample: MarginSample, payment: Payment) -> MarginStep:
    """The smallest bound that several classes give: pay for the scale, γ and δ.

    Args:
        sizes: classes that contain the network; the choice among them must stand in their prices.
        sample: m and the margins.
        payment: δ, γ or "best" (the γ that makes the bound smallest; the same union covers both), factor.

    Returns:
        The parts of the bound, never below what the theorem allows: c is rounded up.

    Raises:
        ValueError: norms that overflow float64, or no class at all.

    Example:
        >>> import types
        >>> sample = types.SimpleNamespace(m=50, ramp=lambda gamma: 0.0, ramps=np.zeros_like)
        >>> size = ClassSize(0.0, 1.0, {"a choice of two": math.log(2)})
        >>> step = smallest([size], sample, Payment.of_theorem_3(0.1, 1.0))
        >>> round(step.complexity, 4), round(step.confidence, 4) == round(2 * math.sqrt(math.log(2 * 4 / 0.1) / 100), 4)
        (0.04, True)

    Source: theorem 3 of docs/theory.md.
    """
    if not sizes:
        raise ValueError("no class of networks was given; needed at least one, such as the uniform weights")
    for size in sizes:
        if math.isnan(size.log_scale) or size.log_scale == math.inf or math.isnan(size.unit):
            raise ValueError("the norms of the network overflow float64; the bound has no finite value for it")
    if unrounded():
        return _own(sizes, sample, payment)
    points = [_best_point(size, sample, payment) for size in sizes]
    return min(points, key=lambda point: point.about).step(sample)


def _own(sizes: Sequence[ClassSize], sample: MarginSample, payment: Payment) -> MarginStep:
    """The smallest complexity of these classes at the network's own numbers and one γ, for `Theorem.capacity`."""
    if payment.fixed_gamma is None:
        raise ValueError("gamma='best'; a capacity is taken at one margin, give a number")
    gamma = payment.fixed_gamma
    complexity = min(_own_complexity(size, payment.factor / sample.m, gamma) for size in sizes)
    return MarginStep(sample.ramp(gamma), complexity, 0.0, gamma, payment.delta, {})


def _own_complexity(size: ClassSize, factor: float, gamma: float) -> float:
    log_c = size.log_scale - math.log(gamma)
    if size.curve is not None:
        return size.curve(exp_or_inf(log_c))
    return exp_or_inf(log_c + math.log(factor * size.unit)) if size.unit > 0 and not size.constant else 0.0


@dataclass(frozen=True)
class _Point:
    """A class at one grid point and one γ."""

    size: ClassSize
    payment: Payment
    m: int
    j: int
    gamma: float
    about: float
    """The bound there, up to rounding in float64."""

    @property
    def c_j(self) -> float:
        zero = _at_zero(self.size, self.payment)
        return 0.0 if zero else exp_or_inf(self.j * math.log(self.size.ratio)) * (1 + ROUNDING)

    @property
    def prices(self) -> dict[str, float]:
        """Of everything but the scale."""
        return {**self.size.prices, **self.payment.prices}

    def step(self, sample: MarginSample) -> MarginStep:
        """The bound there."""
        (complexity,) = self.size.at(np.array([self.c_j]), self.payment.factor, self.m).tolist()
        sides, roots = (2.0, 1.0) if self.size.one_sided else (1.0, 2.0)
        nats = math.fsum((self.scale_price, *self.prices.values()))
        confidence = roots * math.sqrt((math.log(sides / self.payment.delta) + nats) / (2 * self.m))
        shown = self._short() if self.payment.alternatives else self._itemised()
        terms = {**self.size.terms, **shown, **self._uncapped(complexity)}
        # The grid point was chosen by the complexity before its cap: where that is below the cap, no row knows of it.
        complexity = min(complexity, self.payment.cap)
        return MarginStep(sample.ramp(self.gamma), complexity, confidence, self.gamma, self.payment.delta, terms)

    def _uncapped(self, complexity: float) -> dict[str, Any]:
        """What the complexity would be without its cap, where it has one."""
        if self.size.cap < math.inf:
            complexity = 0.0 if self.size.curve is None else self.size.curve(self.c_j)
        return {"complexity uncapped": complexity} if min(self.size.cap, self.payment.cap) < math.inf else {}

    @property
    def scale_price(self) -> float:
        return -math.log(grid_delta(self.j, 1.0))

    def _short(self) -> dict[str, Any]:
        """The factors of a published theorem: δ_j, and one sum of all other prices."""
        return {
            "c = scale/gamma": exp_or_inf(self.size.log_scale - math.log(self.gamma)),
            "grid index j": self.j,
            "c_j": self.c_j,
            "delta_j": grid_delta(self.j, self.payment.delta),
            "nats paid for choices": math.fsum(self.prices.values()),
            "m": self.m,
            "factor": self.payment.factor,
            **{f"nats: {name}": price for name, price in self.payment.prices.items()},
        }

    def _itemised(self) -> dict[str, Any]:
        """The factors of the library's own classes: every price by its name."""
        prices = {"scale/gamma on its grid": self.scale_price, **self.prices}
        return {
            "form of theorem 3": FORMS[self.size.one_sided],
            "scale/gamma": exp_or_inf(self.size.log_scale - math.log(self.gamma)),
            "grid index j": None if _at_zero(self.size, self.payment) else self.j,
            "c_j = ratio^j": self.c_j,
            "unit": self.size.unit,
            "factor": self.payment.factor,
            "m": self.m,
            **{f"nats: {name}": float(np.round(price, 12)) for name, price in prices.items()},
            "nats paid for choices": math.fsum(prices.values()),
        }


def _best_point(size: ClassSize, sample: MarginSample, payment: Payment) -> _Point:
    """The best grid point and γ of one class."""
    j, gammas = _points(size, sample.m, payment)
    logs = j * math.log(size.ratio)
    c = np.where(logs < 709.0, np.exp(np.minimum(logs, 709.0)), math.inf) * (1 + ROUNDING)
    complexities = size.at(np.zeros(1) if _at_zero(size, payment) else c, payment.factor, sample.m)
    sides, roots = (2.0, 1.0) if size.one_sided else (1.0, 2.0)
    nats = math.fsum((math.log(sides), *payment.prices.values(), *size.prices.values()))
    weights = np.log(2 * (np.abs(j) + 1.0) * (np.abs(j) + 2.0) / payment.delta)
    values = sample.ramps(gammas) + complexities + roots * np.sqrt((weights + nats) / (2 * sample.m))
    best = int(np.argmin(values))
    return _Point(size, payment, sample.m, int(j[best]), float(gammas[best]), float(values[best]))


def _points(size: ClassSize, m: int, payment: Payment) -> tuple[Int64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    """Grid points to try, and γ at each."""
    fixed = payment.fixed_gamma
    if _at_zero(size, payment):
        return np.zeros(1, dtype=np.int64), np.array([SMALLEST if fixed is None else fixed])
    if size.constant:  # every grid point covers it: one with negligible complexity whose weight is not yet small
        cheap = -math.ceil(math.log(1e6 * m) / math.log(RATIO))
        return np.array([cheap]), np.array([1.0 if fixed is None else fixed])
    if fixed is not None:
        return _held(size, np.array([grid_index(size.log_scale - math.log(fixed), size.ratio)]), np.array([fixed]))
    # At grid point j the smallest γ allowed, scale / c_j, has the smallest ramp.
    j = np.array(_grid(size, m, payment.factor))
    logs = size.log_scale - j * math.log(size.ratio)
    small = logs < LOG_LARGEST  # beyond, γ itself would overflow
    # Half the slack of the grid point, so that the same γ given by hand lands on the same grid point.
    gammas = np.exp(np.maximum(logs[small], -LOG_LARGEST)) / (1 + ROUNDING / 2)
    # γ = 1 too: where no grid point has a complexity below 1, the search has nothing to go by. And the largest γ.
    more = [1.0] if small.all() else [1.0, math.exp(LOG_LARGEST)]
    further = [grid_index(size.log_scale - math.log(gamma), size.ratio) for gamma in more]
    return _held(size, np.append(j[small], further), np.append(gammas, more))


def _held(
    size: ClassSize, j: Int64[np.ndarray, " n"], gammas: Float64[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " k"], Float64[np.ndarray, " k"]]:
    """Those grid points whose class holds the network at this γ: all but where classes do not grow with their scale."""
    if size.log_most == math.inf:
        return j, gammas
    kept = j * math.log(size.ratio) + math.log1p(ROUNDING) + np.log(gammas) <= size.log_most
    if not kept.any():
        raise ValueError(
            "no class on the grid holds the network at this margin: classes around a rehearsal do not grow with their "
            'scale; use gamma="best", or train further inside the class'
        )
    return j[kept], gammas[kept]


def _at_zero(size: ClassSize, payment: Payment) -> bool:
    """Whether the class is that of the grid point 0."""
    return size.constant and not payment.alternatives


def _grid(size: ClassSize, m: int, factor: float) -> range:
    """Grid points at which the complexity lies between 0 and 1."""
    if size.curve is not None:
        high = _first_above_1(size.curve, size.ratio)
    elif 0.0 < size.unit < math.inf:
        high = math.ceil(math.log(m / (factor * size.unit)) / math.log(size.ratio))
    else:
        return range(0, 1)
    return range(high - STEPS, high + 1)


def _first_above_1(curve: Callable[[float], float], ratio: float) -> int:
    """The smallest grid point at which the curve exceeds 1, by bisection."""
    low, high = -FURTHEST, FURTHEST
    while high - low > 1:
        middle = (low + high) // 2
        if curve(exp_or_inf(middle * math.log(ratio))) > 1.0:
            high = middle
        else:
            low = middle
    return high
