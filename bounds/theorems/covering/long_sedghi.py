"""Long, Sedghi (ICLR 2020): numbers of weights, and the distance of the layers' operators from a reference.

The printed theorem has an unspecified constant. The form here is derived with every constant: a network is Lipschitz in
its weights, balls have finite covers, and Hoeffding's inequality does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scipy.special import gammaln

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.grids import grid_up
from sparsebounds.bounds.margin.payment import Payment, alternative
from sparsebounds.bounds.sample.limits import Range, largest_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.choice import preferred
from sparsebounds.bounds.theorems.covering.distances import Distances, read_distances
from sparsebounds.bounds.theorems.covering.layered_balls import Balls, log_covering, parts_of, roundings
from sparsebounds.bounds.theorems.covering.own_numbers import ASSUMES, COVERS
from sparsebounds.bounds.theorems.passes.chain import Step, homogeneous_chain
from sparsebounds.bounds.theorems.passes.maps import Place, term_upper
from sparsebounds.bounds.theorems.passes.sizes import log

SOURCE = "Long, Sedghi, Generalization bounds for deep convolutional neural networks, ICLR 2020"


@declare(
    summary="number of weights, operator distances from a reference, every constant explicit",
    guarantee="certificate",
    assumes=(
        *ASSUMES,
        "in chains without biases, a scale that all elements share is fixed, not learned",
        "a bound on the norm of every input that can occur (input_bound or pixel_range)",
    ),
    covers=COVERS,
    source=f"{SOURCE}, theorem 3.1 with constants derived here, union over distance, γ and masks",
)
def long_sedghi(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    input_bound: float | None = None,
    pixel_range: Range | None = None,
    mask_fixed: bool = False,
    gamma: Gamma = 1.0,
    reference: object = None,
) -> Bound:
    """The class of all networks within an operator distance β of the reference, by covering its weights.

    err ≤ mean ramp φ_γ on S + 2ε + √(W log(3B/ε) / 2m) + 2 √(log(1/δ')/2m), ε = 1/m,
    B = χ (√2/γ) ρ β e^{νL + β}, β ≥ Σ_l ‖A_l − A_l⁰‖ on its grid, 1 + ν ≥ ‖A_l⁰‖ for all l, χ ≥ ‖x‖ for every input,
    W the number of weights of the learned layers, ρ the Lipschitz constants of the fixed maps. Where weights of
    A − A⁰ are zero, a second form counts the k others and pays log C(W, k) for their places and log W for k. (The root
    of the sum is written as a sum of roots, so that δ is spent as in all other bounds.) That is for chains without
    biases; any other network takes a ball for each map and each bias, see `layered_balls.log_covering`. Two classes:
    the one output f_1 − f_0 with the difference of two rows, and 1/γ for √2/γ.

    Args:
        reference: the initial weights, a Graph fixed without the sample; None: distance from 0, with ν = 0.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample: then weights that are
            zero in the network and in the reference are no weights.
        input_bound, pixel_range: of every input that can occur; χ follows.

    Returns:
        A certificate. Value NaN also without a bound on the inputs.

    Raises:
        ValueError: a reference of another structure, or inputs in the sample that are larger than they can be.

    Example:
        >>> b = long_sedghi(graph, sample, delta=0.001, pixel_range=(0.0, 1.0))
        >>> b.guarantee, b.terms["W"], round(b.terms["beta"], 3)  # 1 + √2; of six weights two are zero
        ('certificate', 4, 2.594)

    Source: as above.
    """
    chi = largest_norm(sample, input_bound, pixel_range)
    own = read_distances(graph, reference, mask_fixed)
    # A cover and Hoeffding's inequality: nothing stands before the complexity.
    payment = Payment(delta, gamma, factor=1.0)
    return conclude(long_sedghi, _forms(own, chi, sample, payment), graph, sample, payment)


def _forms(own: Distances, chi: float, sample: Sample, payment: Payment) -> Iterator[ClassSize]:
    """The class of all weights, and the class of all weights on one mask."""
    chain = None if own.shifts else homogeneous_chain(own.graph)
    total, present = sum(own.weights.values()), sum(own.present.values())
    masks = [_Mask(own.weights, 0.0, {})]
    if 0 < present < total:
        masks.append(_Mask(own.present, _log_choose(total, present), alternative(math.log(total))))
    for mask in masks:
        if chain is not None:
            yield _one_number(own, chain, chi, sample.m, mask)
        else:
            balls = (_layered(own, one, chi, sample.m, mask) for one in roundings(own))
            yield preferred(balls, sample, payment)


@dataclass(frozen=True)
class _Mask:
    """Which weights count, and what that costs."""

    weights: Mapping[Place, int]
    places: float
    """log C(W, k)."""
    prices: Mapping[str, float]


def _one_number(own: Distances, chain: tuple[Step, ...], chi: float, m: int, mask: _Mask) -> ClassSize:
    """Of a chain without biases: β ≥ Σ ‖A_l − A_l⁰‖."""
    beta, nats = grid_up(math.fsum(own.moved.values()))
    nu = max(0.0, max(own.start.values()) - 1.0)
    layers, weights = len(own.moved), sum(mask.weights.values())
    log_fixed = math.fsum(log(term_upper(own.graph, step.place)) for step in chain if not step.learned)
    # c = χ √2 / γ, or χ / γ; what the weights say stands beside it in the logarithm, where it cannot overflow.
    log_weights = log(beta) + nu * layers + beta + log_fixed
    terms = {
        "chi": chi,
        "||A_l - A_l0||": tuple(own.moved.values()),
        "beta": beta,
        "nu": nu,
        "L": layers,
        "log rho of fixed maps": log_fixed,
        "epsilon": 1.0 / m,
        "W": weights,
        "log places of zeros": mask.places,
        "log B at c = 1": log_weights,
    }

    def at(c: float) -> float:
        return covering_gap(weights, log(c) + log_weights, m, epsilon=1.0 / m, nats=mask.places)

    prices = {"beta on its grid": nats, **mask.prices}
    return ClassSize(math.log(chi * own.lipschitz), 0.0, prices, terms=terms, curve=at)


def _layered(own: Distances, balls: Balls, chi: float, m: int, mask: _Mask) -> ClassSize:
    """Of any network: β_t and η_t."""
    parts, outer = parts_of(own, balls, chi, mask.weights), math.log(own.lipschitz)
    terms = {
        "chi": chi,
        "||A_t - A_t0||": tuple(own.moved.values()),
        "||b_t - b_t0||": tuple(own.shifts.values()),
        "grid ratio": balls.ratio,
        "one number for all": balls.tied,
        "beta_t of the class": tuple(balls.radii.values()),
        "eta_t of the class": tuple(balls.shifts.values()),
        "log of beta_t Lambda_t chi_t, eta_t Lambda_t": tuple(part.log_reach for part in parts),
        "W_t": tuple(part.numbers for part in parts),
        "epsilon": 1.0 / m,
        "W": sum(mask.weights.values()),
        "log places of zeros": mask.places,
    }

    def at(c: float) -> float:
        covering = log_covering(parts, outer + log(c), 1.0 / m) if c > 0 else 0.0
        return 2.0 / m + math.sqrt((covering + mask.places) / (2 * m))

    prices = {"distances on their grids": balls.nats, **mask.prices}
    return ClassSize(0.0, 0.0, prices, terms=terms, curve=at)


def _log_choose(n: int, k: int) -> float:
    """log C(n, k), not below the truth."""
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)) * (1 + 1e-9) + 1e-9


def covering_gap(
    weights: int, log_lipschitz: float, m: int, *, epsilon: float, nats: float = 0.0, bound: float = 1.0
) -> float:
    """E ℓ − mean ℓ over a class that is B-Lipschitz in the unit ball of W numbers: 2ε + M √((W log(3B/ε) + nats)/2m).

    Args:
        weights: W.
        log_lipschitz: log B.
        m: number of samples.
        epsilon: radius of the cover, fixed without the sample. For B ≤ ε one function covers the class.
        nats: log(1/δ), or other logarithms of counts.
        bound: M, the losses lie in [0, M].

    Returns:
        An upper bound that holds with probability 1 − e^{−nats}.

    Example:
        >>> log_b = math.log(1 * 2 * 3) + 3  # χ = 1, λ = 2, β = 3, ν = 0
        >>> round(covering_gap(1000, log_b, 60000, epsilon=1 / 60000, nats=math.log(20)), 10)
        0.3752606792

    Source: Hoeffding's inequality over a cover with (3B/ε)^W elements.
    """
    log_ratio = log_lipschitz - math.log(epsilon)
    covering = weights * (math.log(3) + log_ratio) if log_ratio > 0 else 0.0
    return 2 * epsilon + bound * math.sqrt((covering + nats) / (2 * m))
