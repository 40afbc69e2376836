"""A class of networks as the margin step sees it: how large it is, and what its numbers cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.margin.grids import RATIO, exp_or_inf
from sparsebounds.bounds.margin.space import Configuration


@dataclass(frozen=True)
class ClassSize:
    """E_ξ sup Σ_i (…) ≤ exp(log_scale) · unit over the networks that share the scale and all numbers in `prices`."""

    log_scale: float
    """log of the norms that the class fixes, at γ = 1; −inf for networks whose margin is constant."""
    unit: float
    """What the supremum is at scale/γ = 1, not divided by m; of expected energies for the one-sided form."""
    prices: Mapping[str, float] = field(default_factory=dict)
    """log(1/weight) of every number that the class fixes beside the scale, and of every choice, by name."""
    one_sided: bool = False
    """Which form of theorem 3."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    ratio: float = RATIO
    """Of the grid of scale/γ, ratio^j; where it was chosen after looking, `prices` pays for it."""
    curve: Callable[[float], float] | None = None
    """For complexities that are not proportional to c (covering numbers): what stands in the bound at c = scale/γ,
    non-decreasing in c, already divided by m and with all factors; `unit` is not used then."""
    cap: float = math.inf
    """What the complexity never exceeds, whatever the curve says."""
    log_most: float = math.inf
    """log of the largest scale, at γ = 1, at which the class still holds the network: classes need not grow with the
    scale, and at the grid point c_j only the γ between exp(log_scale)/c_j and exp(log_most)/c_j may be used."""

    @property
    def constant(self) -> bool:
        """Whether the margins of all its networks are constant."""
        return self.log_scale == -math.inf

    @property
    def value(self) -> float:
        """The bound on the expected supremum at the network's own norms, before rounding and union."""
        return exp_or_inf(self.log_scale) * self.unit if self.unit > 0 else 0.0

    def at(self, c: Float64[np.ndarray, "*shape"], factor: float, m: int) -> Float64[np.ndarray, "*shape"]:
        """What stands in the bound for classes of size c = scale/γ: (…,)."""
        if self.curve is not None:
            return np.minimum([self.curve(one) for one in c.tolist()], self.cap)
        if not self.unit > 0:
            return np.zeros(len(c))
        with np.errstate(over="ignore", invalid="ignore"):
            sizes = factor / m * c * self.unit
        return np.where(np.isnan(sizes), math.inf, sizes)  # 0 · inf: too large for float64, not 0


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
