"""Path norms: one number for the whole network, the sum over all paths of the products of |weights|.

Hidden units can be rescaled until what comes into each has ℓ1 norm 1; the path norm does not change. Then, ξ
independent signs (docs/theory.md, "Setting"),
E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r · E max_r sup_g |Σ_i ξ_ir g(x_i)|, r the path norms of all scores added and g a hidden
unit. Inside E exp(λ sup …) a ReLU costs a factor 2, a linear map nothing, a max pool a factor 3 (see `stages`).

One number: the class is fixed by r (over γ) and by the architecture.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import alternative
from sparsebounds.bounds.norms import log_path_norm
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains.stages import read_stages


@declare(
    summary="path norm of a layered network",
    guarantee="certificate",
    assumes=plain_chain.ASSUMES,
    source="path norm of Neyshabur, Tomioka, Srebro, COLT 2015, peeled as in Golowich, Rakhlin, Shamir, COLT 2018",
)
def path_norm_layered(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The ℓ1 path norm of a plain chain.

    err ≤ mean ramp φ_γ on S + (4/m) c_j max_j √Σ_i x_ij² √(2((a+1) log 2 + log(DC))) + 2 √(log(1/δ_j)/2m),
    c = 1ᵀ|A_L|⋯|A_1|1 / γ ≤ c_j, a activations (L − 1), D inputs (the constant 1 that biases read
    among them), C classes.

    Returns:
        A certificate; `path_norm` covers more networks.

    Example:
        >>> round(path_norm_layered(graph, sample, delta=0.001).terms["path norm"], 9)
        2.0

    Source: as above; never above the ℓ1,∞ theorem of Golowich et al. before rounding, since r ≤ C Π_l ‖A_l‖_{1,∞}.
    """
    outputs, payment = contracted(graph, delta, gamma)
    forms = [layered_complexity(outputs, sample.energies, sample.m)]
    return conclude(path_norm_layered, forms, graph, sample, payment)


def layered_logs(peelings: int, inputs: int, classes: int) -> float:
    """(a + 1) log 2 + log(DC).

    Example:
        >>> [round(2 * 10 / 100 * math.sqrt(2 * layered_logs(a, 784, 10)), 6) for a in (0, 1, 2, 4, 9)]
        [0.879097, 0.91009, 0.940061, 0.997306, 1.127775]
    """
    return (peelings + 1) * math.log(2) + math.log(inputs * classes)


def layered_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r max_j ‖X_j‖ √(2((a+1) log 2 + log(DC))).

    For a plain chain, and m inputs with these Σ_i x_ij² per coordinate; biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph)
    peelings, data = plain_chain.activations(levels), plain_chain.read_data(levels, energies, m)
    logs, log_scale = layered_logs(peelings, data.inputs, graph.classes), log_path_norm(graph)
    terms = {
        "path norm": exp_or_inf(log_scale),
        "log path norm": log_scale,
        "activations": peelings,
        "inputs D": data.inputs,
        "classes C": graph.classes,
        "logs": logs,
        "max_j ||X_j||": data.largest,
    }
    return ClassSize(log_scale, data.largest * math.sqrt(2 * logs), terms=terms)


@declare(
    summary="path norm of any network: biases, skips, average and max pooling",
    guarantee="certificate",
    assumes=(
        slopes.ASSUMES,
        "average and max pooling, skips, biases, inference batch norm: whatever the reader takes",
    ),
    source="path norm of Neyshabur, Tomioka, Srebro, COLT 2015, on DAGs as in Gonon, Brisebarre, Riccietti, Gribonval, "
    "ICLR 2024; with high probability, derived here",
)
def path_norm(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The ℓ1 path norm of a network with skips, biases and pooling.

    err ≤ mean ramp φ_γ on S + (4/m) c_j S √(2(t_R log 2 + Σ_pools log 3κ + 2 log 2 + log(DC))) + 2 √(log(1/δ_j)/2m),
    c = r/γ ≤ c_j, S = max_j √Σ_i x_ij², at least √m if there are biases, which are one more of the D inputs; t_R stages
    of activations (log 3 for log 2 where the values of activations or max pools may be negative). With max pooling two
    forms, of which the second pays log 3: κ = 1 and r with K · max in place of a maximum over K, or κ = K and the sum.

    Returns:
        A certificate, for every network that can be read.

    Example:
        >>> round(path_norm(graph, sample, delta=0.001).terms["path norm"], 9)
        2.0

    Source: as above. A ReLU stage: E exp(λ sup |Σ ξ σ(g)|) ≤ 2 E exp(λ sup |Σ ξ g|) over the absolute convex hull of
    what is there; what a ReLU or a max pool of non-negative values made is among σ(g), only the inputs are added again.
    A max pool stage: max(a, b) = (a + b + |a − b|)/2, Cauchy-Schwarz and contraction; two signs and all that was there
    already, 1 + 2κ ≤ 3κ.
    """
    outputs, payment = contracted(graph, delta, gamma)
    return conclude(path_norm, dag_complexities(outputs, sample.energies, sample.m), graph, sample, payment)


def dag_complexities(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> list[ClassSize]:
    """The forms of E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ r S √(2 logs): one, or two where there is max pooling.

    Args:
        graph: any network, with one output or more.
        energies: Σ_i x_ij² per input coordinate.
        m: number of inputs, the energy of the constant that biases read.
    """
    stages = read_stages(graph)
    biased = any(layer.bias is not None for layer in graph.layers)
    inputs = energies.size + biased
    data = math.sqrt(max(float(np.max(energies)), float(m) if biased else 0.0))
    common = {"activation stages": stages.activations, "inputs D": inputs, "classes C": graph.classes}

    def form(max_pool: Literal["sum", "max"], kappas: tuple[int, ...], main: bool) -> ClassSize:
        log_scale, logs = log_path_norm(graph, max_pool=max_pool), stages.logs(kappas, inputs, graph.classes)
        terms: dict[str, Any] = {"path norm": exp_or_inf(log_scale), "log path norm": log_scale, **common}
        if stages.windows:
            terms |= {"max pool as": max_pool, "kappa per max pool stage": kappas}
        terms |= {"logs": logs, "S": data}
        return ClassSize(log_scale, data * math.sqrt(2 * logs), {} if main else alternative(), terms=terms)

    if not stages.windows:
        return [form("sum", (), main=True)]
    return [form("max", (1,) * len(stages.windows), main=True), form("sum", stages.windows, main=False)]
