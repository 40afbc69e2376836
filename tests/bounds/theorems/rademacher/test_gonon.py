"""Gonon et al.: the constants of their code, a row worked by hand, and what the row may claim."""

import math

import chains
import jax
import numpy as np
import pytest
from networks import network
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.theorems.rademacher.gonon import constant_of


@pytest.mark.parametrize(("depth", "expected"), [(18, 0.0598941), (50, 0.0817201), (152, 0.1285704)])
def test_the_constants(depth, expected):
    """ImageNet: largest pixel 2.64, 99 % of 1281167 images, 150528 inputs, 1000 classes, one max pool over 9."""
    constant = constant_of(depth, (9,), 150528, 1000)
    assert 4 * 2.64 / math.sqrt(int(0.99 * 1281167)) * constant == pytest.approx(expected, abs=1e-7)
    assert depth != 18 or constant == pytest.approx(6.387637, abs=1e-6)


def test_a_row_by_hand():
    """r = 3, depth 2, D = C = 3, m = 100, energies 50 < m: 4√2/100 · 10 · 3 · √(2 log 3 + log 12), halved by γ = 2."""
    graph = chains.graph_of([np.eye(3), np.eye(3)])
    sample = sample_of(np.full(3, 50.0), 100, 3)
    b = bounds.gonon(graph, sample, delta=0.01)
    expected = 4 * math.sqrt(2) / 100 * 10 * 3 * math.sqrt(2 * math.log(3) + math.log(12))
    assert b.terms["complexity uncapped"] == pytest.approx(expected) and b.complexity == 1.0 and b.confidence == 0.0
    assert b.value == pytest.approx(sample.ramp(1.0) + 1.0)
    assert b.guarantee == "expectation" and "fixed in advance" in b.note
    wide = bounds.gonon(graph, sample, delta=0.01, gamma=8.0)
    assert wide.complexity == pytest.approx(expected / 8)


def test_two_classes_by_hand():
    """d = x_2 − x_1 of ReLUs: r = 2, C = 1, factor 2√2."""
    graph = chains.graph_of([np.eye(2), np.eye(2)])
    b = bounds.gonon(graph, sample_of(np.full(2, 50.0), 100, 2), delta=0.01)
    expected = 2 * math.sqrt(2) / 100 * 10 * 2 * math.sqrt(2 * math.log(3) + math.log(3))
    assert b.terms["complexity uncapped"] == pytest.approx(expected)


def test_what_it_claims():
    graph = chains.graph_of([np.eye(2), np.eye(2)])
    own = sample_of(np.ones(2), 100, 2, preprocessing="sample")
    assert bounds.gonon(graph, own, delta=0.01).guarantee == "published"
    with pytest.raises(ValueError, match="fixed in advance"):
        bounds.gonon(graph, own, delta=0.01, gamma="best")


def test_max_pools_count():
    net = network("max_pooled")
    b = bounds.gonon(bounds.read_graph(net.f, net.x[:2]), sample_of(np.ones(net.x.shape[1:]), 50, 4), delta=0.01)
    assert b.terms["depth"] == 3 and b.terms["K per max pool stage"] == (4,)
    assert b.terms["constant"] == pytest.approx(math.sqrt(3 * math.log(3) + math.log(4) + math.log(73 * 4)))


def test_leaky_relu_costs_no_more_and_gelu_does():
    w = np.eye(2, dtype=np.float32)
    sample = sample_of(np.ones(2), 50, 2)

    def row(activation):
        return bounds.gonon(bounds.read_graph(lambda x: activation(x @ w) @ w, np.ones((2, 2))), sample, delta=0.01)

    plain, leaky, gelu = row(jax.nn.relu), row(jax.nn.leaky_relu), row(lambda t: jax.nn.gelu(t, approximate=False))
    assert leaky.terms["constant"] == plain.terms["constant"] < gelu.terms["constant"]
    assert "this library's proof" in gelu.note and "this library's proof" not in leaky.note
