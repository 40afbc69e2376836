"""Spectral PAC-Bayes: whole rows worked out, the noise they rest on, and what is refused."""

import itertools
import math

import chains
import jax
import networks
import numpy as np
import pytest
from networks import conv, draw, flat
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.theorems import pac_bayes as module
from sparsebounds.bounds.theorems.passes.perturbation import Bearing

P = 0.05


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


def zoo(name):
    net = networks.network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    return graph, bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % graph.classes)


def grid(value, ratio):
    """Grid point above a number and its price."""
    j = math.ceil(math.log(value / (1 + 1e-6)) / math.log(ratio))
    return ratio**j * (1 + 1e-6), math.log(2 * (abs(j) + 1) * (abs(j) + 2))


def gap(kl, m, delta, nats):
    entropy = -P * math.log(P) - (1 - P) * math.log(1 - P)
    return math.sqrt(((kl + entropy) / (1 - P) + math.log(2 * m / delta) + nats) / (2 * (m - 1)))


def literal(weights, chi, margins, gamma, delta):
    """A chain of dense layers without biases, line by line: all norms 1, scores divided by Π s χ.

    Two scores are their difference, in which margins are 1-Lipschitz.
    """
    matrices = [np.asarray(w, np.float64) for w in weights]
    outer = math.sqrt(2)
    if matrices[-1].shape[1] == 2:
        matrices[-1], outer = np.diff(matrices[-1]), 1.0
    spectral = [np.linalg.svd(w, compute_uv=False)[0] for w in matrices]
    count, best = len(matrices), math.inf
    kappas = [sum(map(math.sqrt, w.shape)) + math.sqrt(2 * math.log(count / P)) for w in matrices]
    proxies = [(k * math.sqrt(min(w.shape))) ** (2 / 3) for k, w in zip(kappas, matrices, strict=True)]
    for ratio in (1.01, 1.1, math.e):
        c, price = grid(np.prod(spectral) * chi * (1 + 1e-6) / gamma, ratio)
        for shares in ([1 / count] * count, [p / sum(proxies) for p in proxies]):
            tau = [omega / (2 * outer * c) for omega in shares]
            above = [math.prod(1 + t for t in tau[i + 1 :]) for i in range(count)]
            change = sum(t * a for t, a in zip(tau, above, strict=True))
            shrink = min(1.0, 1 / (2 * outer * c) / change)
            sigma = [shrink * t / k for t, k in zip(tau, kappas, strict=True)]
            squares = [np.sum(w**2) / s**2 for w, s in zip(matrices, spectral, strict=True)]
            kl = sum(q / (2 * s**2) for q, s in zip(squares, sigma, strict=True))
            best = min(best, gap(kl, len(margins), delta, price + math.log(6)))
    return np.mean(margins <= gamma) + best


@pytest.mark.parametrize("widths", [(5, 3), (4, 6, 3), (3, 7, 5, 4, 2)])
@pytest.mark.parametrize(("gamma", "size"), [(1.0, 1.0), (0.1, 2.5), (30.0, 1.0)])
def test_literal_twin(widths, gamma, size):
    weights = drawn(*widths)
    graph, sample = measured(chain(*weights), widths[0])
    b = bounds.pac_bayes(graph, sample, delta=0.01, gamma=gamma, input_bound=size)
    assert b.value == pytest.approx(literal(weights, size, sample.margins, gamma, 0.01), rel=1e-6)
    assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence)
    assert b.guarantee == "certificate" and b.gamma == gamma


def formerly(weights, chi, margins, gamma, delta):
    """The form with the constant 16e² and one width for all layers: ‖U‖ ≤ ‖W‖/d, (1 + 1/d)^{d−1} ≤ e, mass ½."""
    matrices = [np.asarray(w, np.float64) for w in weights]
    d, m, h = len(matrices), len(margins), max(max(w.shape) for w in matrices)
    spectral = [np.linalg.svd(w, compute_uv=False)[0] for w in matrices]
    beta, point = np.prod(spectral) ** (1 / d), (gamma / (2 * chi)) ** (1 / d)
    points = math.ceil(math.log(m) / (2 * d * math.log(1 + 1 / d))) + 1
    while point < beta:
        point *= 1 + 1 / d
    scale = d**2 * (chi / gamma) ** 2 * point ** (2 * d - 2) * beta**2 * h * math.log(4 * d * h)
    kl = 16 * math.e**2 * scale * sum(np.sum(w**2) / s**2 for s, w in zip(spectral, matrices, strict=True))
    return np.mean(margins <= gamma) + math.sqrt((2 * kl + math.log(8 * m * points / delta)) / (2 * (m - 1)))


@pytest.mark.parametrize("widths", [(2, 2), (4, 6, 3), (40, 3, 40, 2), (3, 7, 5, 4, 2), (2, 2, 2, 2, 2, 2, 2)])
@pytest.mark.parametrize("gamma", [1e-3, 0.1, 1.0])
def test_never_above_the_form_for_chains(widths, gamma):
    for seed in range(4):
        weights = drawn(*widths, seed=seed)
        graph, sample = measured(chain(*weights), widths[0])
        b = bounds.pac_bayes(graph, sample, delta=0.01, gamma=gamma, input_bound=1.0)
        assert b.value < formerly(weights, 1.0, sample.margins, gamma, 0.01)


def test_a_skip_with_biases_by_hand():
    """d = e (h + B h), h = tanh(A x + b), e = (−1.5, 1) the difference of the rows of E: s on grids, the margin is ±d.

    Λ_A = s_e(1 + s_B), Λ_B = s_e, χ_h = s_A χ + η or √2.
    """
    a, b, e = (np.diag(v).astype(np.float32) for v in ((2.0, 1.0), (0.5, 0.25), (1.5, 1.0)))
    shift = np.float32([0.3, 0.4])

    def f(x):
        h = jax.numpy.tanh(x @ a + shift)
        return (h + h @ b) @ e

    graph, sample = measured(f, 2)
    t = (row := bounds.pac_bayes(graph, sample, delta=0.01, gamma=0.5, input_bound=1.0)).terms
    ratio, chi = t["grid ratio"], 1 + 1e-6
    (s_a, p_a), (s_b, p_b), (s_e, p_e), (eta, p_eta) = (
        grid(v * (1 + 1e-9), ratio) for v in (2.0, 0.5, math.sqrt(3.25), 0.5)
    )
    c, p_c = grid(2.0, ratio)
    h = min(s_a * chi + eta, math.sqrt(2))  # tanh of two elements
    reach = {"a": s_e * (1 + s_b) * chi, "b": s_e * h, "e": (1 + s_b) * h, "bias": s_e * (1 + s_b)}
    tail = math.sqrt(2 * math.log(4 / P))
    kappas = {"a": 2 * math.sqrt(2) + tail, "bias": math.sqrt(2) + tail}
    kappas |= {"b": kappas["a"], "e": math.sqrt(2) + 1 + tail}
    root = math.sqrt(2)
    norms = {"a": s_a * root, "b": s_b * root, "e": s_e, "bias": eta}
    by_size = {k: (reach[k] * kappas[k] * norms[k]) ** (2 / 3) for k in reach}
    total = sum(by_size.values())
    shares = dict.fromkeys(reach, 0.25) if t["noise is shared"] == "equal" else {k: by_size[k] / total for k in reach}
    change = 1 / (2 * c)
    tau = {k: shares[k] * change / reach[k] for k in reach}
    wide, up = {"b": s_b + tau["b"], "e": s_e + tau["e"]}, {}
    up["a"], up["b"] = wide["e"] * (1 + wide["b"]) * chi, wide["e"] * h
    up["e"], up["bias"] = (1 + s_b) * h, wide["e"] * (1 + wide["b"])
    shrink = change / sum(tau[k] * up[k] for k in tau)
    squares = {"a": 5.0, "b": 0.3125, "e": 3.25, "bias": 0.25}
    kl = sum(squares[k] * (kappas[k] / (shrink * tau[k])) ** 2 / 2 for k in tau)
    assert shrink < 1 and t["KL"] == pytest.approx(kl, rel=1e-5)
    nats = p_a + p_b + p_e + p_eta + p_c + math.log(6)
    assert row.value == pytest.approx(sample.margin_error(0.5) + gap(kl, 60, 0.01, nats), rel=1e-5)


NUMBERS = (
    "native_biased", "mlp_flat", "residual_post_activation", "residual_pre_activation", "concatenated", "max_pooled",
    "average_pooled", "global_average", "nnx_batch_norm", "grouped", "depthwise", "leaky_relu", "local_einsum",
)  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_every_weight_counts(name):
    graph, sample = zoo(name)
    here = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1e3)
    assert here.guarantee == "certificate" and math.isfinite(here.value) and here.terms["KL"] > 0
    net = networks.network(name)
    doubled = bounds.read_graph(lambda x: 2 * net.f(x), net.x[:2])
    there = bounds.Sample.measure(lambda x: 2 * net.f(x), net.x, np.arange(len(net.x)) % graph.classes)
    assert bounds.pac_bayes(doubled, there, delta=0.01, input_bound=1e3).complexity > 1.9 * here.complexity


@pytest.mark.parametrize("shape", ["chain", "skip"])
def test_the_noise_of_the_row_moves_scores_by_its_share_of_the_margin(shape):
    """What the proof needs of σ: with probability 1 − p, ‖f_{w+u}(x) − f_w(x)‖ ≤ γ/2√2 for every ‖x‖ ≤ χ."""
    weights, gamma, rng = [w / np.linalg.norm(w, 2) * 1.3 for w in drawn(8, 8, 8, 8)], 1.0, np.random.default_rng(4)

    def run(x, matrices, numpy):
        a, b, c = matrices
        h = numpy.maximum(x @ a, 0)
        return (numpy.maximum(h @ b, 0) + (h if shape == "skip" else 0)) @ c

    graph, sample = measured(lambda x: run(x, weights, jax.numpy), 8)
    t = bounds.pac_bayes(graph, sample, delta=0.01, gamma=gamma, input_bound=2.0).terms
    units = [1.0] * 3 if shape == "skip" else [1.3] * 3  # a chain is divided by its norms
    sigmas = [s * u for s, u in zip(t["sigma_a"], units, strict=True)]
    x = rng.normal(size=(400, 8))
    x *= 2.0 / np.linalg.norm(x, axis=1, keepdims=True)
    moved = []
    for _ in range(200):
        noisy = [w + s * rng.normal(size=w.shape) for w, s in zip(weights, sigmas, strict=True)]
        moved.append(np.linalg.norm(run(x, noisy, np) - run(x, weights, np), axis=1).max())
    limit = gamma / (2 * math.sqrt(2))
    assert np.mean(np.array(moved) <= limit) >= 1 - P
    assert max(moved) > limit / 50  # the noise is not absurdly small either


def test_scale_invariance():
    """(c W¹, W²/c) is the same network; (f, γ) and (c f, c γ) the same bound."""
    weights = drawn(4, 6, 3)
    graph, sample = measured(chain(*weights), 4)
    options = {"delta": 0.01, "input_bound": 1.0}
    here = bounds.pac_bayes(graph, sample, gamma=0.5, **options).value
    moved = bounds.read_graph(chain(8 * weights[0], weights[1] / 8), np.ones((2, 4), np.float32))
    assert bounds.pac_bayes(moved, sample, gamma=0.5, **options).value == pytest.approx(here, rel=1e-7)
    graph, sample = measured(chain(weights[0], 4 * weights[1]), 4)
    assert bounds.pac_bayes(graph, sample, gamma=2.0, **options).value == pytest.approx(here, rel=1e-7)


def test_monotone():
    graph, sample = measured(chain(*drawn(4, 6, 3)), 4)
    call = lambda **options: bounds.pac_bayes(graph, sample, **{"delta": 0.01, "input_bound": 1.0} | options).value  # noqa: E731
    assert call(delta=1e-6) > call() > call(delta=0.5)
    assert call(input_bound=1.0) < call(input_bound=4.0) < call(input_bound=100.0)
    assert call(gamma="best") <= 1.02 * min(call(gamma=g) for g in (0.01, 0.1, 1.0))


def test_small_and_large_norms():
    """A layer of zeros is a constant; tiny and huge weights never give less than the truth."""
    weights = drawn(4, 6, 3)
    for scale in (0.0, 1e-6, 1e-2, 10.0, 1e6):
        graph, sample = measured(chain(weights[0], np.float32(scale) * weights[1]), 4)
        assert 1.0 <= bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0).value < math.inf


def test_scores_that_no_weight_reaches():
    graph = chains.graph_of([np.zeros((3, 4)), np.zeros((2, 3))], [np.zeros(3), np.zeros(2)])
    b = bounds.pac_bayes(graph, sample_of(np.ones(4), 100, 2), delta=0.01, input_bound=1.0)
    assert b.terms["KL"] == 0.0 and b.value >= b.margin_error


def test_a_broken_share_is_seen(monkeypatch):
    """Noise levels that forget what the noise does to the norms above: the twin is below the row."""
    graph, sample = measured(chain(*drawn(4, 6, 3)), 4)
    here = bounds.pac_bayes(graph, sample, delta=0.01, gamma=30.0, input_bound=1.0).value
    forgetful = lambda self, shares, change: {a: s + change - self.reaches({})[a] for a, s in shares.items()}  # noqa: E731
    monkeypatch.setattr(Bearing, "bearable", forgetful)
    assert module.pac_bayes(graph, sample, delta=0.01, gamma=30.0, input_bound=1.0).value < here


def gate(x):
    h = x @ draw(3, 4, 6)
    return (h * jax.nn.sigmoid(x @ draw(4, 4, 6))) @ draw(5, 6, 3)


def normalised(x):
    h = x @ draw(3, 4, 6)
    return (h / jax.numpy.sqrt((h**2).mean(axis=-1, keepdims=True) + 1e-5)) @ draw(5, 6, 3)


@pytest.mark.parametrize("f", [gate, normalised])
def test_gates_and_normalisation_are_refused(f):
    graph, sample = measured(f, 4)
    b = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=1.0)
    assert not b.covered and "does not cover" in b.note


def test_a_convolution_counts_its_weights_once():
    """‖K‖_F, not that of the operator, which has each weight once per position."""
    kernel, last = draw(1, 3, 3, 1, 4), draw(2, 144, 3)
    f = lambda x: flat(jax.nn.relu(conv(x, kernel))) @ last  # noqa: E731
    x = np.random.default_rng(0).normal(size=(30, 8, 8, 1)).astype(np.float32)
    graph = bounds.read_graph(f, x[:2])
    sample = bounds.Sample.measure(f, x, np.arange(30) % 3)
    t = bounds.pac_bayes(graph, sample, delta=0.01, input_bound=30.0).terms
    assert t["||w_a||"][0] * bounds.norms.spectral_upper(graph, 1) == pytest.approx(np.linalg.norm(kernel), rel=1e-6)


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
