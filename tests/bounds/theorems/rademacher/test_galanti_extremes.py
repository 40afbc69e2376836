"""The sparse-network bound where numbers overflow or vanish, and what it refuses."""

import math

import jax
import networks
import numpy as np
import pytest
from networks import conv, flat, images, network
from samples import energies, sample_of

from sparsebounds import bounds
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity

PARTITIONS = ("position", "group", "scalar")
M, DELTA = 50, 0.01


# ---- extremes ----------------------------------------------------------------------------------


def deep(matrices):
    """1×1 convolutions and ReLUs on 2×2 pixels, then two scores that read one channel of a pixel each."""
    channels = matrices[-1].shape[1]
    top = np.zeros((4, channels, 2), np.float32)
    top[0, 0, 0] = top[1, 0, 1] = 1.0

    def f(x):
        for k in matrices:
            x = jax.nn.relu(conv(x, np.asarray(k, np.float32)[None, None]))
        return flat(x) @ top.reshape(-1, 2)

    return bounds.read_graph(f, np.ones((2, 2, 2, channels), np.float32))


def large(norm):
    """Frobenius norm `norm`, but what passes through channel 0 stays as it is: the second row is never active."""
    return np.array([[1.0, -math.sqrt(norm**2 - 1)], [0.0, 0.0]])


LAYERS = {
    "identities on 64 channels": ([np.eye(64)] * 100, 1.0),
    "never active": ([large(1e5)] * 100, 1.0),
    "small": ([np.diag([1e-5, 0.0])] * 100, 1e-5),
}
"""Layers, and the factor of each on the one path."""


@pytest.mark.parametrize("name", LAYERS)
def test_100_layers_neither_overflow_nor_underflow(name):
    matrices, norm = LAYERS[name]
    graph = deep(matrices)
    energy = np.ones(graph.input.shape)
    found = vector_complexity(graph, energy, M)
    assert found.log_scale == pytest.approx(100 * math.log(norm) + math.log(2), rel=1e-6, abs=1e-9)
    logs = 50 * math.log(2) + math.log(2)
    assert found.unit == pytest.approx((1 + math.sqrt(2 * logs)) * math.sqrt(len(matrices[0])), rel=1e-9)
    sample = sample_of(energy, classes=2, margins=np.full(M, 1e3))
    for bound in (
        bounds.galanti(graph, sample, delta=DELTA),
        bounds.galanti(graph, sample, delta=DELTA, gamma="best"),
        bounds.galanti_published(graph, sample, delta=DELTA),
    ):
        assert bound.value >= 0 and not math.isnan(bound.value)
    best = bounds.galanti(graph, sample, delta=DELTA, gamma="best")
    assert best.value < (math.inf if norm > 1 else 1.5)


def test_100_layers_whose_norms_cancel():
    up, down = np.diag([2.0**20, 0.0]), np.diag([2.0**-20, 0.0])
    graph = deep([up, down] * 50)
    found = vector_complexity(graph, np.ones(graph.input.shape), M)
    assert found.log_scale == pytest.approx(math.log(2), abs=1e-9)


@pytest.mark.parametrize("where", ["hidden", "top", "both"])
def test_a_network_of_zeros_has_a_small_bound_and_no_error(where):
    net = networks.two_convolutions()
    k1 = 0 * net.k1 if where != "top" else net.k1
    w = 0 * net.w if where != "hidden" else net.w
    f = networks.forms(networks.TwoConvolutions(k1, net.k2, w))["native"]
    sample = sample_of(energies((6, 6, 2)), m=10000, margins=0.0)
    graph = bounds.read_graph(f, images(2))
    for partition in PARTITIONS:
        bound = bounds.galanti(graph, sample, delta=DELTA, nodes=partition)
        assert bound.margin_error == 1.0 and bound.complexity < 0.1 and 0 < bound.confidence < 1
    assert bounds.galanti_published(graph, sample, delta=DELTA).value > 1


def test_inputs_of_zeros():
    net = network("native")
    sample = sample_of(np.zeros((6, 6, 2)), m=1000, margins=0.0)
    bound = bounds.galanti(bounds.read_graph(net.f, net.x[:2]), sample, delta=DELTA)
    assert bound.complexity == 0.0 and bound.confidence > 0


# ---- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("max_pooled", "max pooling"),
        ("residual_post_activation", "skip"),
        ("residual_pre_activation", "skip"),
    ],
)
def test_the_printed_form_is_for_chains_and_the_sound_one_for_all(name, reason):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    sample = sample_of(energies(net.x.shape[1:]), margins=0.0)
    row = bounds.galanti_published(graph, sample, delta=DELTA)
    assert math.isnan(row.value) and math.isnan(row.complexity) and reason in row.note
    assert bounds.galanti(graph, sample, delta=DELTA).terms["form"] == "nodes"


@pytest.mark.parametrize(
    "options",
    [
        {"delta": 0.0}, {"delta": 1.0}, {"delta": -0.1}, {"delta": float("nan")}, {"delta": 0.1, "gamma": 0.0},
        {"delta": 0.1, "gamma": -1.0}, {"delta": 0.1, "gamma": float("inf")}, {"delta": 0.1, "gamma": "largest"},
        {"delta": 0.1, "nodes": "channel"},
    ],
)  # fmt: skip
def test_bad_arguments(options):
    net = network("native")
    graph, sample = bounds.read_graph(net.f, net.x[:2]), sample_of(energies(net.x.shape[1:]), margins=0.0)
    with pytest.raises(ValueError, match=r"delta|gamma|nodes"):
        bounds.galanti(graph, sample, **options)
    if "nodes" not in options:
        with pytest.raises(ValueError, match=r"delta|gamma"):
            bounds.galanti_published(graph, sample, **options)


@pytest.mark.parametrize(
    "options",
    [{"version": "v2"}, {"m": 0}, {"energies": np.ones(5)}, {"energies": -np.ones((6, 6, 2))}, {"gamma": "best"}],
)
def test_bad_arguments_of_the_printed_form(options):
    net = network("native")
    graph, sample = bounds.read_graph(net.f, net.x[:2]), sample_of(energies(net.x.shape[1:]), margins=0.0)
    with pytest.raises(ValueError, match=r"version|m=|energies|gamma"):
        bounds.galanti_published(graph, sample, delta=DELTA, **options)


def test_a_sample_of_another_network_is_refused():
    net = network("native")
    graph = bounds.read_graph(net.f, net.x[:2])
    with pytest.raises(ValueError, match="shape"):
        bounds.galanti(graph, sample_of(energies((5, 5, 2)), margins=0.0), delta=DELTA)
    with pytest.raises(ValueError, match="classes"):
        bounds.galanti(graph, sample_of(energies((6, 6, 2)), classes=3, margins=0.0), delta=DELTA)


def test_inputs_normalised_by_the_sample_are_no_certificate():
    net = network("native")
    graph = bounds.read_graph(net.f, net.x[:2])
    sample = sample_of(energies((6, 6, 2)), preprocessing="sample", margins=0.0)
    bound = bounds.galanti(graph, sample, delta=DELTA)
    assert bound.guarantee == "published" and "statistics of the sample" in bound.note


def test_energies_per_node_of_the_printed_form():
    """The figure's energies may come one per input node instead of one per coordinate."""
    net = network("native")
    graph, energy = bounds.read_graph(net.f, net.x[:2]), energies((6, 6, 2))
    sample = sample_of(energies((6, 6, 2), seed=1), margins=0.0)
    per_coordinate, per_node = (
        bounds.galanti_published(graph, sample, delta=DELTA, energies=e) for e in (energy, energy.sum(-1).ravel())
    )
    assert per_coordinate.value == pytest.approx(per_node.value, rel=1e-12)
