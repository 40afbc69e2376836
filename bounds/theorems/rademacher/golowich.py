"""Golowich, Rakhlin, Shamir 2018: products of norms with √depth in place of 2^depth.

Peeling inside E exp(λ sup …) turns the factor 2 per activation into log 2 under a root. The theorems speak of one
output; for the C scores theorem 1 and theorem 2 are summed over the classes (their class then has the largest row of
the last layer), the sharpened form has other ways too.

One number: a ReLU network does not change when a layer is multiplied by t > 0 and another divided by it, so every
class here is fixed by the product of its norms (over γ). The three forms of `golowich_sharp` share δ.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import Payment, alternative
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain

SOURCE = "Golowich, Rakhlin, Shamir, Size-Independent Sample Complexity of Neural Networks, COLT 2018"
stated = partial(declare, guarantee="certificate", assumes=plain_chain.ASSUMES)


@stated(
    summary="product of Frobenius norms, √depth, summed over the classes",
    source=f"{SOURCE}, Theorem 1",
)
def golowich(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of Frobenius norms of the layers' operators.

    err ≤ mean ramp φ_γ on S + (4/m) c_j C (1 + √(2 L log 2)) √Σ_i ‖x_i‖² + 2 √(log(1/δ_j)/2m),
    c = (max_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ ≤ c_j.

    Example:
        >>> b = golowich(graph, sample, delta=0.001)
        >>> b.terms["L"], round(b.terms["1 + sqrt(2 L log 2)"], 6)
        (2, 2.665109)

    Source: as above; E sup Σ_i Σ_r ξ_ir f_r ≤ Σ_r E sup Σ_i ξ_i f_r.
    """
    forms = [theorem_1_complexity(graph, sample.energies, sample.m)]
    return conclude(golowich, forms, graph, sample, Payment(delta, gamma))


def theorem_1_factor(layers: int) -> float:
    """1 + √(2 L log 2).

    Example:
        >>> round(2 * 10 / 100 * theorem_1_factor(3), 6)
        0.607867
    """
    return 1 + math.sqrt(2 * layers * math.log(2))


def theorem_1_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ max_r ‖w_r‖ Π_{l<L} ‖A_l‖_F · C (1 + √(2 L log 2)) ‖X‖_F.

    For a plain chain, and m inputs with these Σ_i x_ij² per coordinate; biases read a constant of energy m.
    """
    levels = plain_chain.read_levels(graph)
    norms, data = level_norms.frobenius_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    layers = plain_chain.depth(levels)
    factor = theorem_1_factor(layers)
    terms = {"L": layers, "1 + sqrt(2 L log 2)": factor, "classes C": graph.classes, "||X||_F": data.frobenius}
    log_scale, shown = _frobenius(norms, levels, float(norms.rows.max()), "max_r ||w_r||")
    return ClassSize(log_scale, graph.classes * factor * data.frobenius, terms=shown | terms)


def _frobenius(
    norms: level_norms.Norms, levels: tuple[plain_chain.Level, ...], top: float, name: str
) -> tuple[float, dict[str, Any]]:
    """log(top · Π_{l<L} ‖A_l‖_F), and its factors."""
    log_scale = norms.product(top)
    return log_scale, {"||A_l||_F": norms.shown(levels), name: exp_or_inf(top), "scale": exp_or_inf(log_scale)}


@stated(
    summary="product of Frobenius norms, activations counted, scores added up in the best of three ways",
    source=f"{SOURCE}, Theorem 1 sharpened: one log 2 per activation, three ways to add up the scores",
)
def golowich_sharp(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The smallest of three forms, of which the second and third pay log 6: with a activations,

    c = (max_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F C min(2^a, 1 + √(2 a log 2)),
    c = (Σ_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F min(2^a √C, 1 + √(2(a log 2 + log C))),
    c = (Π_{l≤L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F 2^a √C.

    Example:
        >>> golowich_sharp(graph, sample, delta=0.001).value < golowich(graph, sample, delta=0.001).value
        True

    Source: as above; each activation doubles E exp(λ sup ‖V‖), and at the input ‖Σ ξ_i x_i‖ has mean at most ‖X‖_F and
    is sub-Gaussian with the same parameter. The first form adds up the classes; the second has E sup Σ_r w_r·V_r ≤
    (Σ_r ‖w_r‖) E max_r sup ‖V_r‖ with V_r = Σ_i ξ_ir v(x_i), and exp of the maximum is at most the sum over r. For
    2^a √C see `neyshabur_frobenius`.
    """
    forms = sharp_complexities(graph, sample.energies, sample.m)
    return conclude(golowich_sharp, forms, graph, sample, Payment(delta, gamma))


def sharp_factor(peelings: int, classes: int) -> float:
    """min(2^a √C, 1 + √(2(a log 2 + log C))).

    Example:
        >>> [round(2 * 10 / 100 * sharp_factor(a, 1), 6) for a in (0, 1, 2, 4, 9)]
        [0.2, 0.4, 0.533022, 0.670964, 0.906446]
    """
    exponential = exp_or_inf(peelings * math.log(2)) * math.sqrt(classes)
    return min(exponential, 1 + math.sqrt(2 * (peelings * math.log(2) + math.log(classes))))


def sharp_complexities(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> list[ClassSize]:
    """The forms of `golowich_sharp`; one where there is one output, since then the first is the smallest."""
    levels = plain_chain.read_levels(graph)
    norms, data = level_norms.frobenius_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    peelings, classes = plain_chain.activations(levels), graph.classes

    def form(name: str, log_top: float, top: str, factor: float, main: bool = False) -> ClassSize:
        log_scale, terms = _frobenius(norms, levels, log_top, top)
        terms = {"form": name, **terms, "activations": peelings, "classes C": classes, "factor of depth": factor}
        terms["||X||_F"] = data.frobenius
        return ClassSize(log_scale, factor * data.frobenius, {} if main else alternative(math.log(2)), terms=terms)

    one_by_one = classes * sharp_factor(peelings, 1)
    first = form("one by one", float(norms.rows.max()), "max_r ||w_r||", one_by_one, main=True)
    if classes == 1:
        return [first]
    exponential = exp_or_inf(peelings * math.log(2)) * math.sqrt(classes)
    return [
        first,
        form("rows", level_norms.log_sum(norms.rows), "sum_r ||w_r||", sharp_factor(peelings, classes)),
        form("frobenius", level_norms.log_norm(norms.rows), "||W_L||_F", exponential),
    ]


@stated(
    summary="product of ℓ1,∞ norms, √depth, summed over the classes",
    guarantee="published",
    source=f"{SOURCE}, Theorem 2, its constant from memory",
)
def golowich_l1(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of ℓ1,∞ norms of the layers. The path norm bound is smaller and derived.

    err ≤ mean ramp φ_γ on S + (4/m) c_j 2C √(L + 1 + log D) max_j √Σ_i x_ij² + 2 √(log(1/δ_j)/2m),
    c = (Π_l ‖A_l‖_{1,∞})/γ ≤ c_j, D inputs.

    Returns:
        Not a certificate: the constant has not been compared with the paper.

    Example:
        >>> golowich_l1(graph, sample, delta=0.001).guarantee
        'published'

    Source: as above; E sup Σ_i Σ_r ξ_ir f_r ≤ Σ_r E sup Σ_i ξ_i f_r.
    """
    forms = [theorem_2_complexity(graph, sample.energies, sample.m)]
    note = "unverified: the constant was not compared with the paper"
    return conclude(golowich_l1, forms, graph, sample, Payment(delta, gamma), note=note)


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
