"""The cover pass: values worked by hand, and networks whose layers are measured and perturbed one after the other."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import conv, flat, network

from sparsebounds import bounds
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Input, Linear
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.theorems.covering.dudley import closed_form, dudley_upper, layered_log_covering
from sparsebounds.bounds.theorems.covering.layered_balls import Part, log_covering
from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.hulls import bias_norm
from sparsebounds.bounds.theorems.passes.maps import biased_layers, learned_terms, term_upper
from sparsebounds.bounds.theorems.passes.reach import Reach, reaches
from sparsebounds.bounds.theorems.passes.sizes import Size, log

M = 1000
GELU = Nonlinearity("gelu", lambda t: t * 0.5 * (1 + np.vectorize(math.erf)(t / math.sqrt(2))), -0.1289041, 1.1289041)


def start(x_norm):
    return Size(math.log(x_norm), math.log(x_norm), math.log(x_norm))


def fixed(graph, norms, offsets=()):
    """The learned maps in their order with these norms, the layers with a bias with these."""
    places = learned_terms(graph)
    return Fixed(
        graph,
        {place: math.log(s) for place, s in zip(places, norms, strict=True)},
        {i: log(eta) for i, eta in zip(biased_layers(graph), offsets, strict=True)},
    )


def reached(graph, norms, radii, offsets, shifts, x_norm, m=M):
    class_ = fixed(graph, norms, offsets)
    layers = sorted({place.layer for place in learned_terms(graph)})
    radii = dict(zip(learned_terms(graph), radii, strict=True))
    found = reaches(
        Reach(class_, radii, dict(zip(biased_layers(graph), shifts, strict=True))), layers, start(x_norm), m
    )
    return np.exp(found)


def ones(*shape):
    return np.ones(shape, np.float32)


# ---- worked values -------------------------------------------------------------------------------


def chain():
    return bounds.read_graph(lambda x: jax.nn.relu(x @ ones(5, 4) + ones(4)) @ ones(4, 3) + ones(3), ones(2, 5))


def test_a_chain_with_biases_by_hand():
    """B_1 = 1.5·10 + 0.3√1000; R = 2·10 + 0.5√1000, B_1 + 0.2√1000; Λ = 1.2, 1; C = 2√2 ΛR/√1000."""
    graph = chain()
    sizes = forward(fixed(graph, (1.5, 1.2), (0.3, 0.1)), start(10.0), M)
    assert math.exp(sizes[1].total) == pytest.approx(24.486833, abs=1e-6)
    found = reached(graph, (1.5, 1.2), (2.0, 1.0), (0.3, 0.1), (0.5, 0.2), 10.0)
    assert found == pytest.approx((42.973666, 30.8113883), abs=1e-6)
    c = 2 * math.sqrt(2) * found / math.sqrt(M)
    assert c == pytest.approx((3.84368153, 2.75585435), abs=1e-8)
    assert np.sum(c ** (2 / 3)) ** 1.5 == pytest.approx(9.29061989, abs=1e-8)
    kinds = np.array([48.0, 30.0])
    assert closed_form(c, 48.0, M) == pytest.approx(62.4810069, abs=1e-6)
    assert dudley_upper(layered_log_covering(c, kinds), M).value == pytest.approx(2.0, abs=1e-9)
    small = dudley_upper(layered_log_covering(c / 400, kinds), M)
    assert small.value == pytest.approx(0.0376432, rel=1e-5) and small.alpha == pytest.approx(0.00242578, rel=1e-5)


def residual():
    def f(x):
        h = jax.nn.relu(x @ ones(2, 3) + ones(3))
        inner = jax.nn.relu(h @ ones(3, 3) + ones(3))
        return jax.nn.relu(h + (inner @ ones(3, 3) + ones(3))) @ ones(3, 2)

    return bounds.read_graph(f, ones(2, 2))


def test_a_residual_block_by_hand():
    graph = residual()
    norms, offsets = (1.5, 0.8, 0.5, 1.2), (0.3, 0.1, 0.1)
    class_ = fixed(graph, norms, offsets)
    sizes = forward(class_, start(10.0), M)
    assert np.exp([s.total for s in sizes[1:4]]) == pytest.approx((24.486833, 22.751744, 39.0249827), abs=1e-6)
    assert np.exp(backward(class_, sizes)[1:4]) == pytest.approx((1.68, 0.6, 1.2))
    found = reached(graph, norms, (2.0, 1.0, 0.75, 1.0), offsets, (0.5, 0.2, 0.2), 10.0)
    assert found == pytest.approx((60.1631323, 18.486833, 28.066036, 39.0249827), abs=1e-6)
    assert np.sum(found ** (2 / 3)) ** 1.5 == pytest.approx(282.817384, abs=1e-5)


def test_the_covering_number_of_its_balls_by_hand():
    """χ = 3, γ = 1, β = s, η as above, (10, 12, 9, 8) weights and three numbers in each bias."""
    graph, m = residual(), 1000
    norms, offsets = (1.5, 0.8, 0.5, 1.2), (0.3, 0.1, 0.1)
    class_ = fixed(graph, norms, offsets)
    sizes = forward(class_, start(3.0), 1)
    multipliers = backward(class_, sizes)
    read = [math.exp(sizes[k].largest) for k in range(4)]
    parts = [
        Part(w, multipliers[k + 1] + log(s * read[k]))
        for k, (w, s) in enumerate(zip((10, 12, 9, 8), norms, strict=True))
    ]
    parts += [Part(3, multipliers[k + 1] + log(eta)) for k, eta in enumerate(offsets)]
    log_n = log_covering(parts, math.log(math.sqrt(2)), 1 / m)
    assert log_n == pytest.approx(525.623, abs=1e-3)
    assert 2 / m + math.sqrt(log_n / (2 * m)) == pytest.approx(0.514651, abs=1e-6)


def test_a_convolution_with_gelu_and_overlapping_maxima_by_hand():
    """3×3 same on 8×8, GELU, maxima of 3×3 in steps of 2 (√4), mean of 16, dense; positions share the bias."""

    def f(x):
        x = jnp.tanh(conv(x, ones(3, 3, 1, 4), padding="SAME") + ones(4))
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 3, 3, 1), (1, 2, 2, 1), "SAME")
        return x.mean(axis=(1, 2)) @ ones(4, 3) + ones(3)

    graph = bounds.read_graph(f, ones(2, 8, 8, 1))
    layers = [replace(h, function=GELU) if isinstance(h, Activation) else h for h in graph.layers]
    graph = replace(graph, layers=tuple(layers))
    root = math.sqrt(64)  # of the positions that share a bias
    class_ = fixed(graph, (1.4, 1.1), (root * 0.2, 0.1))
    sizes = {
        type(h).__name__ + str(i): s
        for i, (h, s) in enumerate(zip(graph.layers, forward(class_, start(10.0), M), strict=True))
    }
    totals = [math.exp(s.total) for s in sizes.values()]
    for value in (72.9231889, 145.846378, 36.4615944):
        assert min(abs(t - value) for t in totals) < 1e-5
    found = reached(graph, (1.4, 1.1), (2.2, 1.6), (root * 0.2, 0.1), (root * 0.4, 0.3), 10.0)
    assert found == pytest.approx((76.4901242, 67.8253841), abs=1e-5)
    assert np.sum(found ** (2 / 3)) ** 1.5 == pytest.approx(203.970226, abs=1e-5)


def test_a_learned_scale_by_hand():
    """g = (1.2, .5, −.9, 0), shift (.1, 0, .2, 0) at 64 positions: a = ‖g‖₂, ζ = 8 ‖h‖₁, η = 8 ‖h‖₂."""
    g, h = np.float32([1.2, 0.5, -0.9, 0.0]), np.float32([0.1, 0.0, 0.2, 0.0])
    graph = bounds.read_graph(lambda x: flat(jax.nn.relu(jax.nn.relu(x) * g + h)) @ ones(256, 2), ones(2, 8, 8, 4))
    scale, last = learned_terms(graph)
    a, zeta, eta = float(np.linalg.norm(g)), 8 * 0.3, 8 * math.sqrt(0.05)
    class_ = Fixed(graph, {scale: math.log(1.2), last: 0.0}, {scale.layer: math.log(eta)})
    assert math.exp(forward(class_, start(30.0), M)[scale.layer].total) == pytest.approx(92.5685425, abs=1e-5)
    found = reaches(Reach(class_, {scale: a, last: 1.0}, {scale.layer: zeta}), (scale.layer,), start(30.0), M)
    assert math.exp(found[0]) == pytest.approx(123.328829, abs=1e-5)


# ---- networks of all kinds, measured -------------------------------------------------------------

ZOO = (
    "native_biased", "mlp_flat", "residual_post_activation", "residual_pre_activation", "concatenated", "max_pooled",
    "average_pooled", "global_average", "nnx_batch_norm", "grouped", "depthwise", "scanned", "leaky_relu",
)  # fmt: skip


def own(graph):
    """The class of the network's own norms."""
    norms = {place: log(term_upper(graph, place)) for place in learned_terms(graph)}
    return Fixed(graph, norms, {i: log(bias_norm(graph, i)) for i in biased_layers(graph)})


def measured_start(x):
    rows = np.abs(x.reshape(len(x), -1).astype(np.float64))
    return Size(log(np.linalg.norm(rows)), log(np.linalg.norm(rows, axis=1).max()), log(rows.max()))


@pytest.mark.parametrize("name", ZOO)
def test_no_layer_is_larger_than_its_size(name):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    for values, size in zip(
        activations(graph, net.x), forward(own(graph), measured_start(net.x), len(net.x)), strict=True
    ):
        rows = values.reshape(len(values), -1)
        assert np.linalg.norm(rows) <= math.exp(size.total) * (1 + 1e-9)
        assert np.linalg.norm(rows, axis=1).max() <= math.exp(size.largest) * (1 + 1e-9)
        assert np.abs(rows).max() <= math.exp(size.peak) * (1 + 1e-9)


@pytest.mark.parametrize("name", ZOO)
def test_no_perturbation_of_a_layer_moves_the_scores_further_than_said(name):
    net, rng = network(name), np.random.default_rng(3)
    graph = bounds.read_graph(net.f, net.x[:2])
    class_ = own(graph)
    multipliers = backward(class_, forward(class_, measured_start(net.x), len(net.x)))
    before = bounds.evaluate(graph, net.x)
    for i, layer in graph.linear_layers():
        for size in (1e-3, 1.0, 30.0):
            delta = rng.normal(size=layer.size) * size
            after = bounds.evaluate(shifted(graph, i, delta), net.x)
            moved = np.linalg.norm(after - before, axis=1).max() / np.linalg.norm(delta)
            assert moved <= math.exp(multipliers[i]) * (1 + 1e-9)


def shifted(graph, index, delta):
    """The graph with a constant added to the values of a linear layer before its activation."""
    layers = list(graph.layers)
    layer = graph.linear(index)
    layers[index] = replace(layer, bias=delta if layer.bias is None else layer.bias + delta)
    return replace(graph, layers=tuple(layers))


def test_maxima_that_overlap_attain_their_root():
    """A bump that all four windows read; with constant 1 instead of √4 the pass would be refuted."""

    def f(x):
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 1, 1, 1), "VALID")
        return flat(x) @ np.eye(4, dtype=np.float32)

    graph = bounds.read_graph(f, ones(2, 3, 3, 1))
    class_ = own(graph)
    found = math.exp(backward(class_, forward(class_, start(1.0), 1))[0])
    bump = np.zeros((2, 3, 3, 1))
    bump[1, 1, 1, 0] = 1.0
    values = bounds.evaluate(graph, bump)
    moved = float(np.linalg.norm(values[1] - values[0]))
    assert moved == pytest.approx(2.0) and found == pytest.approx(moved, rel=1e-9)
    assert moved > 1.5 * math.exp(class_.norm(learned_terms(graph)[0]))


def test_terms_that_read_different_elements_count_as_one_map():
    """Two dots that read one half each: the root of the squares, in the size and in the multiplier."""
    halves = [Dot(Taps.spelled(np.arange(k, k + 2)[None, None]), np.ones((1, 2, 3))) for k in (0, 2)]
    graph = Graph((Input((4,), 1, 4), Linear(1, 3, tuple(halves))))
    class_ = fixed(graph, (3.0, 4.0))
    sizes = forward(class_, start(1.0), 1)
    assert math.exp(sizes[1].total) == pytest.approx(5.0) and math.exp(backward(class_, sizes)[0]) == pytest.approx(5.0)
    both = Graph((Input((4,), 1, 4), Linear(1, 3, (halves[0], halves[0]))))  # they read the same half
    class_ = fixed(both, (3.0, 4.0))
    assert math.exp(backward(class_, forward(class_, start(1.0), 1))[0]) == pytest.approx(7.0)
