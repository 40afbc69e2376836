"""Golowich, Rakhlin, Shamir 2018: products of norms with √depth in place of 2^depth.

Peeling inside E exp(λ sup …) turns the factor 2 per activation into log 2 under a root. The theorems speak of one
output; for the C scores theorem 1 and theorem 2 are summed over the classes (their class then has the largest row of
the last layer), the sharpened form has other ways too. Two classes are one output, f_1 − f_0, and 2/m stands before it.

One number: a ReLU network does not change when a layer is multiplied by t > 0 and another divided by it, so every
class here is fixed by the product of its norms (over γ). On graphs that are no chains the product becomes the gain of
the node pass with every layer one node (docs/theory.md, "Gains and paths"); on chains with biases it is one more form.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, NotCovered, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import alternative
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.passes.gains import NodePass, Way, activation_nats, run_pass
from sparsebounds.bounds.theorems.passes.nodes_scores import largest_score
from sparsebounds.bounds.theorems.rademacher.node_forms import (
    COVERS,
    NOT_HOMOGENEOUS,
    biased,
    constants,
    fixed_numbers,
    size,
    summed,
)

SOURCE = "Golowich, Rakhlin, Shamir, Size-Independent Sample Complexity of Neural Networks, COLT 2018"
ONE_BY_ONE, ROWS, FROBENIUS = "one by one", "rows", "frobenius"
DAG = "not a chain: this library's form of the theorem"
LayerForms = list[tuple[ClassSize, ClassSize]]
stated = partial(declare, guarantee="certificate", assumes=(slopes.ASSUMES, NOT_HOMOGENEOUS), covers=COVERS)


@stated(
    summary="product of Frobenius norms, √depth, summed over the classes",
    source=f"{SOURCE}, Theorem 1",
)
def golowich(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The product of Frobenius norms of the layers' operators.

    err ≤ mean ramp φ_γ on S + (4/m) c_j C (1 + √(2 L log 2)) √Σ_i ‖x_i‖² + 2 √(log(1/δ_j)/2m),
    c = (max_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ ≤ c_j, for chains. On every other graph, and as another form where a chain has
    biases, c = max_r κ_r/γ and 1 + √(2 max_r log N_r) stands for 1 + √(2 L log 2), max(‖X‖_F, √m) for ‖X‖_F: gains κ
    and paths N of the node pass with a node for each layer (for each position of a max pool).

    Example:
        >>> b = golowich(graph, sample, delta=0.001)
        >>> b.terms["L"], round(b.terms["1 + sqrt(2 L log 2)"], 6)
        (2, 2.665109)

    Source: as above; E sup Σ_i Σ_r ξ_ir f_r ≤ Σ_r E sup Σ_i ξ_i f_r; theorem N of docs/theory.md.
    """
    outputs, payment = contracted(graph, delta, gamma)
    levels = plain_levels(outputs)
    found = [] if levels is None else [theorem_1_complexity(outputs, sample.energies, sample.m)]
    if levels is None or biased(outputs):
        found += [one_by_one for one_by_one, _ in _forms_of(outputs, sample)]
    note = DAG if levels is None else ""
    return conclude(golowich, _first_free(found), graph, sample, payment, note=note)


def _first_free(forms: list[ClassSize]) -> list[ClassSize]:
    """The first form is the main one; the others are alternatives of equal weight."""
    price = alternative(math.log(max(len(forms) - 1, 1)))
    return [forms[0], *(replace(form, prices={**price, **form.prices}) for form in forms[1:])]


def plain_levels(graph: Graph) -> tuple[plain_chain.Level, ...] | None:
    """The levels of a plain chain; None for every other network."""
    try:
        return plain_chain.read_levels(graph)
    except NotCovered:
        return None


def layer_forms(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> LayerForms:
    """(scores one by one, scores together) for each constant that biases may read, 1 first, on any graph.

    Of the node pass with every layer one node, but for max pools, whose positions are nodes: one by one,
    E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ max_r κ_r · C (1 + √(2 max_r log N_r)) √E.
    """
    whole = frozenset(i for i, layer in enumerate(graph.layers) if not layer.maximum)
    chosen, found = graph.partition("position"), []
    for constant in constants(chosen, energies, m, whole):
        state = run_pass(chosen, energies, m, Way(True, constant.log, whole, True, fixed_numbers(graph)))
        found.append((constant.priced(_one_by_one(state)), constant.priced(_together(state))))
    return found


@per_graph
def _forms_of(graph: Graph, sample: Sample) -> LayerForms:
    """`layer_forms`, once for both theorems."""
    return layer_forms(graph, sample.energies, sample.m)


def _one_by_one(state: NodePass) -> ClassSize:
    """Each score for itself: c = max_r κ_r, C times over."""
    form = size(largest_score(state), "max_r kappa_r", state, state.nodes.graph.classes)
    return replace(form, terms={**form.terms, "form": ONE_BY_ONE, "classes C": state.nodes.graph.classes})


def _together(state: NodePass) -> ClassSize:
    form = summed(state)
    return replace(form, terms={**form.terms, "form": ROWS})


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
    summary="gains layer by layer, paths counted, scores added up in the best of three ways",
    source=f"{SOURCE}, Theorem 1 sharpened: ½ log 2 per ReLU, three ways to add up the scores, graphs of any shape",
)
def golowich_sharp(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """The smallest of several forms: the first is free, the others share a quarter of δ.

    On chains, with a ReLU activations,

    c = (max_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F C (1 + √(a log 2)),
    c = (Σ_r ‖w_r‖)(Π_{l<L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F (1 + √(a log 2 + 2 log C)),
    c = (Π_{l≤L} ‖A_l‖_F)/γ and (4/m) c_j ‖X‖_F 2^a √C.

    On every other graph, and also where there are biases, max_r κ_r and Σ_r κ_r stand for these products, max_r log N_r
    and log Σ_r N_r under the roots, max(‖X‖_F, √m) for ‖X‖_F: gains κ and paths N of the node pass with a node for each
    layer (for each position of a max pool).

    Example:
        >>> golowich_sharp(graph, sample, delta=0.001).value < golowich(graph, sample, delta=0.001).value
        True

    Source: as above; theorem N of docs/theory.md. For 2^a √C see `neyshabur_frobenius`.
    """
    outputs, payment = contracted(graph, delta, gamma)
    forms = _sharp(outputs, sample.energies, sample.m, lambda: _forms_of(outputs, sample))
    return conclude(golowich_sharp, forms, graph, sample, payment)


def sharp_complexities(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> list[ClassSize]:
    """The forms of `golowich_sharp`, the free one first; one by one alone where there is one output."""
    return _sharp(graph, energies, m, lambda: layer_forms(graph, energies, m))


def _sharp(
    graph: Graph, energies: Float64[np.ndarray, " ..."], m: int, by_layers: Callable[[], LayerForms]
) -> list[ClassSize]:
    levels = plain_levels(graph)
    found = [] if levels is None else _chain_forms(graph, levels, energies, m)
    if levels is None or biased(graph):
        forms = by_layers()
        found += [one_by_one for one_by_one, _ in forms] + [together for _, together in forms]
    several = graph.classes > 1
    return _first_free([form for form in found if several or form.terms["form"] == ONE_BY_ONE])


def _chain_forms(
    graph: Graph, levels: tuple[plain_chain.Level, ...], energies: Float64[np.ndarray, " ..."], m: int
) -> list[ClassSize]:
    """Products of norms; biases carried as one more coordinate."""
    norms, data = level_norms.frobenius_norms(graph, levels), plain_chain.read_data(levels, energies, m)
    peelings, classes = plain_chain.activations(levels), graph.classes
    nats = math.fsum(activation_nats(graph.layers[level.indices[0]].slope, 1.0) for level in levels)

    def form(name: str, log_top: float, top: str, factor: float) -> ClassSize:
        log_scale, terms = _frobenius(norms, levels, log_top, top)
        terms = {"form": name, **terms, "activations": peelings, "nats of activations": nats, "classes C": classes}
        terms |= {"factor of depth": factor, "||X||_F": data.frobenius}
        return ClassSize(log_scale, factor * data.frobenius, terms=terms)

    one_by_one, together = (1 + math.sqrt(2 * (nats + log_classes)) for log_classes in (0.0, math.log(classes)))
    exponential = exp_or_inf(peelings * math.log(2)) * math.sqrt(classes)
    return [
        form(ONE_BY_ONE, float(norms.rows.max()), "max_r ||w_r||", classes * one_by_one),
        form(ROWS, level_norms.log_sum(norms.rows), "sum_r ||w_r||", together),
        form(FROBENIUS, level_norms.log_norm(norms.rows), "||W_L||_F", exponential),
    ]
