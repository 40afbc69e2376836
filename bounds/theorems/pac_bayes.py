"""The PAC-Bayes bound of Neyshabur, Bhojanapalli, Srebro (ICLR 2018) on any graph, every constant written out.

Gaussian noise on all weights and biases moves the scores by at most γ/2√2 in ℓ2 (of two classes their difference by
γ/2), and margins by γ/2, with probability 1 − p. McAllester's theorem pays for the divergence between the noisy network
and a Gaussian around 0. The variances must be fixed without the sample: they are functions of norms that stand on
grids, and of γ (docs/covers.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, Bound, Gamma, NotCovered, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.contraction import outputs_in_l2
from sparsebounds.bounds.margin.grids import ROUNDING, exp_or_inf, grid_delta, grid_index, grid_up
from sparsebounds.bounds.margin.slopes import ASSUMES
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.sample.limits import Range, largest_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.passes.noisy_class import NoisyClass, noisy_class
from sparsebounds.bounds.theorems.passes.perturbation import Array
from sparsebounds.bounds.theorems.passes.sizes import log_sum
from sparsebounds.bounds.unrounded import unrounded

FAILURE = 0.05
"""p: how likely the noise may move a margin by more than γ/2. KL is divided by 1 − p, and κ grows with √log(1/p)."""
INPUT_ROUNDING = 1 + 1e-6
"""Inputs normalised in float32 exceed their bound by its rounding; it is raised by this factor."""
UP = 1 + 1e-9
"""Not below what float64 loses in a few thousand sums."""
CANDIDATES = 100
RATIOS = (1.01, 1.1, math.e)
SHARES = ("equal", "by size")
WAYS = tuple(product(RATIOS, SHARES))
"""Ratio of the grids, and how the noise is shared among the arrays; the choice is paid for."""


@dataclass(frozen=True)
class Way:
    """A class written on one grid, its noise shared in one way."""

    ratio: float
    sharing: str
    class_: NoisyClass
    lipschitz: float
    """Of the margin in ℓ2."""
    nats: float
    """Of all numbers but γ, and of the choice of the way."""

    @cached_property
    def reaches(self) -> dict[Array, float]:
        """log Λχ of the arrays that scores depend on."""
        return {a: reach for a, reach in self.class_.bearing.reaches({}).items() if reach > -math.inf}

    @cached_property
    def kappas(self) -> dict[Array, float]:
        """log κ of each array: all of them stay below it with probability 1 − p."""
        log_events = math.log(len(self.class_.noisy) / FAILURE)
        return {a: math.log(self.class_.noisy[a].kappa(log_events)) for a in self.reaches}

    @cached_property
    def shares(self) -> dict[Array, float]:
        """log of the part of γ that each array may use up; they add up to 1.

        The sum of squares Σ (x_a/ω_a)² is least at ω ∝ x^⅔, x = Λχκ times the norm that the numbers have at most.
        """
        if self.sharing == "equal":
            return dict.fromkeys(self.reaches, -math.log(max(len(self.reaches), 1)))
        norms, noisy = self.class_.norms, self.class_.noisy
        logs = {a: 2 / 3 * (r + self.kappas[a] + norms[a] + math.log(noisy[a].width)) for a, r in self.reaches.items()}
        total = log_sum(logs.values())
        return {a: one - total for a, one in logs.items()}

    def levels(self, log_c: float) -> dict[Array, float]:
        """log σ of each array at log c = log(scale/γ)."""
        change = -log_c - math.log(2 * self.lipschitz)
        tau = self.class_.bearing.bearable(self.shares, change)
        return {a: tau[a] - self.kappas[a] for a in tau}

    def divergence(self, log_c: float) -> float:
        """KL = Σ ‖w_a‖² / 2σ_a², rounded up."""
        own = self.class_.own
        logs = [2 * (own[a] - sigma) for a, sigma in self.levels(log_c).items() if own[a] > -math.inf]
        return exp_or_inf(log_sum(logs) - math.log(2.0)) * UP


@declare(
    summary="PAC-Bayes with spectral norms, every constant explicit",
    guarantee="certificate",
    assumes=(
        "activations with bounded slopes; " + ASSUMES,
        "max and average pooling are fixed, not learned",
        "a bound on the norm of every input that can occur (input_bound or pixel_range)",
    ),
    covers=(*PIECEWISE_LINEAR, "activation"),
    source="Neyshabur, Bhojanapalli, Srebro, A PAC-Bayesian approach to spectrally-normalized margin bounds, "
    "ICLR 2018, theorem 1; form for graphs and constants derived here",
)
def pac_bayes(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    gamma: Gamma = 1.0,
    input_bound: float | None = None,
    pixel_range: Range | None = None,
) -> Bound:
    """The spectral PAC-Bayes bound in explicit form, weights shared between positions counted once.

    err ≤ (share of margins ≤ γ) + √(((KL + H(p))/(1 − p) + log(2 m/δ') ) / (2(m−1))), p = 1/20, H(p) in nats,
    KL = Σ_a ‖w_a‖²/2σ_a² over all arrays of weights and biases, σ_a κ_a = ω_a γ/(2√2 Λ_a χ_a) unless noise on the maps
    above is felt, Σ ω_a = 1. Two classes: 2 for 2√2, and w_1 − w_0 for the rows of the last layer. χ_a bounds what the
    map reads, for every input, Λ_a how the scores move with what it computes: both from norms on grids, as in the
    covering theorems. κ_a is the norm of its noise, see `passes.noise`.
    δ' is δ times the weights of all grid points, γ's included.

    Args:
        input_bound, pixel_range: of every input that can occur.

    Returns:
        A certificate. Hundreds or more on real networks. Value NaN also for a sample of one, or without a bound on the
        inputs.

    Raises:
        ValueError: a bound on the inputs that is out of range, or that the sample contradicts.

    Example:
        >>> b = pac_bayes(graph, sample, delta=0.001, input_bound=1.0)
        >>> b.guarantee, round(b.terms["chi"], 5), b.value > 1
        ('certificate', 1.0, True)

    Source: as above; lemma 2.2 of Liao, Urtasun, Zemel, ICLR 2021 with p for ½.
    """
    chi = largest_norm(sample, input_bound, pixel_range) * INPUT_ROUNDING
    if sample.m < 2:
        raise NotCovered("it divides by m − 1, and the sample has one element")
    paid, gammas = architecture_prices(graph), _gammas(gamma, sample)
    steps = (_step(way, value, chi, paid, sample, delta) for way in _ways(graph, chi) for value in gammas)
    return bound_from_step(min(steps, key=lambda step: step.value), pac_bayes, sample)


def _ways(graph: Graph, chi: float) -> Iterator[Way]:
    """All ways to write the class, each with its whole price."""
    outputs, lipschitz = outputs_in_l2(graph)
    for ratio, sharing in WAYS:
        prices: list[float] = [math.log(len(WAYS))]

        def up(value: float, ratio: float = ratio, prices: list[float] = prices) -> float:
            if not math.isfinite(value):
                raise ValueError("the norms of the network overflow float64; the bound has no finite value for it")
            found, price = grid_up(value, ratio)
            prices.append(price)
            return found

        class_ = noisy_class(outputs(graph), chi, up)
        if not class_.noisy:
            raise NotCovered("the network has no learned layer")
        if not all(one < math.inf for one in (*class_.own.values(), class_.log_scale)):
            up(math.inf)
        yield Way(ratio, sharing, class_, lipschitz, math.fsum(prices) + class_.nats)


def _step(way: Way, gamma: float, chi: float, paid: Mapping[str, float], sample: Sample, delta: float) -> MarginStep:
    """The bound at one γ."""
    index = grid_index(way.class_.log_scale - math.log(gamma), way.ratio)
    log_c = index * math.log(way.ratio) + math.log1p(ROUNDING)
    if unrounded():
        log_c = way.class_.log_scale - math.log(gamma)
    kl, m = way.divergence(log_c), sample.m
    price = -math.log(grid_delta(index, 1.0))
    log_term = math.log(2 * m / delta) + _entropy(FAILURE) / (1 - FAILURE) + way.nats + price + math.fsum(paid.values())
    whole = math.sqrt((kl / (1 - FAILURE) + log_term) / (2 * (m - 1)))
    complexity = math.sqrt(kl / (1 - FAILURE) / (2 * (m - 1)))
    confidence = log_term / (2 * (m - 1)) / (whole + complexity)
    terms = {
        **_shown(way, log_c, chi),
        "KL": kl,
        "p": FAILURE,
        "nats: scale/gamma on its grid": price,
        "nats: norms on their grids, and the choice of the way": way.nats,
        **{f"nats: {what}": nats for what, nats in paid.items()},
        "log(2m/delta')": log_term,
        "m": m,
    }
    return MarginStep(sample.margin_error(gamma), complexity, confidence, gamma, delta, terms)


def _shown(way: Way, log_c: float, chi: float) -> dict[str, Any]:
    """The factors of KL, array by array."""
    class_, levels = way.class_, way.levels(log_c)
    graph = class_.bearing.fixed.graph
    names = {a: f"{graph.layers[a].name} (bias)" if isinstance(a, int) else graph.layers[a.layer].name for a in levels}
    return {
        "chi": chi,
        "arrays": tuple(names.values()),
        "T": len(class_.noisy),
        "||w_a||": tuple(exp_or_inf(class_.own[a]) for a in levels),
        "norms of the class": tuple(exp_or_inf(class_.norms[a]) for a in levels),
        "Lambda_a chi_a": tuple(exp_or_inf(way.reaches[a]) for a in levels),
        "kappa_a": tuple(exp_or_inf(way.kappas[a]) for a in levels),
        "shares": tuple(exp_or_inf(way.shares[a]) for a in levels),
        "sigma_a": tuple(exp_or_inf(levels[a]) for a in levels),
        "scale": exp_or_inf(class_.log_scale),
        "scale/gamma on its grid": exp_or_inf(log_c),
        "grid ratio": way.ratio,
        "noise is shared": way.sharing,
    }


def _entropy(p: float) -> float:
    return -p * math.log(p) - (1 - p) * math.log1p(-p)


def _gammas(gamma: float | str, sample: Sample) -> list[float]:
    """The margins to try."""
    if not isinstance(gamma, str):
        return [float(gamma)]
    positive = sample.margins[sample.margins > 0]
    if not positive.size:
        return [1.0]
    return [1.0, *np.geomspace(max(positive.min() / 2, 1e-300), positive.max(), CANDIDATES).tolist()]
