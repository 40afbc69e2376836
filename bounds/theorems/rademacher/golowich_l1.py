"""Golowich, Rakhlin, Shamir 2018, theorem 2: products of ℓ1,∞ norms with √depth in place of 2^depth."""

from __future__ import annotations

import math

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
from sparsebounds.bounds.theorems.rademacher.golowich import SOURCE
from sparsebounds.bounds.theorems.rademacher.layer_forms import DAG, exponential_form
from sparsebounds.bounds.theorems.rademacher.node_forms import COVERS, NOT_HOMOGENEOUS

UNVERIFIED = "unverified: the constant was not compared with the paper"


@declare(
    summary="product of ℓ1,∞ norms, √depth, summed over the classes",
    guarantee="published",
    assumes=(slopes.ASSUMES, NOT_HOMOGENEOUS),
    source=f"{SOURCE}, Theorem 2, its constant from memory",
    covers=COVERS,
)
def golowich_l1(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of ℓ1,∞ norms of the layers. The path norm bound is smaller and derived.

    err ≤ mean ramp φ_γ on S + (4/m) c_j 2C √(L + 1 + log D) max_j √Σ_i x_ij² + 2 √(log(1/δ_j)/2m),
    c = (Π_l ‖A_l‖_{1,∞})/γ ≤ c_j, D inputs, for chains. On every other graph c = max_r κ_r/γ with the gains κ of the
    ℓ1 pass, and √(2 log(2xD)) stands for 2 √(L + 1 + log D), x as in `path_norm`; with activations that are not
    homogeneous a mean of what a layer reads, 2^{(b−a)/2λ} times per activation. Two classes: 2/m, the one output
    f_1 − f_0.

    Returns:
        Not a certificate: the constant for chains has not been compared with the paper.

    Example:
        >>> golowich_l1(graph, sample, delta=0.001).guarantee
        'published'

    Source: as above; E sup Σ_i Σ_r ξ_ir f_r ≤ Σ_r E sup Σ_i ξ_i f_r.
    """
    outputs, payment = contracted(graph, delta, gamma)
    chain = plain_chain.is_chain(outputs)
    form = (theorem_2_complexity if chain else exponential_form)(outputs, sample.energies, sample.m)
    note = UNVERIFIED if chain else DAG
    return conclude(golowich_l1, [form], graph, sample, payment, note=note)


def theorem_2_factor(layers: int, inputs: int) -> float:
    """2 √(L + 1 + log D).

    Example:
        >>> round(2 * 10 / 100 * theorem_2_factor(1, 784), 6)
        1.177415
    """
    return 2 * math.sqrt(layers + 1 + math.log(inputs))


def theorem_2_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ Π_l ‖A_l‖_{1,∞} · 2C √(L + 1 + log D) max_j ‖X_j‖.

    For a plain chain, and m inputs with these Σ_i x_ij² per coordinate; biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph)
    norms, data = level_norms.one_inf_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    layers, top = plain_chain.depth(levels), float(norms.rows.max())
    log_scale, factor = norms.product(top), theorem_2_factor(layers, data.inputs)
    terms = {
        "||A_l||_1,inf": norms.shown(levels),
        "max_r ||w_r||_1": exp_or_inf(top),
        "scale": exp_or_inf(log_scale),
        "L": layers,
        "inputs D": data.inputs,
        "2 sqrt(L + 1 + log D)": factor,
        "classes C": graph.classes,
        "max_j ||X_j||": data.largest,
    }
    return ClassSize(log_scale, graph.classes * factor * data.largest, terms=terms)
