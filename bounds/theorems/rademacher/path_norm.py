"""Path norms: one number for the whole network, the sum over all paths of the products of |weights|.

Hidden units can be rescaled until what comes into each has ℓ1 norm 1; the path norm does not change. Then, ξ
independent signs (docs/theory.md, "Setting"),
E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r · E max_r sup_g |Σ_i ξ_ir g(x_i)|, r the path norms of all scores added and g a hidden
unit. Inside E exp(λ sup …) a ReLU costs a factor √2, a linear map nothing, a max pool a factor 3 (see `stages`), any
other Lipschitz activation what `activations` says.

One number: the class is fixed by r (over γ) and by the architecture; with activations that are not homogeneous two
whole numbers more, the range of their scales.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import alternative
from sparsebounds.bounds.norms import log_path_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains.activations import keeps_one, log_growth, read_scales
from sparsebounds.bounds.theorems.chains.stages import read_stages

COVERS = (*PIECEWISE_LINEAR, "activation")
LIPSCHITZ = "any Lipschitz activation (one that is not homogeneous pays for the range of its scales)"


@declare(
    summary="path norm of a layered network",
    guarantee="certificate",
    assumes=(LIPSCHITZ, plain_chain.ASSUMES[1], "max pools are layers of their own", plain_chain.ASSUMES[-1]),
    source="path norm of Neyshabur, Tomioka, Srebro, COLT 2015, peeled as in Golowich, Rakhlin, Shamir, COLT 2018",
    covers=COVERS,
)
def path_norm_layered(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The ℓ1 path norm of a plain chain.

    err ≤ mean ramp φ_γ on S + (4/m) c_j max_j √Σ_i x_ij² √(2(a/2 log 2 + log(2DC))) + 2 √(log(1/δ_j)/2m),
    c = 1ᵀ|A_L|⋯|A_1|1 / γ ≤ c_j, a activations (L − 1), D inputs (the constant 1 that biases read among them), C
    classes; ReLU costs ½ log 2, other activations what `log_growth` says, a layer of max pools log 2, with K times the
    largest path norm in place of that of a maximum over K. Two classes: 2/m, the one output f_1 − f_0.

    Returns:
        A certificate; `path_norm` covers more networks.

    Example:
        >>> round(path_norm_layered(graph, sample, delta=0.001).terms["path norm"], 9)
        2.0

    Source: as above; never above the ℓ1,∞ theorem of Golowich et al. before rounding, since r ≤ C Π_l ‖A_l‖_{1,∞}.
    """
    outputs, payment = contracted(graph, delta, gamma)
    forms = [layered_complexity(outputs, sample.energies, sample.m, largest_of(sample))]
    return conclude(path_norm_layered, forms, graph, sample, payment)


def largest_of(sample: Sample) -> float | None:
    """max_i |x_i|_∞, where the sample knows it."""
    return None if sample.largest is None else float(sample.largest.max(initial=0.0))


def layered_logs(log_growths: Sequence[float], inputs: int, classes: int, carried: bool = False) -> float:
    """log 2x + log(DC), x from 1 at the inputs growing to g x at every activation, g x + 1/D where a constant is added.

    Example:
        >>> [round(2 * 10 / 100 * math.sqrt(2 * layered_logs([math.log(2) / 2] * a, 784, 10)), 6) for a in (0, 1, 2)]
        [0.879097, 0.894727, 0.91009]
    """
    grown = 0.0
    for nats in log_growths:
        grown = float(np.logaddexp(nats + grown, -math.log(inputs))) if carried else nats + grown
    return math.log(2) + grown + math.log(inputs * classes)


def _log_growth(level: plain_chain.Level, scales: int) -> float | None:
    """log g of a level; None for a linear one, which adds nothing. A maximum over K, divided by K, costs two signs."""
    if level.maximum:
        return math.log(2.0)
    return None if level.activation is None else log_growth(level.activation, scales)


def layered_complexity(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, largest: float | None = None
) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r (max_j ‖X_j‖ √(2 logs) + what rounding the scales changes).

    For a chain, max pools among its layers, and m inputs with these Σ_i x_ij² per coordinate, none above `largest`;
    biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph, lipschitz=True, maxima=True)
    data, scales = plain_chain.read_data(levels, energies, m), read_scales(graph, m, "max")
    activated = [level.activation for level in levels if level.activation is not None]
    pools = sum(level.maximum for level in levels)
    carried = any(level.biased for level in levels) and not (pools == 0 and all(map(keeps_one, activated)))
    growths = [_log_growth(level, scales.count) for level in levels]
    logs = layered_logs([nats for nats in growths if nats is not None], data.inputs, graph.classes, carried)
    log_scale = log_path_norm(graph, max_pool="max")
    terms = {
        "path norm": exp_or_inf(log_scale),
        "log path norm": log_scale,
        "activations": len(activated),
        **({"max pools": pools} if pools else {}),
        **scales.terms,
        "inputs D": data.inputs,
        "classes C": graph.classes,
        "logs": logs,
        "max_j ||X_j||": data.largest,
    }
    rounding = scales.rounding(energies, m, largest)
    terms |= {"rounding of the scales": rounding} if rounding else {}
    unit = data.largest * math.sqrt(2 * logs) + rounding
    return ClassSize(log_scale, unit, scales.prices, terms=terms)


@declare(
    summary="path norm of any network: biases, skips, average and max pooling, Lipschitz activations",
    guarantee="certificate",
    assumes=(
        LIPSCHITZ,
        "average and max pooling, skips, biases, inference batch norm: whatever is made of these",
    ),
    source="path norm of Neyshabur, Tomioka, Srebro, COLT 2015, on DAGs as in Gonon, Brisebarre, Riccietti, Gribonval, "
    "ICLR 2024; with high probability, derived here",
    covers=COVERS,
)
def path_norm(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The ℓ1 path norm of a network with skips, biases and pooling.

    err ≤ mean ramp φ_γ on S + (4/m) c_j S √(2 log(2xDC)) + 2 √(log(1/δ_j)/2m),
    c = r/γ ≤ c_j, S = max_j √Σ_i x_ij², at least √m if there are biases, which are one more of the D inputs; x = 1 at
    the inputs, √2 x + 1 after a stage of ReLU, (1 + g) x after other activations or where values may be negative,
    (1 + 2κ) x after one of max pools. With max pooling two forms, of which the second pays log 3: κ = 1 and r with
    K · max in place of a maximum over K, or κ = K and the sum. Two classes: 2/m, the one output f_1 − f_0.

    Returns:
        A certificate.

    Example:
        >>> round(path_norm(graph, sample, delta=0.001).terms["path norm"], 9)
        2.0

    Source: as above. An activation stage: E exp(λ sup |Σ ξ σ(t)|) ≤ g E exp(λ sup |Σ ξ t|) over the absolute convex
    hull of what is there (`activations`); what a ReLU or a max pool of non-negative values made is among σ(t), only the
    inputs are added again. A max pool stage: max(a, b) = (a + b + |a − b|)/2, Cauchy-Schwarz and contraction; two signs
    and all that was there already, 1 + 2κ.
    """
    outputs, payment = contracted(graph, delta, gamma)
    forms = dag_complexities(outputs, sample.energies, sample.m, largest_of(sample))
    return conclude(path_norm, forms, graph, sample, payment)


def dag_complexities(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, largest: float | None = None
) -> list[ClassSize]:
    """The forms of E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r (S √(2 logs) + rounding): one, or two where there is max pooling.

    Args:
        graph: any network, with one output or more.
        energies: Σ_i x_ij² per input coordinate.
        m: number of inputs, the energy of the constant that biases read.
        largest: max_i |x_i|_∞, where it is known.
    """
    stages = read_stages(graph)
    biased = reads_constant(graph)
    inputs = energies.size + biased
    data = math.sqrt(max(float(np.max(energies)), float(m) if biased else 0.0))
    common = {"activation stages": stages.activations, "inputs D": inputs, "classes C": graph.classes}

    def form(max_pool: Literal["sum", "max"], kappas: tuple[int, ...], main: bool) -> ClassSize:
        log_scale, scales = log_path_norm(graph, max_pool=max_pool), read_scales(graph, m, max_pool)
        logs = stages.logs(kappas, inputs, graph.classes, scales.count)
        terms: dict[str, Any] = {"path norm": exp_or_inf(log_scale), "log path norm": log_scale, **common}
        if stages.windows:
            terms |= {"max pool as": max_pool, "kappa per max pool stage": kappas}
        terms |= {**scales.terms, "logs": logs, "S": data}
        rounding = scales.rounding(energies, m, largest)
        terms |= {"rounding of the scales": rounding} if rounding else {}
        unit = data * math.sqrt(2 * logs) + rounding
        return ClassSize(log_scale, unit, scales.prices | ({} if main else alternative()), terms=terms)

    if not stages.windows:
        return [form("sum", (), main=True)]
    return [form("max", (1,) * len(stages.windows), main=True), form("sum", stages.windows, main=False)]


def reads_constant(graph: Graph) -> bool:
    """Whether some layer reads the constant 1: a bias, be it zero, or an activation that is not 0 at 0."""
    return any(
        layer.bias is not None or (isinstance(layer, Activation) and layer.function.at_zero != 0.0)
        for layer in graph.layers
    )
