"""Golowich et al.: the table of numbers, literal twins on the zoo, exact suprema.

The search for violations is in test_audit.
"""

import math

import chains
import networks
import numpy as np
import pytest
import reference as ref
from networks import network
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.theorems.rademacher.golowich import (
    sharp_complexities,
    theorem_1_complexity,
    theorem_1_factor,
)
from sparsebounds.bounds.theorems.rademacher.golowich_l1 import theorem_2_complexity, theorem_2_factor

M = 50
FLOAT32_INSIDE = {"weight_norm"}
PLAIN = [n for n in networks.NETWORKS if network(n).reference is not None and not ref.has_bias(network(n).reference)]
PLAIN = [n for n in PLAIN if n != "shifted_matmuls"]  # written with a bias of zeros, see test_neyshabur

TABLE = [
    (1, 0.435482, 0.2, 1.177415),
    (2, 0.533022, 0.366511, 1.243505),
    (3, 0.607867, 0.435482, 1.306256),
    (5, 0.726554, 0.533022, 1.423484),
    (10, 0.944659, 0.699533, 1.681162),
]


@pytest.mark.parametrize(("layers", "first", "sharp", "second"), TABLE)
def test_the_table(layers, first, sharp, second):
    """Product 2, ‖X‖_F = 10 (largest coordinate 10, D = 784), m = 100, one output."""
    size = 2 * 10 / 100
    assert size * theorem_1_factor(layers) == pytest.approx(first, abs=1e-6)
    assert size * (1 + math.sqrt((layers - 1) * math.log(2))) == pytest.approx(sharp, abs=1e-6)
    assert size * theorem_2_factor(layers, 784) == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize(("layers", "first", "sharp", "second"), TABLE)
def test_the_table_from_networks(layers, first, sharp, second):
    energies = np.zeros(784)
    energies[3] = 100.0
    graph = chains.graph_of([np.eye(1, 784)] + [np.eye(1)] * (layers - 2) + [np.full((1, 1), 2.0)] * (layers > 1))
    scale = 1 if layers > 1 else 2
    assert scale * theorem_1_complexity(graph, energies, 100).value / 100 == pytest.approx(first, abs=1e-6)
    (only,) = sharp_complexities(graph, energies, 100)
    assert scale * only.value / 100 == pytest.approx(sharp, abs=1e-6)
    assert scale * theorem_2_complexity(graph, energies, 100).value / 100 == pytest.approx(second, abs=1e-6)


@pytest.mark.parametrize("name", PLAIN)
def test_literal(name):
    net, rtol = network(name), 1e-6 if name in FLOAT32_INSIDE else 1e-9
    energies = 40 * np.random.default_rng(0).uniform(0.1, 1, size=net.x.shape[1:])
    graph = bounds.read_graph(net.f, net.x[:2])
    matrices = [h.matrix for h in net.reference.layers]
    below = math.prod(np.linalg.norm(a) for a in matrices[:-1])
    rows = np.linalg.norm(matrices[-1], axis=1)
    data, classes, depth = math.sqrt(energies.sum()), len(rows), len(matrices)
    relus = sum(h.slope != 1.0 for h in net.reference.layers[:-1])
    nats = sum((1 - h.slope) / 2 * math.log(2) for h in net.reference.layers[:-1])
    expected = below * rows.max() * classes * (1 + math.sqrt(2 * depth * math.log(2))) * data
    assert theorem_1_complexity(graph, energies, M).value == pytest.approx(expected, rel=rtol)
    together = 1 + math.sqrt(2 * (nats + math.log(classes)))
    main, second, other = sharp_complexities(graph, energies, M)
    alone = 1 + math.sqrt(2 * nats)
    assert main.value == pytest.approx(below * rows.max() * classes * alone * data, rel=rtol) and not main.prices
    assert second.value == pytest.approx(below * rows.sum() * together * data, rel=rtol)
    frobenius = below * np.linalg.norm(rows) * 2**relus * math.sqrt(classes) * data
    assert other.value == pytest.approx(frobenius, rel=rtol)
    assert sum(second.prices.values()) == sum(other.prices.values()) == pytest.approx(math.log(6))
    ones = math.prod(np.abs(a).sum(axis=1).max() for a in matrices)
    expected = ones * classes * 2 * math.sqrt(depth + 1 + math.log(energies.size)) * math.sqrt(energies.max())
    assert theorem_2_complexity(graph, energies, M).value == pytest.approx(expected, rel=rtol)


def test_the_row_takes_the_smallest_form_and_pays_for_it():
    """Linear: √C of the whole matrix; deep, equal rows: one by one; deep, one large row: the sum of rows.

    Two scores are one output, of which the first form is all there is.
    """
    shallow, large_row = chains.graph_of([np.eye(4, 3)]), np.eye(3) * [[1], [1e-3], [1e-3]]
    equal = chains.graph_of([np.eye(3)] * 5 + [np.eye(3)])
    uneven = chains.graph_of([np.eye(3)] * 5 + [large_row])
    for graph, form, nats in (
        (shallow, "frobenius", math.log(6)),
        (equal, "one by one", 0.0),
        (uneven, "rows", math.log(6)),
        (chains.graph_of([np.eye(3)] * 5 + [large_row[:2]]), "one by one", 0.0),
    ):
        sample = sample_of(np.full(3, 50.0), 50, graph.classes)
        b = bounds.golowich_sharp(graph, sample, delta=0.01)
        assert b.terms["form"] == form and b.terms["nats paid for choices"] == pytest.approx(nats)
        other = bounds.golowich(graph, sample, delta=0.01)
        assert b.terms["complexity uncapped"] <= other.terms["complexity uncapped"]


def test_labels():
    graph, sample = chains.graph_of([np.eye(2)]), sample_of(np.ones(2), M, 2)
    assert bounds.golowich(graph, sample, delta=0.01).guarantee == "certificate"
    assert bounds.golowich_sharp(graph, sample, delta=0.01).guarantee == "certificate"
    second = bounds.golowich_l1(graph, sample, delta=0.01)
    assert second.guarantee == "published" and "unverified" in second.note
    own = sample_of(np.ones(2), M, 2, preprocessing="sample")
    assert bounds.golowich(graph, own, delta=0.01).guarantee == "published"


# ---- is it a bound? ----------------------------------------------------------------------------


def test_one_layer_one_output_is_attained():
    """E‖Σ ξ_i e_i‖ = √m: a twin of the sharpened form that is smaller by any factor is caught here."""
    graph = chains.graph_of([np.full((1, 5), 1 / math.sqrt(5))])
    (only,) = sharp_complexities(graph, np.ones(5), 5)
    assert only.value == pytest.approx(math.sqrt(5), rel=1e-6)


def test_a_twin_without_the_classes_is_caught():
    """C = 100 equal rows, one constant input: sup Σ_r s_r / C over ‖w_r‖ = 1/C is Σ_r |s_r| / C, s_r = Σ_i ξ_ir."""
    classes, m = 100, 64
    graph = chains.graph_of([np.full((classes, 1), 1 / classes)])
    first = theorem_1_complexity(graph, np.full(1, float(m)), m).value
    exact = classes * m * math.comb(m - 1, m // 2 - 1) / 2 ** (m - 1) / classes
    assert first / classes < exact < first
