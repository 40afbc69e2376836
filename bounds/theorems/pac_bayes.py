"""The PAC-Bayes bound of Neyshabur, Bhojanapalli, Srebro (ICLR 2018), with every constant written out.

Give every layer the same spectral norm β (ReLU networks do not change), add Gaussian noise of variance σ² to every
weight, and the scores move by at most γ/4 with probability ½. McAllester's theorem then pays for the divergence
between the noisy network and a Gaussian around 0. σ must be fixed without the sample: it comes from a grid of β̃.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds import norms
from sparsebounds.bounds.bound import Bound, Gamma, NotCovered, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.sample.limits import Range, largest_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains.level_norms import carried_norms

SHARP = 16 * math.e**2
"""½·(4√2·e)², from σ = γ / (4√2 e d B β̃^{d−1} √(h log 4dh)). The printed 42²/2 = 882 is a rounding of it upwards."""
ROUNDING = 1e-9
INPUT_ROUNDING = 1 + 1e-6
"""Inputs normalised in float32 exceed their bound by its rounding; B is raised by this factor."""
UP = 1 + 1e-12
"""Not below what float64 loses in a product or a root."""
CANDIDATES = 200


@dataclass(frozen=True)
class Divergence:
    """KL between the noisy network and the prior, and what led to it."""

    beta: float
    """(Π_i s_i)^{1/d}."""
    rounded: float
    """β̃, the grid point above it."""
    index: int
    points: int
    """J, grid points in all."""
    ratios: float
    """Σ_i ‖W_i‖²_F / s_i²."""
    kl: float


def divergence(
    spectral: Sequence[float],
    frobenius: Sequence[float],
    *,
    width: int,
    input_bound: float,
    m: int,
    gamma: float = 1.0,
    constant: float = SHARP,
) -> Divergence:
    """KL = 16e² d² B² β̃^{2d−2} β² h log(4dh) / γ² · Σ_i ‖W_i‖²_F / s_i².

    The grid is β̃_j = (γ/2B)^{1/d} (1 + 1/d)^j, j = 0..J−1, J = ⌈log m / (2d log(1 + 1/d))⌉ + 1. In units of γ^{1/d} it
    does not depend on γ, so that γ may be chosen freely. Below the grid every margin is smaller than γ, above it the
    bound exceeds 1: both need no grid point.

    Args:
        spectral: s_i, not below the spectral norms of the layers, d of them.
        frobenius: ‖W_i‖_F.
        width: h, the largest number of coordinates of any layer, the input's and the scores' included.
        input_bound: B, not below ‖x‖₂ for any input that can occur.
        m: samples.
        gamma: the margin.
        constant: 16e², or 882 as printed.

    Returns:
        Divergence; its KL is never below the exact one.

    Example:
        >>> d = divergence((1.5, 1.2, 1.1), (3, 2, 1.5), width=784, input_bound=1.0, m=60000)
        >>> d.points, round(d.beta, 7), round(d.rounded, 7), round(d.kl / 1e8, 4)
        (8, 1.2557072, 1.4110232, 4.1205)
    """
    d = len(spectral)
    # ‖W‖_F ≥ ‖W‖: a generous s_i must not take the bound below 1 above the grid.
    ratios = math.fsum(max(f / s, 1.0) ** 2 for s, f in zip(spectral, frobenius, strict=True) if s > 0)
    log_beta = sum(map(_log, spectral)) / d
    lowest, ratio = (math.log(gamma) - math.log(2 * input_bound)) / d, math.log1p(1 / d)
    index = 0 if log_beta <= lowest else math.ceil((log_beta - lowest) / ratio)
    log_rounded = lowest + index * ratio + ROUNDING
    log_scale = (2 * d - 2) * log_rounded + 2 * log_beta + 2 * math.log(input_bound / gamma)
    kl = constant * d**2 * width * math.log(4 * d * width) * ratios * exp_or_inf(log_scale) * (1 + ROUNDING)
    return Divergence(
        beta=exp_or_inf(log_beta),
        rounded=exp_or_inf(log_rounded),
        index=index,
        points=math.ceil(math.log(m) / (2 * d * ratio)) + 1,
        ratios=ratios,
        kl=kl,
    )


@declare(
    summary="PAC-Bayes with spectral norms, every constant explicit",
    guarantee="certificate",
    assumes=(
        *plain_chain.ASSUMES,
        "a bound on the norm of every input that can occur (input_bound or pixel_range)",
    ),
    source="Neyshabur, Bhojanapalli, Srebro, A PAC-Bayesian approach to spectrally-normalized margin bounds, "
    "ICLR 2018, theorem 1; constants derived here",
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
    """The spectral PAC-Bayes bound in explicit form.

    err ≤ (share of margins ≤ γ) + √((2 KL + log(8 m J/δ)) / (2(m−1))), for all networks of the architecture and all γ,
    w.p. ≥ 1 − δ, with KL and J of `divergence`. Convolutions count as the matrices they are: h is the size of the
    largest layer, and weight sharing is not used. Pooling below a layer is part of its matrix. With biases the inputs
    are (x, 1), and every layer up to the last bias carries the constant on (see `chains.plain`).

    Args:
        input_bound, pixel_range: of every input that can occur; B follows.

    Returns:
        A certificate. Hundreds or more on real networks. Value NaN also for a sample of one, or without a bound on the
        inputs.

    Raises:
        ValueError: a bound on the inputs that is out of range, or that the sample contradicts.

    Example:
        >>> b = pac_bayes(graph, sample, delta=0.001, input_bound=1.0)
        >>> b.guarantee, round(b.terms["B"], 5), b.value > 1
        ('certificate', 1.0, True)

    Source: as above; the perturbation lemma and the 8 m as in Liao, Urtasun, Zemel, ICLR 2021, lemma 2.2.
    """
    bound = largest_norm(sample, input_bound, pixel_range) * INPUT_ROUNDING
    if sample.m < 2:
        raise NotCovered("it divides by m − 1, and the sample has one element")
    spectral, frobenius, width, biased = _matrices(graph)
    if not all(map(math.isfinite, [*spectral, *frobenius])):
        raise ValueError("the norms of the network overflow float64; the bound has no finite value for it")
    bound = math.hypot(bound, 1.0) * UP if biased else bound
    paid = architecture_prices(graph)

    def at(value: float) -> MarginStep:
        found = divergence(spectral, frobenius, width=width, input_bound=bound, m=sample.m, gamma=value)
        log_term = math.log(8 * sample.m * found.points / delta) + math.fsum(paid.values())
        whole = math.sqrt((2 * found.kl + log_term) / (2 * (sample.m - 1)))
        complexity = math.sqrt(found.kl / (sample.m - 1))
        confidence = log_term / (2 * (sample.m - 1)) / (whole + complexity)
        terms = {
            "s_i": tuple(spectral),
            "||W_i||_F": tuple(frobenius),
            "h": width,
            "B": bound,
            "beta": found.beta,
            "beta rounded": found.rounded,
            "grid points J": found.points,
            "KL": found.kl,
            "log(8mJ/delta)": log_term,
            **{f"nats: {what}": price for what, price in paid.items()},
            "m": sample.m,
        }
        return MarginStep(sample.margin_error(value), complexity, confidence, value, delta, terms)

    best = min(map(at, _gammas(gamma, sample)), key=lambda step: step.value)
    return bound_from_step(best, pac_bayes, sample)


def _gammas(gamma: float | str, sample: Sample) -> list[float]:
    """The margins to try."""
    if not isinstance(gamma, str):
        return [float(gamma)]
    positive = sample.margins[sample.margins > 0]
    if not positive.size:
        return [1.0]
    return np.geomspace(max(positive.min() / 2, 1e-300), positive.max(), CANDIDATES).tolist()


def _matrices(graph: Graph) -> tuple[list[float], list[float], int, bool]:
    """s_i and ‖W_i‖_F of the learned layers as matrices, h, and whether they carry the constant 1.

    The class has biases where the program adds some, be they zero: it must not depend on trained values. A block matrix
    [[A, b/c], [0, c'/c]] has at most the norm of the matrix of the norms of its blocks.
    """
    levels = plain_chain.read_levels(graph)
    own = [_beside([norms.spectral_upper(graph, i) for i in level.indices]) for level in levels]
    offsets = [math.hypot(*np.concatenate([plain_chain.biases(graph, i) for i in v.indices])) for v in levels]
    carried = [*carried_norms(list(map(_log, own)), list(map(_log, offsets))), -math.inf]
    spectral, frobenius, factor = [], [], 1.0
    for k, level in enumerate(levels):
        shift, unit = (
            (0.0, 0.0)
            if carried[k] == -math.inf
            else (exp_or_inf(_log(offsets[k]) - carried[k]), exp_or_inf(carried[k + 1] - carried[k]))
        )
        blocks = np.array([[own[k], shift], [0.0, unit]])
        norm = own[k] if shift == unit == 0 else norms.matrix_upper(blocks) if np.isfinite(blocks).all() else math.inf
        if level.fixed:
            factor *= norm * UP
            continue
        size = math.hypot(*(norms.frobenius_norm(graph, i) for i in level.indices), shift, unit)
        spectral.append(norm * factor)
        frobenius.append(size * factor)
        factor = 1.0
    biased = any(level.biased for level in levels)
    sizes = [sum(graph.layers[i].size for i in level.indices) for level in levels if not level.fixed]
    return spectral, frobenius, max(graph.input.size, *sizes) + biased, biased


def _beside(uppers: list[float]) -> float:
    """Not below the norm of matrices stacked on each other."""
    return uppers[0] if len(uppers) == 1 else math.hypot(*uppers) * UP


def _log(norm: float) -> float:
    return math.log(norm) if norm > 0 else -math.inf
