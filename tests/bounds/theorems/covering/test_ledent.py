"""Ledent et al. 2021: literal twin, and that it never claims to be a certificate."""

import math

import jax.numpy as jnp
import networks
import numpy as np
import pytest
from networks import network
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.bounds.theorems.covering.ledent import rademacher

RANGE = (-6.0, 6.0)


def measured(net, **options):
    return of_any_network(bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % 2, **options))


def test_printed_expression():
    r, count, widest, m = (0.5, 2.0, 7.0), 300.0, 75, 60000
    size = sum(x ** (2 / 3) for x in r) ** 1.5
    logs = math.log2(32 * count * m**2 + 7 * widest * m)
    literal = 4 / m + 768 * size * math.log(m) / math.sqrt(m) * math.sqrt(logs)
    assert rademacher(np.array(r), count, widest, m) == pytest.approx(literal, rel=1e-12)
    assert rademacher(np.zeros(2), 0.0, 75, m) == 4 / m
    assert rademacher(np.array([math.inf]), math.inf, 75, m) == math.inf


def test_every_factor_is_in_the_terms():
    net, gamma = network("strided_same"), 2.0
    sample = measured(net)
    bound = bounds.ledent(bounds.read_graph(net.f, net.x[:2]), sample, delta=0.01, gamma=gamma, pixel_range=RANGE)
    t, m = bound.terms, sample.m
    kernel, dense = networks.draw(51, 3, 3, 2, 3).astype(np.float64), net.reference.layers[1].matrix
    assert t["X_0"] == pytest.approx(math.sqrt(18) * 6)  # a 3×3 window of two channels
    assert t["b_i"][0] == pytest.approx(sum(np.linalg.norm(kernel[..., o]) for o in range(3)), rel=1e-6)
    assert t["b_i"][1] == pytest.approx(np.linalg.norm(dense), rel=1e-6)
    assert t["s_i"][1] == pytest.approx(np.linalg.norm(dense, axis=1).max(), rel=1e-6)
    assert t["s_i"][0] >= np.linalg.norm(net.reference.layers[0].matrix, 2) * (1 - 1e-6)
    assert t["W bar"] == 72
    r = np.array([
        t["X_0"] * t["c_j"] * ratio * math.sqrt(positions)
        for ratio, positions in zip(t["b_i/s_i of the class"], (9, 1), strict=True)
    ])  # fmt: skip
    count = max(r * (27, 4))
    assert t["complexity uncapped"] == pytest.approx(2 * rademacher(r, count, 72, m), rel=1e-9)
    assert t["c = scale/gamma"] == pytest.approx(math.prod(t["s_i"]) / gamma, rel=1e-9)
    assert bound.value == pytest.approx(sample.ramp(gamma) + bound.complexity + bound.confidence, rel=1e-12)


def test_never_a_certificate():
    net = network("max_pooled")
    graph = bounds.read_graph(net.f, net.x[:2])
    for preprocessing in ("fixed", "sample"):
        row = bounds.ledent(graph, measured(net, preprocessing=preprocessing), delta=0.01, input_bound=40.0)
        assert row.guarantee == "published" and "unverified" in row.note and row.covered


def test_needs_a_bound_on_the_inputs():
    net = network("max_pooled")
    graph, sample = bounds.read_graph(net.f, net.x[:2]), measured(net)
    row = bounds.ledent(graph, sample, delta=0.01)
    assert math.isnan(row.value) and "input_bound" in row.note and "pixel_range" in row.note
    by_norm = bounds.ledent(graph, sample, delta=0.01, input_bound=math.sqrt(72) * 6)
    by_range = bounds.ledent(graph, sample, delta=0.01, pixel_range=RANGE)
    assert by_range.terms["X_0"] < by_norm.terms["X_0"]
    assert by_range.terms["complexity uncapped"] < by_norm.terms["complexity uncapped"]


@pytest.mark.parametrize("end", ["pooled", "activated"])
def test_a_fixed_last_layer_is_one_of_the_learned_ones(end):
    """Scores pooled over positions, or values of an activation: the row of the network that ends in that matrix."""
    kernel, tail = networks.draw(310, 2, 2, 2, 4), np.eye(4, dtype=np.float32)

    def below(x):
        return jnp.tanh(networks.conv(x, kernel)).reshape(len(x), -1, 4)

    positions = below(networks.images()[:1]).shape[1]
    if end == "pooled":
        tail = np.tile(tail, (positions, 1)) / positions
        f, dense = lambda x: below(x).mean(axis=1), lambda x: below(x).reshape(len(x), -1) @ tail
    else:
        f, dense = lambda x: below(x)[:, 0], lambda x: below(x)[:, 0] @ tail
    found = []
    for g in (f, dense):
        net = networks.Network(end, g, networks.images())
        graph = bounds.read_graph(g, net.x[:2], selections_fixed=True)
        own = bounds.ledent(graph, measured(net), delta=0.01, input_bound=40.0)
        known = bounds.Reference(graph, fixed="before training")
        still = bounds.ledent(graph, measured(net), delta=0.01, input_bound=40.0, reference=known)
        found.append((own.value, own.terms["complexity uncapped"], still.value))
        assert own.covered and still.terms["complexity uncapped"] == pytest.approx(8 / len(net.x))
        assert own.terms["b_i"][-1] == pytest.approx(np.linalg.norm(tail), rel=1e-6)
    assert found[0] == pytest.approx(found[1], rel=1e-5)
