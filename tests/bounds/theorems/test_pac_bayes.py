"""Spectral PAC-Bayes: test vectors, the literal formula, the perturbation it rests on, and what it refuses."""

import itertools
import math

import chains
import jax
import networks
import numpy as np
import pytest
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds import norms
from sparsebounds.bounds.graph.terms import Pool
from sparsebounds.bounds.theorems.chains.level_norms import carried_norms
from sparsebounds.bounds.theorems.pac_bayes import SHARP, divergence

KNOWN = {"width": 784, "input_bound": 1.0, "m": 60000}
SPECTRAL, FROBENIUS = (1.5, 1.2, 1.1), (3.0, 2.0, 1.5)


def chain(*weights):
    """The ReLU network of these (in, out) matrices."""

    def f(x):
        for w in weights[:-1]:
            x = jax.nn.relu(x @ w)
        return x @ weights[-1]

    return f


def drawn(*widths, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=pair).astype(np.float32) for pair in itertools.pairwise(widths)]


def measured(f, size, m=60, seed=1, **options):
    x = np.random.default_rng(seed).normal(size=(m, size)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    graph = bounds.read_graph(f, x[:2])
    return graph, bounds.Sample.measure(f, x, np.arange(m) % graph.classes, **options)


def test_vectors():
    d = divergence(SPECTRAL, FROBENIUS, **KNOWN)
    assert (d.points, round(d.beta, 7), round(d.rounded, 7)) == (8, 1.2557072, 1.4110232)
    assert d.kl == pytest.approx(4.12047e8, rel=2e-6)
    printed = divergence(SPECTRAL, FROBENIUS, **KNOWN, constant=42**2 / 2)
    assert printed.kl == pytest.approx(3.07402e9, rel=2e-6)
    assert 16 * math.e**2 == SHARP < 42**2 / 2
    first = 4 * math.sqrt((printed.kl + math.log(6 * 60000 / 0.05)) / 59999)
    sharp = math.sqrt((2 * d.kl + math.log(8 * 60000 * d.points / 0.05)) / (2 * 59999))
    assert first == pytest.approx(905.401, abs=1e-3) and sharp == pytest.approx(82.8708, abs=1e-4)


def literal(weights, energy_bound, margins, gamma, delta):
    """The formula of the source's theorem with the constants of the derivation, line by line."""
    matrices = [np.asarray(w, np.float64) for w in weights]
    d, m = len(matrices), len(margins)
    h = max(max(w.shape) for w in matrices)
    spectral = [np.linalg.svd(w, compute_uv=False)[0] for w in matrices]
    beta = np.prod(spectral) ** (1 / d)
    grid = [(gamma / (2 * energy_bound)) ** (1 / d)]
    points = math.ceil(math.log(m) / (2 * d * math.log(1 + 1 / d))) + 1
    while grid[-1] < beta:
        grid.append(grid[-1] * (1 + 1 / d))
    tilde = grid[-1]
    sigma = gamma / (
        4 * math.sqrt(2) * math.e * d * energy_bound * tilde ** (d - 1) * math.sqrt(h * math.log(4 * d * h))
    )
    squares = sum((beta / s) ** 2 * np.sum(w**2) for s, w in zip(spectral, matrices, strict=True))
    kl = squares / (2 * sigma**2)
    tail = math.sqrt((2 * kl + math.log(8 * m * points / delta)) / (2 * (m - 1)))
    return np.mean(margins <= gamma) + tail


@pytest.mark.parametrize("widths", [(5, 3), (4, 6, 3), (3, 7, 5, 4, 2)])
@pytest.mark.parametrize(("gamma", "size"), [(1.0, 1.0), (0.1, 2.5), (30.0, 1.0)])
def test_literal_twin(widths, gamma, size):
    weights = drawn(*widths)
    graph, sample = measured(chain(*weights), widths[0])
    b = bounds.pac_bayes(graph, sample, delta=0.01, gamma=gamma, input_bound=size)
    assert b.value == pytest.approx(literal(weights, size, sample.margins, gamma, 0.01), rel=3e-6)
    assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence)
    assert b.guarantee == "certificate" and b.gamma == gamma


@pytest.mark.parametrize("widths", [(8, 8, 8, 8), (6, 10, 3)])
def test_the_noise_moves_scores_by_a_quarter_margin_at_most(widths):
    """What the proof needs of σ: with probability ½ or more, |f_{w+u}(x) − f_w(x)| ≤ γ/4 for every ‖x‖ ≤ B."""
    d, h, gamma, size, rng = len(widths) - 1, max(widths), 1.0, 2.0, np.random.default_rng(4)
    weights = [w / np.linalg.norm(w, 2) * 1.3 for w in drawn(*widths)]
    found = divergence([1.3] * d, [np.linalg.norm(w) for w in weights], width=h, input_bound=size, m=1000)
    squares = sum(float(np.sum(w.astype(np.float64) ** 2)) for w in weights)
    sigma = math.sqrt(squares / (2 * found.kl))  # KL = ‖w‖² / 2σ²
    x = rng.normal(size=(400, widths[0]))
    x *= size / np.linalg.norm(x, axis=1, keepdims=True)
    moved = []
    for _ in range(200):
        noisy = [w + sigma * rng.normal(size=w.shape) for w in weights]
        z, clean = x, x
        for i, (w, v) in enumerate(zip(noisy, weights, strict=True)):
            z, clean = z @ w, clean @ v
            if i < d - 1:
                z, clean = np.maximum(z, 0), np.maximum(clean, 0)
        moved.append(np.abs(z - clean).max())
    assert np.mean(np.array(moved) <= gamma / 4) >= 0.5
    assert max(moved) > gamma / 4000  # the noise is not absurdly small either


def test_scale_invariance():
    """(c W¹, W²/c) is the same network; (f, γ) and (c f, c γ) the same bound."""
    weights = drawn(4, 6, 3)
    graph, sample = measured(chain(*weights), 4)
    options = {"delta": 0.01, "input_bound": 1.0}
    here = bounds.pac_bayes(graph, sample, gamma=0.5, **options).value
    moved = bounds.read_graph(chain(8 * weights[0], weights[1] / 8), np.ones((2, 4), np.float32))
    assert bounds.pac_bayes(moved, sample, gamma=0.5, **options).value == pytest.approx(here, rel=1e-7)
    larger = chain(weights[0], 4 * weights[1])
    graph, sample = measured(larger, 4)
    assert bounds.pac_bayes(graph, sample, gamma=2.0, **options).value == pytest.approx(here, rel=1e-7)


def test_monotone():
    graph, sample = measured(chain(*drawn(4, 6, 3)), 4)
    call = lambda **options: bounds.pac_bayes(graph, sample, **{"delta": 0.01, "input_bound": 1.0} | options).value  # noqa: E731
    assert call(delta=1e-6) > call() > call(delta=0.5)
    assert call(input_bound=1.0) < call(input_bound=4.0) < call(input_bound=100.0)
    assert call(gamma="best") <= min(call(gamma=g) for g in (0.01, 0.1, 1.0))
    wide = divergence(SPECTRAL, FROBENIUS, **KNOWN | {"width": 785}).kl
    assert wide > divergence(SPECTRAL, FROBENIUS, **KNOWN).kl
    values = [divergence([s, 1.0], [2 * s, 2.0], width=9, input_bound=1.0, m=100).kl for s in np.geomspace(0.1, 50, 40)]
    assert values == sorted(values)


def test_small_and_large_norms():
    """Below the grid the margins are below γ; above it the bound exceeds 1; a layer of zeros is a constant."""
    weights = drawn(4, 6, 3)
    for scale in (1e-6, 1e-2, 10.0, 1e6):
        graph, sample = measured(chain(weights[0], np.float32(scale) * weights[1]), 4)
        b = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0)
        assert 1.0 <= b.value < math.inf
    graph, sample = measured(chain(weights[0], 0 * weights[1]), 4)
    assert bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0).value >= 1.0
    assert divergence([1e-9, 1e9], [1.0, 1.0], width=2, input_bound=1.0, m=10).kl < math.inf
    deep = divergence([1e300] * 50, [1e300] * 50, width=2, input_bound=1.0, m=10)
    assert deep.kl == math.inf


def test_a_generous_spectral_norm_stays_above_one():
    """Above the grid the theorem says nothing, and the value must not either."""
    d = divergence([1e6], [1e-3], width=3, input_bound=1.0, m=100)
    assert d.index >= d.points and math.sqrt(d.kl / 99) > 1


def test_biases_are_weights_from_a_constant_that_is_carried_on():
    """The row is that of the network without biases on (x, 1), its matrices [[W, b/c], [0, c'/c]] written out."""
    net, rng = networks.network("native_biased"), np.random.default_rng(3)
    graph, x = bounds.read_graph(net.f, net.x[:2]), rng.normal(size=(60, *net.x.shape[1:])).astype(np.float32)
    sample = bounds.Sample.measure(net.f, x, np.arange(60) % 4)
    t = (b := bounds.pac_bayes(graph, sample, delta=0.01, input_bound=40.0)).terms
    spectral = [math.log(np.linalg.norm(h.matrix, 2)) for h in net.reference.layers]
    carried = np.exp(carried_norms(spectral, [math.log(np.linalg.norm(h.bias)) for h in net.reference.layers]))
    assert carried[0] == 1
    matrices = chains.augmented(net.reference, carried)
    ones = np.hstack([net.x.reshape(len(net.x), -1), np.ones((len(net.x), 1))])
    np.testing.assert_allclose(chains.run(matrices, ones, [0.0, 0.0]), np.asarray(net.f(net.x)), atol=1e-5)
    assert t["h"] == max(max(a.shape) for a in matrices) == 76
    np.testing.assert_allclose(t["||W_i||_F"], [np.linalg.norm(a) for a in matrices], rtol=0.02)
    true = np.array([np.linalg.norm(a, 2) for a in matrices])
    assert (np.array(t["s_i"]) > true * (1 - 0.01)).all() and (np.array(t["s_i"]) < 1.2 * true).all()
    assert t["B"] == pytest.approx(math.hypot(40.0, 1.0), rel=1e-5)
    d = divergence(t["s_i"], t["||W_i||_F"], width=t["h"], input_bound=t["B"], m=60)
    tail = math.sqrt((2 * d.kl + math.log(8 * 60 * d.points / 0.01)) / (2 * 59))
    assert b.value == pytest.approx(sample.margin_error(1.0) + tail, rel=1e-9) and b.guarantee == "certificate"


def test_a_bias_by_hand():
    """f = σ(x) + 1 on one input: c = 1, [[1, 0], [0, 1]] and [1, 1]: norms 1, √2; ‖·‖_F √2, √2; (x, 1) has norm √2."""
    graph = chains.graph_of([np.eye(1), np.eye(2, 1)], [None, np.array([1.0, 0.0])])
    sample = sample_of(np.ones(1), 100, 2)
    t = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0).terms
    assert t["s_i"] == pytest.approx((1.0, math.sqrt(2)), rel=1e-6)
    assert t["||W_i||_F"] == pytest.approx((math.sqrt(2), math.sqrt(2)), rel=1e-6)
    assert t["B"] == pytest.approx(math.sqrt(2), rel=2e-6) and t["h"] == 3


def test_average_pooling_is_part_of_the_layer_above():
    net = networks.network("average_pooled")
    graph = bounds.read_graph(net.f, net.x[:2])
    sample = bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % graph.classes)
    t = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1e3).terms
    pools = [i for i, layer in enumerate(graph.layers[1:], start=1) if isinstance(layer.terms[0], Pool)]
    learned = [i for i in range(1, len(graph.layers)) if i not in pools]
    assert len(pools) == 1 and len(t["s_i"]) == len(learned)
    for k, i in enumerate(learned):
        factor = norms.spectral_upper(graph, i - 1) if i - 1 in pools else 1.0
        assert t["s_i"][k] == pytest.approx(factor * norms.spectral_upper(graph, i), rel=1e-9)
        assert t["||W_i||_F"][k] == pytest.approx(factor * norms.frobenius_norm(graph, i), rel=1e-9)


REFUSED = {
    "max_pooled": "max pooling",
    "residual_post_activation": "skip",
    "residual_pre_activation": None,
}


@pytest.mark.parametrize(("name", "reason"), REFUSED.items())
def test_refusals(name, reason):
    net = networks.network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    sample = bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % graph.classes)
    b = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1e3)
    assert not b.covered and (reason or "not covered") in b.note


def test_needs_a_bound_on_every_input():
    graph, sample = measured(chain(*drawn(4, 3)), 4)
    b = bounds.pac_bayes(graph, sample, delta=0.01)
    assert not b.covered and "input_bound=" in b.note
    with pytest.raises(ValueError, match="the inputs of the sample have norm"):
        bounds.pac_bayes(graph, sample, delta=0.01, input_bound=0.5)
    for bad in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="input_bound"):
            bounds.pac_bayes(graph, sample, delta=0.01, input_bound=bad)
    one = bounds.Sample(
        1, 3, energies=np.ones(4) / 9, margins=np.ones(1), class_counts=np.array([1, 0, 0]),
        class_energies=np.array([np.ones(4) / 9, np.zeros(4), np.zeros(4)]),
    )  # fmt: skip
    assert "m − 1" in bounds.pac_bayes(graph, one, delta=0.01, input_bound=1.0).note


def test_labels_and_bad_arguments():
    graph, sample = measured(chain(*drawn(4, 3)), 4, preprocessing="sample")
    assert bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0).guarantee == "published"
    for delta in (0.0, 1.0):
        with pytest.raises(ValueError, match="delta"):
            bounds.pac_bayes(graph, sample, delta=delta, input_bound=1.0)
    for gamma in (0.0, -1.0, math.inf):
        with pytest.raises(ValueError, match="gamma"):
            bounds.pac_bayes(graph, sample, delta=0.1, gamma=gamma, input_bound=1.0)
