"""Neyshabur, Li, Bhojanapalli, LeCun, Srebro 2019: two layers, unit by unit, from zero initial weights."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, NotCovered, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import contracted
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import RAMP, Payment
from sparsebounds.bounds.norms import row_norms
from sparsebounds.bounds.norms.entries import layer_scale, linear_layer
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain


@declare(
    summary="two layers, product of the norms into and out of every hidden unit",
    guarantee="certificate",
    assumes=("two layers, nothing between them", plain_chain.ASSUMES[0], "the last layer is linear"),
    source="Neyshabur, Li, Bhojanapalli, LeCun, Srebro, The Role of Over-Parametrization in Generalization of Neural "
    "Networks, ICLR 2019, Theorem 1 with zero initial weights",
)
def neyshabur_two_layer(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """Σ over hidden units of ‖incoming‖ ‖outgoing‖.

    err ≤ mean ramp φ_γ on S + (2/m) c_j (2√(2C) + 2) √Σ_i ‖x_i‖² + 2 √(log(1/δ_j)/2m), c = Σ_k ‖v_k‖ ‖u_k‖ / γ ≤ c_j,
    u_k what comes into hidden unit k, v_k what goes from it to the C scores; with biases the inputs are (x, 1) and
    one more hidden unit is constantly 1. (The theorem allows initial weights u⁰_k; its class then fixes ‖v_k‖ and
    ‖u_k − u⁰_k‖ for every unit, and the price of all these numbers is more than they save.)

    Example:
        >>> b = neyshabur_two_layer(graph, sample, delta=0.001)
        >>> round(b.terms["sum_k ||v_k|| ||u_k||"], 9)
        2.0

    Source: as above. One number is enough: with ‖u_k‖ = 1 the class is c times the convex hull of single units
    v σ(u·x), ‖v‖ = ‖u‖ = 1, and one unit has E sup_u ‖(Σ_i ξ_ir σ(u·x_i))_r‖ ≤ √(2C) ‖X‖_F by contraction of the second
    moment; twice √2 of the margin times √2 of vector contraction is 4√(2C) < 2 (2√(2C) + 2). Two classes: v is one
    number, the difference, and E sup_u |Σ_i ξ_i σ(u·x_i)| ≤ s ‖X‖_F with s = (1 + a)/2 + (1 − a)/√2, 1.207 for ReLU, by
    step (i) of theorem 1 of docs/theory.md.
    """
    outputs, _ = contracted(graph, delta, gamma)
    forms = [unit_complexity(outputs, sample.energies, sample.m)]
    return conclude(neyshabur_two_layer, forms, graph, sample, Payment(delta, gamma, RAMP))


def unit_complexity(graph: Graph, energies: Float64[np.ndarray, " ..."], m: int) -> ClassSize:
    """E sup Σ_i ξ_i φ_1(M(f, x_i, y_i)) ≤ Σ_k ‖v_k‖ ‖u_k‖ · (2√(2C) + 2) ‖X‖_F, φ_1 the ramp with γ = 1; of one output
    E sup Σ_i ξ_i d(x_i) ≤ Σ_k |v_k| ‖u_k‖ · s ‖X‖_F.

    Args:
        graph: a network of two layers.
        energies: Σ_i x_ij² per input coordinate.
        m: number of inputs, the energy of the constant that biases read.

    Raises:
        NotCovered: other networks.
    """
    levels = plain_chain.read_levels(graph)
    if len(levels) != 2 or not levels[0].activated:
        names = "; ".join(level.names for level in levels)
        raise NotCovered(f"{len(levels)} layers ({names}) where there must be two, an activation between them")
    incoming, outgoing = np.zeros(int(graph.offsets[-1])), _outgoing(graph)
    for i in levels[0].indices:
        incoming[graph.offsets[i] : graph.offsets[i + 1]] = np.hypot(row_norms(graph, i), plain_chain.biases(graph, i))
    with np.errstate(divide="ignore"):
        logs = np.log(incoming) + np.log(outgoing)
        constant = np.log(math.hypot(*plain_chain.biases(graph, len(graph.layers) - 1)))  # a unit that is always 1
    log_scale, data = level_norms.log_sum(np.append(logs, constant)), plain_chain.read_data(levels, energies, m)
    one = graph.classes == 1
    slope = graph.layers[levels[0].indices[0]].slope
    factor = (1 + slope) / 2 + (1 - slope) / math.sqrt(2) if one else 2 * math.sqrt(2 * graph.classes) + 2
    terms = {
        "hidden units": int(sum(graph.layers[i].size for i in levels[0].indices)),
        "sum_k ||v_k|| ||u_k||": exp_or_inf(log_scale),
        "classes C": graph.classes,
        "contraction s" if one else "2 sqrt(2C) + 2": factor,
        "||X||_F": data.frobenius,
    }
    return ClassSize(log_scale, factor * data.frobenius, terms=terms)


def _outgoing(graph: Graph) -> Float64[np.ndarray, " units"]:
    """ℓ2 norm of the last layer's column, for every element of the graph."""
    last = linear_layer(graph, len(graph.layers) - 1)
    if last.single_dot is None:
        raise NotCovered(f"a last layer, {label(last)}, that adds several maps")
    scale = layer_scale(last)
    squares = last.single_dot.apply_transposed(
        np.ones(last.size), lambda w: np.square(w / scale), int(graph.offsets[-1])
    )
    return np.sqrt(squares) * scale
