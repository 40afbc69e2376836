"""The spectrally normalised margin bound of Bartlett, Foster, Telgarsky (NeurIPS 2017), with all ceilings and unions.

The printed lemma A.8 composes covers of the layers whose elements need not satisfy the spectral constraint that the
composition uses, and drops the ceiling of Maurey's lemma. Here covers lie in the class (the radius doubles), ceilings
are kept, and the margin has its true Lipschitz constant √2 in place of 2.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import RAMP, Payment
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.hull_cover import (
    Rademacher,
    closed_form_of,
    data_size,
    hull_class,
    numeric_of,
)
from sparsebounds.bounds.theorems.covering.own_numbers import ASSUMES, COVERS, OwnNumbers, read_numbers
from sparsebounds.bounds.theorems.passes.chain import homogeneous_chain
from sparsebounds.bounds.theorems.passes.hulls import operator_hull
from sparsebounds.bounds.theorems.passes.maps import Place, term_upper
from sparsebounds.bounds.theorems.passes.sizes import log

SOURCE = "Bartlett, Foster, Telgarsky, Spectrally-normalized margin bounds for neural networks, NeurIPS 2017"
stated = partial(declare, guarantee="certificate", assumes=ASSUMES, covers=COVERS)


@stated(
    summary="product of spectral norms, (2,1) distances of the operators, closed form",
    source=f"{SOURCE}, lemma A.8 re-derived: covers inside the class, ceilings kept, union over norms and γ",
)
def bartlett(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, reference: object = None) -> Bound:
    """The closed form: a network is as complex as its spectral norms and the distances of its layers say.

    err ≤ mean ramp φ_γ on S + 8/m + (24 H_{m−1}/√m) √log(2 W₂) (Σ_i ⌈C_i^{2/3}⌉)^{3/2} + 2 √(log(1/δ')/2m),
    C_i = 2 · (√2/γ) · (‖X‖_F/√m) · Π_j ρ_j s_j · b_i/s_i, s_i ≥ ‖A_i‖ (spectral), b_i ≥ ‖(A_i − M_i)^⊤‖_{2,1} = Σ over
    rows of their ℓ2 norm, A_i the operator of the layer (two classes: the last one the difference of two rows, and 1/γ
    for √2/γ), W₂ = the most (elements read) · (elements) of a layer,
    H_k = Σ_{j≤k} 1/j. All norms stand on their grids; δ' is δ times the weights of the grid points. With biases or
    branches C_i = 2 · (√2/γ) · Λ_i (Σ b_i B_i/√m + ζ_i), see `hull_cover`: Λ_i what a change of layer i does to the
    scores, B_i the size of what its maps read, ζ_i = Σ_g √size_g |b_g| of its bias. The complexity is at most 1.

    Args:
        reference: the M_i, a Graph with weights fixed without the sample; None: 0.

    Example:
        >>> b = bartlett(graph, sample, delta=0.001)
        >>> b.guarantee, [round(r, 3) for r in b.terms["b_i/s_i of the class"]]  # 2 → 1.1^8; one row
        ('certificate', [2.144, 1.0])

    Source: as above. Theorem 3.3 and lemma 3.2 are as printed; lemma A.8 is quoted from memory and re-derived.
    """
    payment = Payment(delta, gamma, RAMP)
    forms = [_form(graph, sample, reference, payment, closed_form_of)]
    return conclude(bartlett, forms, graph, sample, payment)


@stated(
    summary="the covering numbers of bartlett, entropy integral evaluated numerically",
    source=f"{SOURCE}, theorem 3.3 with covers inside the class, numeric entropy integral, union over norms and γ",
)
def bartlett_dudley(
    graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, reference: object = None
) -> Bound:
    """The same covering numbers, integrated instead of estimated.

    err ≤ mean ramp φ_γ on S + 2 inf_{α ≤ 1/8} [4α + (12/√m) ∫_α^½ √log N(ε) dε] + 2 √(log(1/δ')/2m),
    log N(ε) = Σ_i log C(2 d_i d_{i−1} + k_i − 1, k_i), k_i = ⌈C_i²/(ω_i ε)²⌉ or 0 where C_i ≤ ω_i ε, with C_i as in
    `bartlett` and shares ω_i of ε as in `dudley.layered_log_covering`.

    Args:
        reference: as in `bartlett`.

    Returns:
        A certificate. Its complexity is at most 1, as losses in [0, 1] have it.

    Example:
        >>> rows = [theorem(graph, sample, delta=0.001) for theorem in (bartlett_dudley, bartlett)]
        >>> rows[0].terms["complexity uncapped"] < rows[1].terms["complexity uncapped"]
        True

    Source: as above.
    """
    payment = Payment(delta, gamma, RAMP)
    forms = [_form(graph, sample, reference, payment, numeric_of)]
    return conclude(bartlett_dudley, forms, graph, sample, payment)


def _form(graph: Graph, sample: Sample, reference: object, payment: Payment, rademacher: Rademacher) -> ClassSize:
    own = read_numbers(graph, reference, operator_hull)
    terms: dict[str, Any] = {"generators": tuple(own.kinds(i) for i in own.layers)}
    printed = _as_printed(graph, reference, own, sample, payment.gamma)
    return hull_class(own, sample, rademacher, {**terms, **printed}, payment)


def _as_printed(graph: Graph, reference: object, own: OwnNumbers, sample: Sample, gamma: Gamma) -> dict[str, float]:
    """Lemma A.8, which knows chains without biases and the scores of two classes as two, at one γ."""
    chain = homogeneous_chain(own.graph)
    if chain is None or own.offsets or isinstance(gamma, str):
        return {}
    norms, hulls, last = dict(own.norms), dict(own.hulls), Place(len(graph.layers) - 1, 0)
    if last in norms:
        moved = graph if reference is None else difference(graph, reference)
        norms[last], hulls[last] = term_upper(graph, last), operator_hull(moved, last)
    value = lemma_a8(
        exp_or_inf(data_size(sample).total),
        tuple(norms.values()),
        [hull.radius for hull in hulls.values()],
        math.sqrt(max(hull.kinds for hull in hulls.values()) / 2),
        sample.m,
        gamma=gamma,
        log_fixed=math.fsum(log(term_upper(own.graph, step.place)) for step in chain if not step.learned),
    )
    return {"lemma A.8 as printed": value}


def lemma_a8(
    x_norm: float,
    spectral: Sequence[float],
    distances: Sequence[float],
    width: float,
    m: int,
    *,
    gamma: float = 1.0,
    log_fixed: float = 0.0,
    tight: bool = False,
) -> float:
    """Complexity term of lemma A.8 as printed, for norms fixed in advance: no ceilings, no union.

    8/m + (72 ‖X‖_F log(2W) log m / (γ m)) Π_i ρ_i s_i (Σ_i (b_i/s_i)^{2/3})^{3/2}; `tight` has 48 √log(2W²) in place
    of 72 log(2W), before the last rounding of the proof.

    Args:
        x_norm: ‖X‖_F.
        spectral: (L,) s_i.
        distances: (L,) b_i.
        width: W ≥ 2.
        m: number of samples.
        gamma: margin.
        log_fixed: log Π ρ_i.

    Returns:
        The printed expression; not a guarantee. inf past the float64 range.

    Example:
        >>> [round(lemma_a8(10.0, (1.5, 1.2), (2.0, 1.0), 784, 1000, tight=t), 6) for t in (False, True)]
        [200.022527, 67.872263]

    Source: as above; quoted from memory, constants re-derived.
    """
    s, b = np.asarray(spectral, dtype=np.float64), np.asarray(distances, dtype=np.float64)
    if (s == 0).any() or (b == 0).all() or x_norm == 0 or log_fixed == -math.inf:
        return 8.0 / m
    with np.errstate(divide="ignore", over="ignore"):
        logs = 2 / 3 * (np.log(b) - np.log(s))
        log_size = np.log(s).sum() + log_fixed + 1.5 * np.logaddexp.reduce(logs) + math.log(x_norm) - math.log(gamma)
        factor = 48 * math.sqrt(math.log(2 * width**2)) if tight else 72 * math.log(2 * width)
        return float(8.0 / m + factor * math.log(m) / m * np.exp(log_size))
