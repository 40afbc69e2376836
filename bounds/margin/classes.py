"""Theorem 3: the certificate of a class of margin losses, with every choice made after looking paid one by one.

For a class fixed in advance, w.p. ≥ 1 − δ, for all its networks,

    err ≤ mean ramp φ_γ on S + (2/m) T + 2 √(log(1/δ)/2m)              (plain; T of the sample)
    err ≤ mean ramp φ_γ on S + (2/m) T⁺ + √(log(2/δ)/2m)               (one-sided; T⁺ ≥ E T, w.p. ≥ 1 − δ/2)

where T bounds E_ξ sup Σ_i ξ_i φ_γ(M_i). Scale and γ are one number, c = scale/γ, on the grid ratio^j of `margin`; every
other number is in `prices`, as log(1/weight). Where the better of both forms counts, δ is here each form's half: the
energies behind T⁺ must then hold w.p. ≥ 1 − δ/4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from sparsebounds.bounds.margin.grids import RATIO, ROUNDING, exp_or_inf, grid_delta, grid_index
from sparsebounds.bounds.margin.space import Configuration
from sparsebounds.bounds.margin.step import MarginStep

STEPS = 200
"""Grid points searched for the best γ below the first at which the complexity alone exceeds 1."""
SMALLEST = 1e-200
"""γ where the margin does not depend on the input."""
FORMS = ("plain", "one-sided")


class MarginSample(Protocol):
    """What Theorem 3 needs of a sample."""

    @property
    def m(self) -> int: ...

    def ramp(self, gamma: float) -> float: ...

    def ramps(self, gammas: np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class ClassSize:
    """A class of networks as Theorem 3 sees it."""

    log_scale: float
    """log of the network's own scale at γ = 1; −inf for a network whose margin is constant."""
    unit: float
    """T at scale/γ = 1 (one-sided: T⁺), not divided by m."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """log(1/weight) of every number that the class fixes beside the scale, and of every choice, by name."""
    one_sided: bool = False
    terms: Mapping[str, Any] = field(default_factory=dict)
    ratio: float = RATIO
    """Of the grid of scale/γ, ratio^j; where it was chosen after looking, `prices` pays for it."""


def certify(sizes: Sequence[ClassSize], sample: MarginSample, *, delta: float, gamma: float | str) -> MarginStep:
    """The smallest certificate of several classes: pay for the scale, γ and δ.

    Args:
        sizes: classes that contain the network; the choice among them must stand in their prices.
        sample: m and the margins.
        delta: failure probability.
        gamma: the margin, or "best": the γ that makes the bound smallest; the same union covers both.

    Returns:
        The parts of the certificate, all prices in nats in `terms`. Never below what the theorem allows.

    Raises:
        ValueError: norms that overflow float64.

    Example:
        >>> import types
        >>> sample = types.SimpleNamespace(m=50, ramp=lambda gamma: 0.0, ramps=np.zeros_like)
        >>> size = ClassSize(0.0, 1.0, {"a choice of two": math.log(2)})
        >>> step = certify([size], sample, delta=0.1, gamma=1.0)
        >>> round(step.complexity, 4), round(step.confidence, 4) == round(2 * math.sqrt(math.log(2 * 4 / 0.1) / 100), 4)
        (0.04, True)

    Source: theorem 3 of the theory page.
    """
    if not sizes:
        raise ValueError("no class of networks was given; needed at least one, such as the uniform weights")
    for size in sizes:
        if math.isnan(size.log_scale) or size.log_scale == math.inf or math.isnan(size.unit):
            raise ValueError("the norms of the network overflow float64; the bound has no finite value for it")
    points = [(size, *_best_point(size, sample, delta, gamma)) for size in sizes]
    size, j, chosen, _ = min(points, key=lambda point: point[3])
    return _at(size, sample, j, chosen, delta)


@dataclass(frozen=True)
class ChoicesPaid:
    """What configurations cost, with what a reader needs to redo the price."""

    prices: dict[str, float]
    """log(1/weight) by name."""
    terms: dict[str, Any] = field(default_factory=dict)

    @property
    def nats(self) -> float:
        """log(1/weight) of all choices together; the energies of every configuration must hold at this price, too."""
        return math.fsum(self.prices.values())


def choice_prices(choices: Mapping[str, int] | Configuration | None) -> ChoicesPaid:
    """What a configuration costs (front end, graph, class …) that was picked with the sample at hand.

    Args:
        choices: a Configuration of a declared space, whatever the search for it was; or, by name, how many options
            there were on lists that were fixed in advance. The length of a sequential search is no such number:
            where the next option depends on what the sample said of the last, all that might have come next count.

    Returns:
        The prices: log n of each list, or −log weight of the configuration.

    Raises:
        ValueError: a number that is no whole number above 0.

    Example:
        >>> choice_prices({"front end": 1, "width": 3}).prices
        {'choice of width, one of 3': 1.0986122886681098}
        >>> from sparsebounds.bounds.margin.codes import WholeNumbers
        >>> from sparsebounds.bounds.margin.space import ConfigurationSpace, Field
        >>> space = ConfigurationSpace("widths", 1, (Field("width", WholeNumbers(1)),))
        >>> choice_prices(space.configuration({"width": 1})).nats == math.log(2)
        True
    """
    if isinstance(choices, Configuration):
        return ChoicesPaid({"configuration": choices.nats}, choices.terms)
    for name, n in (choices or {}).items():
        if isinstance(n, bool) or n != int(n) or n < 1:
            raise ValueError(f"choices[{name!r}] is {n!r}; needed how many there were, a whole number of at least 1")
    counts = {name: int(n) for name, n in (choices or {}).items() if n > 1}
    return ChoicesPaid({f"choice of {name}, one of {n}": math.log(n) for name, n in counts.items()})


def _best_point(
    size: ClassSize, sample: MarginSample, delta: float, gamma: float | str
) -> tuple[int | None, float, float]:
    """Grid point, γ and about what the certificate is there."""
    fixed = None if isinstance(gamma, str) else gamma
    if size.log_scale == -math.inf:  # the margin does not depend on the input: every γ has the same price
        j, gammas = np.zeros(1, dtype=np.int64), np.array([SMALLEST if fixed is None else fixed])
    elif fixed is not None:
        j, gammas = np.array([grid_index(size.log_scale - math.log(fixed), size.ratio)]), np.array([fixed])
    else:
        j = np.array([*_grid(size, sample.m), grid_index(size.log_scale, size.ratio)])
        # Half the slack of the grid point, so that the same γ given by hand lands on the same grid point.
        logs = size.log_scale - j[:-1] * math.log(size.ratio) - math.log1p(ROUNDING / 2)
        gammas = np.append(np.exp(np.clip(logs, -690.0, 690.0)), 1.0)
    nats = math.fsum(size.prices.values()) + math.log(2.0 if size.one_sided else 1.0)
    roots = np.sqrt((np.log(2 * (np.abs(j) + 1.0) * (np.abs(j) + 2.0) / delta) + nats) / (2 * sample.m))
    sizes = 2.0 / sample.m * np.exp(np.minimum(j * math.log(size.ratio), 700.0)) * size.unit
    sizes = np.zeros(1) if size.log_scale == -math.inf else sizes
    values = sample.ramps(gammas) + sizes + roots * (1.0 if size.one_sided else 2.0)
    if fixed is None and size.log_scale > -math.inf:
        values[:-1][logs > 690.0] = math.inf  # γ itself would overflow; without it scale/γ is above its grid point
    best = int(np.argmin(values))
    return None if size.log_scale == -math.inf else int(j[best]), float(gammas[best]), float(values[best])


def _grid(size: ClassSize, m: int) -> range:
    """Grid points at which the complexity lies between 0 and 1."""
    if not 0.0 < size.unit < math.inf:
        return range(0, 1)
    high = math.ceil(math.log(m / (2.0 * size.unit)) / math.log(size.ratio))
    return range(high - STEPS, high + 1)


def _at(size: ClassSize, sample: MarginSample, j: int | None, gamma: float, delta: float) -> MarginStep:
    """At grid point j; None is the grid point 0, for a network whose margin does not depend on the input."""
    c_j = 0.0 if j is None else exp_or_inf(j * math.log(size.ratio)) * (1 + ROUNDING)
    scale_nats = math.log(4.0) if j is None else -math.log(grid_delta(j, 1.0))
    prices = {"scale/gamma on its grid": scale_nats, **size.prices}
    nats = math.fsum(prices.values())
    log_inverse = (math.log(2.0 / delta) if size.one_sided else math.log(1.0 / delta)) + nats
    root = math.sqrt(log_inverse / (2 * sample.m))
    complexity = 2.0 / sample.m * c_j * size.unit if c_j > 0 and size.unit > 0 else 0.0
    terms = {
        **size.terms,
        "form of theorem 3": FORMS[size.one_sided],
        "scale/gamma": exp_or_inf(size.log_scale - math.log(gamma)),
        "grid index j": j,
        "c_j = ratio^j": c_j,
        "unit": size.unit,
        "factor": 2.0,
        "m": sample.m,
        **{f"nats: {name}": float(np.round(price, 12)) for name, price in prices.items()},
        "nats paid for choices": nats,
    }
    return MarginStep(sample.ramp(gamma), complexity, root if size.one_sided else 2 * root, gamma, terms)
