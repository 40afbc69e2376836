"""Long and Sedghi 2020 with explicit constants: recorded values, the Lipschitz constant by sampling, masks, inputs."""

import math
from dataclasses import replace

import networks
import numpy as np
import pytest
import reference as ref
from networks import network
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.bounds.sample.limits import largest_norm
from sparsebounds.bounds.theorems.covering.long_sedghi import covering_gap

RANGE = (-6.0, 6.0)


def measured(net, **options):
    return of_any_network(bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % 2, **options))


def read(name="strided_same"):
    net = network(name)
    return bounds.read_graph(net.f, net.x[:2]), measured(net)


def moved(graph, index, change):
    layer = graph.layers[index]
    (term,) = layer.terms
    layers = list(graph.layers)
    layers[index] = replace(layer, terms=(replace(term, weight=change(term.weight)),))
    return replace(graph, layers=tuple(layers))


def test_recorded_values():
    chi, lam, beta, m = 1.0, 2.0, 3.0, 60000
    log_b = math.log(chi * lam * beta) + beta
    assert math.exp(log_b) == pytest.approx(120.5132215, abs=1e-7)
    gap = covering_gap(1000, log_b, m, epsilon=1 / m, nats=math.log(20))
    assert gap == pytest.approx(0.3752606792, abs=1e-10)
    # A class of one function: Hoeffding's inequality.
    assert covering_gap(0, 0.0, 1000, epsilon=1e-12, nats=math.log(20)) == pytest.approx(0.038702275602, abs=1e-10)
    # B ≤ ε: one function covers the class.
    assert covering_gap(10**9, math.log(1e-5), 1000, epsilon=1e-3) == 0.002


def test_every_factor_is_in_the_terms():
    graph, sample = read()
    net, gamma = network("strided_same"), 0.5
    bound = bounds.long_sedghi(graph, sample, delta=0.01, gamma=gamma, pixel_range=RANGE)
    t, m = bound.terms, sample.m
    assert bound.guarantee == "certificate"
    assert t["chi"] == pytest.approx(math.sqrt(72) * 6)
    for upper, layer in zip(t["||A_l - A_l0||"], net.reference.layers, strict=True):
        assert upper >= np.linalg.norm(layer.matrix, 2) * (1 - 1e-6)
    own = sum(t["||A_l - A_l0||"])
    j = math.ceil(math.log(own) / math.log(1.1))
    assert t["beta"] == pytest.approx(1.1**j, rel=1e-5)
    assert (t["W"], t["nu"], t["L"], t["epsilon"]) == (54 + 108, 0.0, 2, 1 / m)
    assert t["c_j"] >= t["chi"] * math.sqrt(2) / gamma * (1 - 1e-6)
    log_b = math.log(t["c_j"] * t["beta"]) + t["beta"]
    literal = 2 / m + math.sqrt(162 * (math.log(3) + log_b + math.log(m)) / (2 * m))
    assert bound.complexity == pytest.approx(literal, rel=1e-9)
    assert t["nats paid for choices"] == pytest.approx(math.log(2 * (abs(j) + 1) * (abs(j) + 2)))
    i = t["grid index j"]
    paid = math.log(2 * (abs(i) + 1) * (abs(i) + 2) / 0.01) + t["nats paid for choices"]
    assert bound.confidence == pytest.approx(2 * math.sqrt(paid / (2 * m)), rel=1e-9)
    assert bound.value == pytest.approx(sample.ramp(gamma) + bound.complexity + bound.confidence, rel=1e-12)


def test_networks_are_as_lipschitz_in_their_weights_as_said():
    """‖f_K(x) − f_K'(x)‖ ≤ χ e^{νL+β} Σ_l ‖op(K_l) − op(K'_l)‖ on pairs near a reference, as dense matrices."""
    rng = np.random.default_rng(1)
    shapes = [(2, 2, 1, 2), (2, 2, 2, 2)]
    closest = 0.0
    for _ in range(40):
        start = [rng.normal(size=s) * rng.uniform(0.05, 0.6) for s in shapes]
        pair = [[k + rng.normal(size=k.shape) * rng.uniform(0.01, 0.3) for k in start] for _ in range(2)]
        matrices = [
            [ref.convolution(k, s)[0] for k, s in zip(ks, ((4, 4), (3, 3)), strict=True)] for ks in (start, *pair)
        ]
        norm = [[np.linalg.norm(a - b, 2) for a, b in zip(p, matrices[0], strict=True)] for p in matrices[1:]]
        beta = max(map(sum, norm))
        nu = max(0.0, max(np.linalg.norm(a, 2) for a in matrices[0]) - 1)
        between = sum(np.linalg.norm(a - b, 2) for a, b in zip(*matrices[1:], strict=True))
        x = rng.normal(size=(20, 16))
        out = [np.maximum(x @ a.T, 0) @ b.T for a, b in matrices[1:]]
        change = (np.linalg.norm(out[0] - out[1], axis=1) / np.linalg.norm(x, axis=1)).max()
        closest = max(closest, change / (math.exp(2 * nu + beta) * between))
    assert 0.01 < closest <= 1.0


def test_reference_norms_enter():
    graph, sample = read()
    big = moved(graph, 1, lambda w: 5 * w)
    row = bounds.long_sedghi(graph, sample, delta=0.01, reference=big, pixel_range=RANGE)
    net = network("strided_same")
    norm = np.linalg.norm(net.reference.layers[0].matrix, 2)
    assert row.terms["nu"] >= 5 * norm * (1 - 1e-6) - 1
    assert row.terms["||A_l - A_l0||"][0] >= 4 * norm * (1 - 1e-6) and row.terms["||A_l - A_l0||"][1] == 0


def test_masks():
    graph, sample = read()
    zeros = np.arange(162 - 54).reshape(27, 4) % 10 != 0
    sparse = moved(graph, 2, lambda w: np.where(zeros, 0.0, w))
    kept = int((~zeros).sum())
    options = {"delta": 0.01, "pixel_range": RANGE}
    found, fixed = (bounds.long_sedghi(sparse, sample, mask_fixed=flag, **options) for flag in (False, True))
    assert fixed.terms["W"] == 54 + kept and fixed.terms["log places of zeros"] == 0
    assert found.terms["W"] == 54 + kept
    places = math.log(math.comb(162, 54 + kept))
    assert found.terms["log places of zeros"] == pytest.approx(places, rel=1e-8)
    # The number of weights, 162 choices, from the quarter of δ for alternatives: log 162 + log 3.
    paid = found.terms["nats paid for choices"] - fixed.terms["nats paid for choices"]
    assert paid == pytest.approx(math.log(162) + math.log(3))
    assert fixed.value < found.value


def test_a_mask_of_the_reference_is_the_mask():
    """With a reference, what is zero in both is no weight; a pruned weight has moved and counts."""
    graph, sample = read()
    zeros = np.arange(108).reshape(27, 4) % 2 == 0
    sparse = moved(graph, 2, lambda w: np.where(zeros, 0.0, w))
    options = {"delta": 0.01, "pixel_range": RANGE, "mask_fixed": True}
    dense_start = moved(moved(graph, 1, lambda w: 2 * w), 2, lambda w: 2 * w)
    sparse_start = moved(moved(sparse, 1, lambda w: 2 * w), 2, lambda w: 2 * w)
    assert bounds.long_sedghi(sparse, sample, reference=dense_start, **options).terms["W"] == 162
    assert bounds.long_sedghi(sparse, sample, reference=sparse_start, **options).terms["W"] == 162 - 54


def test_needs_a_bound_on_the_inputs():
    graph, sample = read()
    row = bounds.long_sedghi(graph, sample, delta=0.01)
    assert math.isnan(row.value) and "input_bound" in row.note and "pixel_range" in row.note
    options = [
        {"input_bound": 0.0},
        {"input_bound": math.inf},
        {"input_bound": 1.0},
        {"pixel_range": (2.0, 1.0)},
        {"pixel_range": (0.0, 0.0)},
        {"pixel_range": (-0.1, 0.1)},
        {"pixel_range": (-math.inf, 1.0)},
    ]
    for wrong in options:
        with pytest.raises(ValueError, match=next(iter(wrong))):
            bounds.long_sedghi(graph, sample, delta=0.01, **wrong)


def test_largest_norm():
    _, sample = read()
    assert largest_norm(sample, None, (-6.0, 5.0)) == pytest.approx(6 * math.sqrt(72))
    assert largest_norm(sample, 30.0, RANGE) == 30.0
    low = np.full((6, 6, 2), -6.0)
    low[..., 1] = -8.0
    assert largest_norm(sample, None, (low, 6.0)) == pytest.approx(math.sqrt(36 * (36 + 64)))


def test_large_distances_stay_in_the_logarithm():
    graph, sample = read()
    row = bounds.long_sedghi(moved(graph, 1, lambda w: 1e4 * w), sample, delta=0.01, pixel_range=RANGE)
    assert 1e2 < row.complexity < 1e4  # √(162 · 10⁴ / 10)


def test_rescaled_layers_are_another_network():
    """The distance is a sum: multiplying one layer and dividing the next changes it."""
    graph, sample = read()
    other = moved(moved(graph, 1, lambda w: 8 * w), 2, lambda w: w / 8)
    rows = [bounds.long_sedghi(g, sample, delta=0.01, pixel_range=RANGE) for g in (graph, other)]
    assert rows[1].value > rows[0].value * 1.01


def test_pooling_enters_through_its_lipschitz_constant():
    for name, rho in (("average_pooled", 0.5), ("max_pooled", 1.0)):
        net = network(name)
        row = bounds.long_sedghi(bounds.read_graph(net.f, net.x[:2]), measured(net), delta=0.01, pixel_range=RANGE)
        assert math.exp(row.terms["log rho of fixed maps"]) == pytest.approx(rho, rel=1e-6)


def test_a_ball_for_every_map_and_bias_is_what_any_other_network_pays():
    for name in ("native_biased", "residual_pre_activation", "concatenated"):
        net = networks.network(name)
        graph, sample = bounds.read_graph(net.f, net.x[:2]), measured(net)
        t = bounds.long_sedghi(graph, sample, delta=0.01, pixel_range=RANGE).terms
        total, epsilon = sum(t["W_t"]), t["epsilon"]
        logs = [
            w * max(0.0, math.log(3 * math.sqrt(2) * t["c_j"] * total / (w * epsilon)) + reach)
            for w, reach in zip(t["W_t"], t["log of beta_t Lambda_t chi_t, eta_t Lambda_t"], strict=True)
            if reach > -math.inf
        ]
        gap = 2 * epsilon + math.sqrt(sum(logs) / (2 * sample.m))
        row = bounds.long_sedghi(graph, sample, delta=0.01, pixel_range=RANGE)
        assert row.complexity == pytest.approx(gap, rel=1e-9)
        assert len(t["beta_t of the class"]) + len(t["eta_t of the class"]) == len(t["W_t"])
        for own, up in zip(t["||A_t - A_t0||"], t["beta_t of the class"], strict=True):
            assert up >= own * (1 - 1e-6)
