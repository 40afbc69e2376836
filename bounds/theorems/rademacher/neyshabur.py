"""Neyshabur, Tomioka, Srebro 2015: products of group norms, one factor 2 per activation, in their data-dependent form.

The theorem is peeling one layer after the other: E sup |Σ ξ σ(w·v)| ≤ 2 E sup |Σ ξ w·v|, ξ independent
signs, σ the ReLU, v what the layer reads (docs/theory.md, "Setting"). Its two forms here keep the
sums over the sample where the paper has √(min(p*, 4 log 2D)) max_i ‖x_i‖ √m: their constants are derived, not quoted.

One number: a ReLU network does not change when a layer is multiplied by t > 0 and another divided by it, so the
networks with norms n_1, …, n_L are those with (Π n_l, 1, …, 1): the class is fixed by the product (over γ). On graphs
that are no chains the product becomes the gain of a pass over the layers (`layer_forms`).
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains.plain import is_chain
from sparsebounds.bounds.theorems.rademacher.layer_forms import DAG, first_moment_form, frobenius_forms
from sparsebounds.bounds.theorems.rademacher.node_forms import COVERS, NOT_HOMOGENEOUS

SOURCE = "Neyshabur, Tomioka, Srebro, Norm-Based Capacity Control in Neural Networks, COLT 2015, Theorem 1"
stated = partial(declare, guarantee="certificate", assumes=(slopes.ASSUMES, NOT_HOMOGENEOUS), covers=COVERS)


@stated(
    summary="product of Frobenius norms, 2 per activation",
    source=f"{SOURCE}, p = q = 2, data-dependent form with √C for the scores",
)
def neyshabur_frobenius(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of Frobenius norms of the layers' operators, exponential in depth.

    err ≤ mean ramp φ_γ on S + (4/m) c_j √C 2^a √Σ_i ‖x_i‖² + 2 √(log(1/δ_j)/2m), c = (Π_l ‖A_l‖_F)/γ ≤ c_j, a the
    number of activations (L − 1), for chains. On every other graph c = (Σ_r κ_r²)^½/γ and (Σ_r N_r)^½ stands for
    √C 2^a, max(‖X‖_F, √m) for ‖X‖_F: gains κ of the node pass with a node for each layer, N = 4 Σ N over what an
    activated layer reads, 2 N for a max pool.

    Example:
        >>> b = neyshabur_frobenius(graph, sample, delta=0.001)
        >>> round(b.terms["prod ||A_l||_F"], 9)  # √2 · √2
        2.0

    Source: as above. For the scores (f_1, …, f_C) with ‖W_L‖_F fixed, E sup Σ_r w_r·V_r ≤ ‖W_L‖_F √(C E sup ‖V‖²),
    V = Σ ξ_i v(x_i), and a peeling costs at most 2² in the second moment.
    """
    outputs, payment = contracted(graph, delta, gamma)
    chain, energies = is_chain(outputs), sample.energies
    forms = (
        [frobenius_complexity(outputs, energies, sample.m)] if chain else frobenius_forms(outputs, energies, sample.m)
    )
    return conclude(neyshabur_frobenius, forms, graph, sample, payment, note="" if chain else DAG)


def frobenius_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ Π_l ‖A_l‖_F · √C 2^a ‖X‖_F.

    For a plain chain, and m inputs with these Σ_i x_ij² per coordinate; biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph)
    norms, data = level_norms.frobenius_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    top, peelings = level_norms.log_norm(norms.rows), plain_chain.activations(levels)
    log_scale = norms.product(top)
    terms = {
        "||A_l||_F": norms.shown(levels),
        "||W_L||_F": exp_or_inf(top),
        "prod ||A_l||_F": exp_or_inf(log_scale),
        "activations": peelings,
        "classes C": graph.classes,
        "||X||_F": data.frobenius,
    }
    factor = math.sqrt(graph.classes) * exp_or_inf(peelings * math.log(2))
    return ClassSize(log_scale, factor * data.frobenius, terms=terms)


@stated(
    summary="product of ℓ1,∞ norms, 2 per activation",
    source=f"{SOURCE}, p = 1, q = ∞, data-dependent form with the rows of the scores added",
)
def neyshabur_l1(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of ℓ1,∞ norms of the layers, exponential in depth, logarithmic in the number of inputs.

    err ≤ mean ramp φ_γ on S + (4/m) c_j 2^a √(2 log(2DC)) max_j √Σ_i x_ij² + 2 √(log(1/δ_j)/2m),
    c = (Σ_r ‖w_r‖₁)(Π_{l<L} ‖A_l‖_{1,∞})/γ ≤ c_j, D inputs, C classes, a activations, for chains. On every other graph
    c = (Σ_r κ_r)/γ with the gains κ of the ℓ1 pass, and F stands for 2^a: 2F + 1 after a stage of ReLU, 3F after
    another one or a max pool; with activations that are not homogeneous a mean of what a layer reads, twice per
    activation.

    Example:
        >>> neyshabur_l1(graph, sample, delta=0.001).guarantee
        'certificate'

    Source: as above. Σ_r w_r·V_r ≤ (Σ_r ‖w_r‖₁) max_{r,k} |V_rk|; contraction peels the maximum over r and k as it is;
    at the input 2DC sums of Σ ξ_i x_ij.
    """
    outputs, payment = contracted(graph, delta, gamma)
    chain = is_chain(outputs)
    form = (l1_complexity if chain else first_moment_form)(outputs, sample.energies, sample.m)
    return conclude(neyshabur_l1, [form], graph, sample, payment, note="" if chain else DAG)


def l1_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ (Σ_r ‖w_r‖₁) Π_{l<L} ‖A_l‖_{1,∞} · 2^a √(2 log(2DC)) max_j ‖X_j‖.

    For a plain chain, and m inputs with these Σ_i x_ij² per coordinate; biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph)
    norms, data = level_norms.one_inf_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    top, peelings = level_norms.log_sum(norms.rows), plain_chain.activations(levels)
    log_scale = norms.product(top)
    logs = math.log(2 * data.inputs * graph.classes)
    terms = {
        "||A_l||_1,inf": norms.shown(levels),
        "sum_r ||w_r||_1": exp_or_inf(top),
        "scale": exp_or_inf(log_scale),
        "activations": peelings,
        "inputs D": data.inputs,
        "classes C": graph.classes,
        "max_j ||X_j||": data.largest,
    }
    factor = exp_or_inf(peelings * math.log(2)) * math.sqrt(2 * logs)
    return ClassSize(log_scale, factor * data.largest, terms=terms)
