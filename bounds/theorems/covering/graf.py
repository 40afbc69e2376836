"""Graf, Zeng, Rieck, Niethammer, Kwitt (NeurIPS 2022): Lipschitz constants, kernel distances, weight sharing counted.

Theorem 3.5 comes in a form by norms and a form by numbers of weights; the integral behind both can also be evaluated
numerically. On any other network than a chain the constants of its blocks are those of the cover pass.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.payment import RAMP, Payment
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.hull_cover import Rademacher, closed_form_of, hull_class, numeric_of
from sparsebounds.bounds.theorems.covering.own_numbers import ASSUMES, COVERS, read_numbers
from sparsebounds.bounds.theorems.passes.hulls import kernel_hull

SOURCE = "Graf, Zeng, Rieck, Niethammer, Kwitt, On measuring excess capacity in neural networks, NeurIPS 2022"
PSI = 2.0
"""sup_β Σ_{k ≥ β} log((k+2)/(k+1)) √(β/k); each summand is below √β ∫_k^{k+1} t^{-3/2} dt. The paper has 2.7."""
stated = partial(declare, guarantee="certificate", assumes=ASSUMES, covers=COVERS)


@stated(
    summary="Lipschitz constants and kernel distances, weight sharing counted, form by norms",
    source=f"{SOURCE}, theorem 3.5 (norms) in the authors' documentation; union over norms and γ",
)
def graf_norms(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, reference: object = None) -> Bound:
    """Theorem 3.5, form by norms.

    err ≤ mean ramp φ_γ on S + 8/m + (24 H_{m−1}/√m) √log(2W) (Σ_i ⌈C_i^{2/3}⌉)^{3/2} + 2 √(log(1/δ')/2m),
    C_i = (2√2/γ) (‖X‖_F/√m) Π_j ρ_j s_j · b_i/s_i, s_i ≥ Lipschitz constant of layer i,
    b_i = Σ_{taps, o} (Σ_c (K_i − K_i⁰)²)^½, W the most weights of a layer, H_k = Σ_{j≤k} 1/j.
    The paper has 4/γ for 2√2/γ: it takes 2 for the margin's Lipschitz constant √2. All norms stand on their grids; δ'
    is δ times the weights of the grid points. With biases or branches, and for two classes, C_i is as in `bartlett`.

    Args:
        reference: the kernels K⁰, a Graph with weights fixed without the sample; None: 0.

    Example:
        >>> b = graf_norms(graph, sample, delta=0.001)
        >>> b.guarantee, [round(r, 3) for r in b.terms["b_i/s_i of the class"]]  # 2 → 1.1^8; one row
        ('certificate', [2.144, 1.0])

    Source: as above.
    """
    payment = Payment(delta, gamma, RAMP)
    forms = [_form(graph, sample, reference, payment, closed_form_of)]
    return conclude(graf_norms, forms, graph, sample, payment)


@stated(
    summary="Lipschitz constants and kernel distances, form by numbers of weights",
    source=f"{SOURCE}, theorem 3.5 (params) in the authors' documentation, ψ ≤ 2 proved here; union over norms and γ",
)
def graf_params(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, reference: object = None) -> Bound:
    """Theorem 3.5, form by numbers of weights: logarithmic in the norms.

    err ≤ mean ramp φ_γ on S + (24/√m) √(Σ_i 2W_i (log(1 + ⌈L²C_i²⌉) + 2·1[C_i > 0])) + 2 √(log(1/δ')/2m), with C_i as
    in `graf_norms` and W_i the weights of layer i.

    Args:
        reference: as in `graf_norms`.

    Example:
        >>> rows = [theorem(graph, sample, delta=0.001) for theorem in (graf_params, graf_norms)]
        >>> rows[0].terms["complexity uncapped"] < rows[1].terms["complexity uncapped"]
        True

    Source: as above.
    """
    payment = Payment(delta, gamma, RAMP)
    forms = [_form(graph, sample, reference, payment, lambda c, kinds, m: params_form(c, kinds / 2, m))]
    return conclude(graf_params, forms, graph, sample, payment)


@stated(
    summary="the covering numbers of graf_norms, entropy integral evaluated numerically",
    source=f"{SOURCE}, covering numbers of theorem 3.5, numeric entropy integral; union over norms and γ",
)
def graf_dudley(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0, reference: object = None) -> Bound:
    """The covering numbers behind both forms, integrated.

    As in `bartlett_dudley`, log N(ε) = Σ_i log C(2W_i + k_i − 1, k_i) with C_i and W_i of `graf_norms`.

    Args:
        reference: as in `graf_norms`.

    Example:
        >>> rows = [theorem(graph, sample, delta=0.001) for theorem in (graf_dudley, graf_params)]
        >>> rows[0].terms["complexity uncapped"] < rows[1].terms["complexity uncapped"]
        True

    Source: as above.
    """
    payment = Payment(delta, gamma, RAMP)
    forms = [_form(graph, sample, reference, payment, numeric_of)]
    return conclude(graf_dudley, forms, graph, sample, payment)


def _form(graph: Graph, sample: Sample, reference: object, payment: Payment, rademacher: Rademacher) -> ClassSize:
    own = read_numbers(graph, reference, kernel_hull)
    weights = {"weights W_i": tuple(own.kinds(i) / 2 for i in own.layers)}
    return hull_class(own, sample, rademacher, weights, payment)


def params_form(c: Float64[np.ndarray, " L"], weights: Float64[np.ndarray, " L"], m: int, *, psi: float = PSI) -> float:
    """The form by numbers of weights, as a bound on the empirical Rademacher complexity of the ramp losses.

    (12/√m) √(Σ_i 2W_i (log(1 + β_i) + ψ·1[β_i > 0])), β_i = ⌈L²C_i²⌉. With ω_i = 1/L a layer has at most
    (1 + ⌈β_i/ε²⌉)^{2W_i} multisets, ∫_0^1 log(1 + ⌈β/ε²⌉) dε = log(1 + β) + Σ_{k≥β} log((k+2)/(k+1)) √(β/k), and
    (∫√g)² ≤ ∫g.

    Args:
        c: (L,) C_i.
        weights: (L,) W_i.
        m: number of samples.
        psi: upper bound on the sum; 2.7 in the paper.

    Returns:
        An upper bound; inf past the float64 range.

    Example:
        >>> round(params_form(np.array([4.0, 2.5, 0.7]), np.array([900.0, 5000.0, 100.0]), 1000, psi=2.7), 6)
        108.877041

    Source: Graf et al. 2022, theorem 3.5 (params), in the authors' documentation.
    """
    x = len(c) * np.asarray(c, dtype=np.float64)
    with np.errstate(over="ignore", divide="ignore"):
        # Beyond 1e100 the ceiling is invisible, and the square could overflow.
        logs = np.where(x < 1e100, np.log1p(np.ceil(np.square(np.minimum(x, 1e100)))), 2 * np.log(x) + 1e-9)
    return float(12 / math.sqrt(m) * np.sqrt(np.sum(2 * np.asarray(weights) * (logs + psi * (x > 0)))))
