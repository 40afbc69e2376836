"""Neyshabur, Li, Bhojanapalli, LeCun, Srebro 2019: two layers, unit by unit, from zero initial weights."""

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
from sparsebounds.bounds.margin.payment import RAMP, Payment
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.chains import level_norms
from sparsebounds.bounds.theorems.chains import plain as plain_chain
from sparsebounds.bounds.theorems.chains.two_layers import read_two_layers
from sparsebounds.bounds.theorems.rademacher.node_forms import COVERS


@declare(
    summary="two layers, product of the norms into and out of every hidden unit",
    guarantee="certificate",
    assumes=(
        "two layers, between them one activation and fixed linear maps",
        slopes.ASSUMES,
        "other Lipschitz activations: the class then fixes the largest norm of what comes into a hidden unit",
        "the last layer is linear",
    ),
    source="Neyshabur, Li, Bhojanapalli, LeCun, Srebro, The Role of Over-Parametrization in Generalization of Neural "
    "Networks, ICLR 2019, Theorem 1 with zero initial weights",
    covers=COVERS,
)
def neyshabur_two_layer(graph: Graph, sample: Sample, *, delta: float, gamma: Gamma = 1.0) -> Bound:
    """Σ over hidden units of ‖incoming‖ ‖outgoing‖.

    err ≤ mean ramp φ_γ on S + (2/m) c_j (2√(2C) + 2) √Σ_i ‖x_i‖² + 2 √(log(1/δ_j)/2m), c = Σ_k ‖v_k‖ ‖u_k‖ / γ ≤ c_j,
    u_k what comes into hidden unit k, v_k what goes from it to the C scores; with biases the inputs are (x, 1) and
    one more hidden unit is constantly 1. (The theorem allows initial weights u⁰_k; its class then fixes ‖v_k‖ and
    ‖u_k − u⁰_k‖ for every unit, and the price of all these numbers is more than they save.) Units of a convolution are
    those of all its positions; v_k goes through the average pools above them. Activations other than ReLU: λ‖u_k‖ for
    ‖u_k‖; where they are not homogeneous max_k ‖u_k‖ for every ‖u_k‖, one number more. σ(0) is part of the last bias.

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
        graph: a network of two layers, with fixed linear maps between them or none.
        energies: Σ_i x_ij² per input coordinate.
        m: number of inputs, the energy of the constant that biases read.

    Raises:
        NotCovered: other networks.
    """
    layers = read_two_layers(graph)
    outgoing, offset = layers.outgoing()
    incoming, prices = layers.incoming()
    logs = log_of(incoming) + log_of(outgoing) + math.log(layers.function.lipschitz)
    log_scale = level_norms.log_sum(np.append(logs, log_of(offset)))  # a unit that is always 1
    data = plain_chain.read_data(layers.levels, energies, m)
    one = graph.classes == 1
    factor = layers.contraction if one else 2 * math.sqrt(2 * graph.classes) + 2
    terms = {
        "hidden units": int(sum(graph.layers[i].size for i in layers.hidden)),
        "sum_k ||v_k|| ||u_k||": exp_or_inf(log_scale),
        "classes C": graph.classes,
        "contraction s" if one else "2 sqrt(2C) + 2": factor,
        "||X||_F": data.frobenius,
    }
    return ClassSize(log_scale, factor * data.frobenius, prices, terms=terms)
