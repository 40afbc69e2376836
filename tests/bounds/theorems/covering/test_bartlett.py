"""Bartlett et al. 2017: recorded values, a dense literal twin, the union, references, refusals, bad input."""

import math
from dataclasses import replace

import jax
import networks
import numpy as np
import pytest
from networks import network
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.margin.contraction import LIPSCHITZ
from sparsebounds.bounds.margin.grids import grid_delta, grid_index, grid_up
from sparsebounds.bounds.theorems.covering.bartlett import lemma_a8
from sparsebounds.bounds.theorems.covering.dudley import closed_form

SPECTRAL = ["bartlett", "bartlett_dudley", "graf_norms", "graf_params", "graf_dudley"]
KNOWN_INPUTS = {"long_sedghi": {"pixel_range": (-9.0, 9.0)}, "ledent": {"pixel_range": (-9.0, 9.0)}}
EVERY = [*SPECTRAL, *KNOWN_INPUTS]
UNBIASED = [
    name
    for name in networks.NETWORKS
    if network(name).reference is not None and not any(np.any(h.bias != 0) for h in network(name).reference.layers)
]


def measured(net, **options):
    return of_any_network(bounds.Sample.measure(net.f, net.x, np.arange(len(net.x)) % 2, **options))


def read(net):
    return bounds.read_graph(net.f, net.x[:2])


def evaluate(name, graph, sample, **options):
    return bounds.BOUNDS[name](graph, sample, delta=0.01, **KNOWN_INPUTS.get(name, {}), **options)


def scaled(graph, factors):
    """The graph with its learned layers multiplied by these numbers, one after the other."""
    layers, left = [], list(factors)
    for layer in graph.layers:
        if isinstance(layer, Linear) and hasattr(layer.terms[0], "weight"):
            (term,) = layer.terms
            layer = replace(layer, terms=(replace(term, weight=term.weight * left.pop(0)),))
        layers.append(layer)
    return replace(graph, layers=tuple(layers))


# ---- recorded values and the union ---------------------------------------------------------------


def test_recorded_values():
    s, b = (1.5, 1.2), (2.0, 1.0)
    size = math.prod(s) * sum((y / x) ** (2 / 3) for x, y in zip(s, b, strict=True)) ** 1.5
    assert size == pytest.approx(5.4658601, abs=1e-7)
    assert lemma_a8(10.0, s, b, 784, 1000) == pytest.approx(200.0225274, abs=1e-6)
    assert lemma_a8(10.0, s, b, 784, 1000, tight=True) == pytest.approx(67.8722626, abs=1e-6)
    assert lemma_a8(10.0, (0.0, 1.2), b, 784, 1000) == 0.008
    assert lemma_a8(1e300, (1e10, 1e10), b, 784, 1000) == math.inf


def test_the_grid_of_the_union():
    assert grid_index(math.log(1.44)) == 4
    assert 1.1**4 == pytest.approx(1.4641)
    assert grid_delta(4, 0.05) == pytest.approx(8.3333e-4, rel=1e-4)
    up, nats = grid_up(1.44)
    assert up == pytest.approx(1.4641, rel=2e-6) and nats == pytest.approx(math.log(60))


def test_margins_are_as_lipschitz_as_said():
    rng = np.random.default_rng(0)
    z, d = rng.normal(size=(2, 2000, 5))

    def margin(scores):
        return scores[:, 0] - scores[:, 1:].max(axis=1)

    ratios = np.abs(margin(z + d) - margin(z)) / np.linalg.norm(d, axis=1)
    assert ratios.max() <= LIPSCHITZ + 1e-12
    two = np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]])
    assert float(margin(two[0])[0] - margin(two[1])[0]) / math.sqrt(0.5) == pytest.approx(LIPSCHITZ)


# ---- the literal twin ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", UNBIASED)
def test_norms_are_those_of_the_dense_matrices(name):
    net = network(name)
    bound = evaluate("bartlett", read(net), measured(net))
    assert bound.covered and bound.guarantee == "certificate"
    dense = [layer.matrix for layer in net.reference.layers]
    rtol = 1e-5 if name in ("weight_norm", "linen_batch_norm_before_padding") else 1e-6
    for s, b, matrix in zip(bound.terms["s_i"], bound.terms["b_i"], dense, strict=True):
        norm = np.linalg.norm(matrix, 2)
        assert norm * (1 - rtol) <= s <= norm * 1.5
        assert b == pytest.approx(np.linalg.norm(matrix, axis=1).sum(), rel=rtol)
    sizes = [net.x[0].size, *(len(m) for m in dense)]
    for kinds, rows, columns in zip(bound.terms["generators"], sizes[1:], sizes[:-1], strict=True):
        assert kinds <= 2 * rows * (columns + 1)  # a program may add a bias of zeros


@pytest.mark.parametrize("gamma", [0.3, 1.0, 40.0, "best"])
def test_every_factor_is_in_the_terms(gamma):
    net = network("native")
    sample = measured(net)
    bound = evaluate("bartlett", read(net), sample, gamma=gamma)
    t = bound.terms
    c = [2 * math.sqrt(2) * t["||X||_F"] / math.sqrt(sample.m) * t["c_j"] * r for r in t["b_i/s_i of the class"]]
    grown = sum(math.ceil(x ** (2 / 3)) for x in c) ** 1.5
    harmonic = sum(1 / k for k in range(1, sample.m))
    root = math.sqrt(math.log(max(t["generators"])))
    assert bound.terms["complexity uncapped"] == pytest.approx(
        8 / sample.m + 24 * harmonic / math.sqrt(sample.m) * root * grown, rel=1e-9
    )
    ratios = [b / s for b, s in zip(t["b_i"], t["s_i"], strict=True)]
    for own, rounded in zip(ratios, t["b_i/s_i of the class"], strict=True):
        assert own * (1 - 1e-6) <= rounded <= own * 1.1 * (1 + 2e-6)
    assert t["c = scale/gamma"] == pytest.approx(math.prod(t["s_i"]) / bound.gamma, rel=1e-9)
    assert t["c = scale/gamma"] <= t["c_j"] * (1 + 1e-6)
    numbers = [round(math.log(r) / math.log(1.1)) for r in t["b_i/s_i of the class"]] + [t["grid index j"]]
    log_weights = sum(math.log(2 * (abs(j) + 1) * (abs(j) + 2)) for j in numbers)
    assert bound.confidence == pytest.approx(2 * math.sqrt((log_weights + math.log(100)) / (2 * sample.m)), rel=1e-9)
    assert bound.value == pytest.approx(sample.ramp(bound.gamma) + bound.complexity + bound.confidence, rel=1e-12)


def test_by_hand():
    """Two identities on two inputs, ‖X‖²_F = m; two classes are the row (−1, 1) in place of the second.

    s = 1, √2; c = √2 → 1.1^4 (weight 1/60); ‖·‖_{2,1}/s = 2 → 1.1^8 (weight 1/180), and √2/√2 = 1 (weight 1/4).
    """
    x = np.eye(2, dtype=np.float32)[[0, 1] * 500]
    eye = np.eye(2, dtype=np.float32)

    def f(z):
        return jax.nn.relu(z @ eye) @ eye

    sample = bounds.Sample.measure(f, x, np.array([0, 1] * 500))
    bound = bounds.bartlett(bounds.read_graph(f, x[:2]), sample, delta=0.001)
    assert bound.margin_error == 0.0
    # C_1 = 2 · 1.1^12 = 6.277, ⌈6.277^{2/3}⌉ = ⌈3.403⌉ = 4; C_2 = 2 · 1.1^4 = 2.928, ⌈2.928^{2/3}⌉ = ⌈2.047⌉ = 3;
    # 2 · 2 · 2 = 8 signed generators at most; H_999 = 7.48447.
    by_hand = 8 / 1000 + 24 * 7.484470860550345 / math.sqrt(1000) * math.sqrt(math.log(8)) * 7**1.5
    assert bound.terms["complexity uncapped"] == pytest.approx(by_hand, rel=1e-9) and bound.complexity == 1.0
    assert bound.confidence == pytest.approx(2 * math.sqrt(math.log(1000 * 60 * 180 * 4) / 2000), rel=1e-6)
    # The printed lemma lies below it: covers outside the class, no ceilings, no union.
    tight = lemma_a8(math.sqrt(1000), (1, 1), (2, 2), 2, 1000, tight=True)
    assert tight < bound.terms["complexity uncapped"]
    # As printed it knows two scores, not their difference.
    assert bound.terms["lemma A.8 as printed"] == pytest.approx(lemma_a8(math.sqrt(1000), (1, 1), (2, 2), 2, 1000))


def test_numeric_is_at_most_the_closed_form():
    for name in ("native", "strided_same", "max_pooled", "transposed_weights"):
        net = network(name)
        graph, sample = read(net), measured(net)
        for gamma in (1.0, 1e3, 1e6):
            closed, numeric = (evaluate(b, graph, sample, gamma=gamma) for b in SPECTRAL[:2])
            assert numeric.complexity <= closed.complexity * 1.006
            assert numeric.confidence == closed.confidence
            assert max(closed.complexity, numeric.complexity) <= 1.0


def test_a_doubled_norm_or_a_forgotten_factor_shows():
    c = np.array([40.0, 25.0, 7.0])
    sound = closed_form(c, 1000.0, 500)
    for broken in (closed_form(c / 2, 1000.0, 500), closed_form(c / math.sqrt(2), 1000.0, 500)):
        assert broken < 0.8 * sound


# ---- pooling -------------------------------------------------------------------------------------


def test_pooling_multiplies_by_its_lipschitz_constant():
    for name, rho in (("average_pooled", 0.5), ("max_pooled", 1.0), ("global_average", 0.2)):
        net = network(name)
        terms = evaluate("graf_norms", read(net), measured(net)).terms
        assert math.exp(terms["log rho of fixed maps"]) == pytest.approx(rho, rel=1e-6)


# ---- references ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_network_that_has_not_moved_has_no_complexity(name):
    net = network("strided_same")
    graph, sample = read(net), measured(net)
    known = bounds.Reference(graph, fixed="before training")
    far, near = evaluate(name, graph, sample), evaluate(name, graph, sample, reference=known)
    left, right = (row.terms.get("complexity uncapped", row.complexity) for row in (near, far))
    assert left <= (8 if name == "ledent" else 2) / sample.m and left < right and near.confidence > 0
    assert near.margin_error == far.margin_error


@pytest.mark.parametrize("name", EVERY)
def test_distances_are_from_the_reference(name):
    net = network("strided_same")
    graph, sample = read(net), measured(net)
    half = evaluate(name, graph, sample, reference=scaled(graph, [0.5, 1.0]))
    none = evaluate(name, graph, sample)
    if name == "long_sedghi":
        shift = half.terms["||A_l - A_l0||"]
        assert shift[0] == pytest.approx(none.terms["||A_l - A_l0||"][0] / 2, rel=1e-6) and shift[1] == 0
    else:
        assert half.terms["b_i"][0] == pytest.approx(none.terms["b_i"][0] / 2, rel=1e-6)
        assert half.terms["b_i"][1] == 0 and half.terms["b_i/s_i of the class"][1] == 0
        # s_1 is on the grid, the last layer keeps the norm of the reference.
        assert half.terms["s_i of the class"][1] == half.terms["s_i"][1]
        assert half.terms["s_i of the class"][0] >= half.terms["s_i"][0] * (1 - 1e-6)


def test_a_reference_of_zeros_pays_for_every_norm():
    net = network("strided_same")
    graph, sample = read(net), measured(net)
    none = evaluate("graf_params", graph, sample)
    zeros = evaluate("graf_params", graph, sample, reference=scaled(graph, [0.0, 0.0]))
    assert zeros.terms["b_i"] == none.terms["b_i"]
    assert zeros.terms["nats paid for choices"] > none.terms["nats paid for choices"]
    for s, b, r in zip(zeros.terms["s_i"], zeros.terms["b_i"], zeros.terms["b_i/s_i of the class"], strict=True):
        assert r == pytest.approx(grid_up(b)[0] / grid_up(s)[0], rel=1e-12)


def test_a_reference_of_another_structure_is_an_error():
    net = network("strided_same")
    graph, sample = read(net), measured(net)
    for other in ("uneven_padding", "dilated", "linear_only", "leaky_relu", "max_pooled"):
        with pytest.raises(ValueError, match="same architecture"):
            evaluate("bartlett", graph, sample, reference=read(network(other)))
    for wrong in (net.f, 3.0, {"w": 1}):
        with pytest.raises(ValueError, match="needed a Graph"):
            evaluate("bartlett", graph, sample, reference=wrong)
    with pytest.raises(ValueError, match="windows"):
        difference(read(network("explicit_pad")), read(network("uneven_padding")))


# ---- invariances ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SPECTRAL, "ledent"])
def test_rescaled_layers_are_the_same_network(name):
    net = network("native")
    graph, sample = read(net), measured(net)
    plain = evaluate(name, graph, sample)
    assert evaluate(name, scaled(graph, [8.0, 0.25, 0.5]), sample).value == pytest.approx(plain.value, rel=1e-9)
    other = evaluate(name, scaled(graph, [1.0, 1.0, 8.0]), sample, gamma=8.0)
    assert other.terms["complexity uncapped"] == pytest.approx(plain.terms["complexity uncapped"], rel=1e-9)


@pytest.mark.parametrize("name", EVERY)
def test_best_margin(name):
    net = network("max_pooled")
    graph, sample = read(net), measured(net)
    best = evaluate(name, graph, sample, gamma="best")
    values = [evaluate(name, graph, sample, gamma=g).value for g in (0.1, 1.0, 30.0, 1e4)]
    # Where the complexity exceeds 1 on the whole grid, all margins are equally useless and none is searched for.
    assert best.value <= min(values) or best.terms.get("complexity uncapped", best.complexity) > 1
    again = evaluate(name, graph, sample, gamma=best.gamma)
    assert again.value == pytest.approx(best.value, rel=1e-9)


# ---- refusals and bad input ----------------------------------------------------------------------


@pytest.mark.parametrize("name", EVERY)
def test_a_layer_of_zeros(name):
    net = network("strided_same")
    graph = scaled(read(net), [0.0, 1.0])
    sample = bounds.Sample.measure(lambda x: 0 * net.f(x), net.x, np.arange(5) % 2)
    row = evaluate(name, graph, sample)
    assert math.isfinite(row.value) and row.margin_error == 1.0 and row.value >= 1.0


@pytest.mark.parametrize("name", EVERY)
def test_weights_that_are_not_numbers(name):
    net = network("strided_same")
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not finite"):
            evaluate(name, scaled(read(net), [bad, 1.0]), measured(net))


@pytest.mark.parametrize("name", EVERY)
def test_norms_at_the_edge_of_float64(name):
    net = network("strided_same")
    graph, sample = read(net), measured(net)
    with np.errstate(all="raise", under="ignore"):
        plain = evaluate(name, graph, sample)
        grown = evaluate(name, scaled(graph, [1e30, 1e30]), sample)
        assert grown.value >= plain.value
        for factor in (1e150, 1e305):
            try:
                row = evaluate(name, scaled(graph, [factor, factor]), sample)
            except ValueError as error:
                assert "finite" in str(error) or "overflow" in str(error)
            else:
                assert row.value >= plain.value
        small = evaluate(name, scaled(graph, [1e-150, 1e-150]), sample)
        assert 0 < small.value <= plain.value + 5


@pytest.mark.parametrize("name", EVERY)
def test_one_sample_and_wrong_arguments(name):
    net = network("strided_same")
    graph = read(net)
    energy = np.square(net.x[0].astype(np.float64))
    one = bounds.Sample(1, 4, energy, np.stack([energy, *[0 * energy] * 3]), np.zeros(1), np.array([1, 0, 0, 0]))
    row = evaluate(name, graph, one)
    assert row.value > 1.0 and not math.isnan(row.complexity)
    for options in ({"gamma": 0.0}, {"gamma": math.inf}, {"gamma": "small"}):
        with pytest.raises(ValueError, match="gamma"):
            evaluate(name, graph, one, **options)
    with pytest.raises(ValueError, match="delta"):
        bounds.BOUNDS[name](graph, one, delta=1.5)


@pytest.mark.parametrize("name", EVERY)
def test_normalised_by_the_sample_is_published(name):
    net = network("strided_same")
    row = evaluate(name, read(net), measured(net, preprocessing="sample"))
    assert row.guarantee == "published" and "no certificate" in row.note
