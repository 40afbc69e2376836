"""What-if questions: pruning one layer, and more samples, against numbers worked by hand."""

import math

import numpy as np
import pytest
from networks import CHANNELS, conv, draw, flat, images, network

from sparsebounds import bounds
from sparsebounds.bounds.bound import MASK_FIXED, MASK_NONE, MASK_PAID, MASK_UNCOUNTED
from sparsebounds.bounds.confidence.binomial import LONG, binomial_upper, kl_upper
from sparsebounds.bounds.sample.scaling import scaled

W = np.array([[3.0, -1.0, 0.5], [2.0, -4.0, 1.0]], np.float32)


def linear(weights):
    return lambda x: x @ np.asarray(weights, np.float32)


@pytest.fixture(scope="module")
def two():
    """f(x) = x on one-hot inputs: margins all 1, both energies m/2."""
    x, y = np.eye(2, dtype=np.float32)[[0, 1] * 50], np.array([0, 1] * 50)
    f = linear(np.eye(2))
    return bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), x, y


# ---- pruning ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("density", "expected"),
    [
        (1.0, W),
        (0.5, [[3, 0, 0], [2, -4, 0]]),
        (0.45, [[3, 0, 0], [2, -4, 0]]),  # 2.7 weights
        (1 / 6, [[0, 0, 0], [0, -4, 0]]),
    ],
)
def test_the_largest_weights_of_a_layer_stay(density, expected):
    graph = bounds.read_graph(linear(W), np.ones((2, 2), np.float32))
    sparse = bounds.pruned(graph, -1, density)
    np.testing.assert_array_equal(bounds.evaluate(sparse, np.eye(2)), expected)
    np.testing.assert_array_equal(bounds.evaluate(graph, np.eye(2)), W)  # the network itself is left alone


def test_of_equal_weights_the_first_stay():
    graph = bounds.read_graph(linear([[1, -1], [1, 2]]), np.ones((2, 2), np.float32))
    np.testing.assert_array_equal(bounds.evaluate(bounds.pruned(graph, 1, 0.5), np.eye(2)), [[1, 0], [0, 2]])


def test_a_kernel_shared_by_positions_is_pruned_once_and_stays_shared():
    kernel, top, x = draw(0, 2, 2, CHANNELS, 4), draw(1, 100, 3), images(4)

    def f(kernel):
        return lambda x: flat(conv(x, kernel)) @ top

    graph = bounds.read_graph(f(kernel), x[:2])
    threshold = np.sort(np.abs(kernel).ravel())[-8]  # 8 of 32
    sparse = bounds.pruned(graph, 1, 0.25)
    np.testing.assert_allclose(
        bounds.evaluate(sparse, x), f(np.where(np.abs(kernel) >= threshold, kernel, 0))(x), rtol=1e-4, atol=1e-5
    )
    code = bounds.occam(sparse, sample_of(lambda x: bounds.evaluate(sparse, x), x), delta=0.1).terms
    assert code["nonzeros"] == 8 + top.size and code["parameters"] == 32 + top.size


def test_weights_of_their_own_per_node_are_pruned_one_by_one():
    net = network("local_einsum")
    graph = bounds.read_graph(net.f, net.x[:2])
    index = next(i for i, layer in enumerate(graph.layers) if i and layer.terms[0].weight.shape[0] > 1)
    before = graph.layers[index].terms[0].weight
    after = bounds.pruned(graph, index, 0.3).layers[index].terms[0].weight
    assert np.count_nonzero(after) == round(0.3 * before.size)
    assert np.abs(before[after == 0]).max() <= np.abs(after[after != 0]).min()


def test_a_layer_by_name_and_what_is_refused():
    net = network("native")
    graph = bounds.read_graph(net.f, net.x[:2])
    name = graph.layers[1].name
    np.testing.assert_array_equal(
        bounds.pruned(graph, name, 0.5).layers[1].terms[0].weight,
        bounds.pruned(graph, 1, 0.5).layers[1].terms[0].weight,
    )
    for layer, density, words in (
        (0, 0.5, "has no weights to prune; those that have: 1"),
        (99, 0.5, "no layer 99; choose from 1"),
        ("nowhere", 0.5, "0 layers are called 'nowhere'"),
        (1, 0.0, "density is 0.0; need a number above 0"),
        (1, 1.5, "density is 1.5"),
        (1, math.nan, "density is nan"),
        (1, 0.001, "keeps none of the"),
    ):
        with pytest.raises(ValueError, match=words):
            bounds.pruned(graph, layer, density)


def sample_of(f, x):
    return bounds.Sample.measure(f, x, np.arange(len(x)) % 3)


def test_what_if_a_layer_were_pruned_is_the_bound_of_the_pruned_network(two):
    """Weights diag(4, 4) with 0.1 beside: without the small ones the scores, margins and the mask are another's."""
    _, _, x, y = two
    graph = bounds.read_graph(linear([[4.0, 0.1], [-0.1, 4.0]]), x[:2])
    found = bounds.what_if_pruned(bounds.occam, graph, x, y, layer=-1, density=0.5, delta=0.01)
    other = linear([[4.0, 0.0], [0.0, 4.0]])
    alone = bounds.occam(bounds.read_graph(other, x[:2]), bounds.Sample.measure(other, x, y), delta=0.01)
    assert (found.value, found.guarantee) == (alone.value, "certificate")
    assert dict(list(found.terms.items())[1:]) == {"density": 0.5, **alone.terms}
    assert found.terms["bits of positions"] == 3 + 3  # ⌈log₂ 5⌉ + ⌈log₂ C(4,2)⌉


@pytest.mark.parametrize("option", ["mask_fixed", "test"])
def test_a_pruned_network_has_a_mask_and_margins_of_its_own(two, option):
    graph, _, x, y = two
    with pytest.raises(ValueError, match=f"{option} was given, but the network is another one after pruning"):
        bounds.what_if_pruned(bounds.galanti, graph, x, y, layer=-1, density=0.5, **{option: True})


# ---- the price of a mask ---------------------------------------------------------------------


def test_terms_say_what_was_assumed_of_the_zeros_and_what_they_cost(two):
    """One linear layer, scalar nodes: 2 of 6 blocks are there, log(7 · 15) nats for the mask, log 3 for the form."""
    _, _, x, y = two
    three = linear(np.eye(2, 3))  # of two scores the difference would count, which has no zero
    graph, sample = bounds.read_graph(three, x[:2]).partition("scalar"), bounds.Sample.measure(three, x, y)
    fixed = bounds.galanti(graph, sample, delta=0.01, mask_fixed=True)
    assert (fixed.terms["mask"], fixed.terms["nats for the mask"]) == (MASK_FIXED, 0.0)
    few = bounds.galanti(graph, sample, delta=0.01)
    many = bounds.what_if_samples(bounds.galanti, graph, sample, 10**8, delta=0.01)
    assert few.terms["logs"] == pytest.approx(math.log(2)) and few.terms["mask"] == MASK_PAID
    assert few.terms["nats for the mask"] == many.terms["nats for the mask"] == pytest.approx(math.log(7 * 15))
    assert few.terms["nats paid for choices"] == pytest.approx(math.log(7 * 15) + 2 * math.log(3))
    assert few.value > fixed.value
    f = linear([[1.0, 0.5], [0.5, 1.0]])
    whole = bounds.read_graph(f, x[:2]).partition("scalar")
    assert bounds.galanti(whole, bounds.Sample.measure(f, x, y), delta=0.01).terms["mask"] == MASK_NONE


def test_zeros_that_are_not_worth_their_price_are_not_counted_on(two):
    """A mask of 40 zeros among 200 weights costs more nats than 10 samples can pay for."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(100, 2)) * (rng.permuted(np.arange(200)) >= 40).reshape(100, 2)
    x, y = rng.normal(size=(10, 100)).astype(np.float32), np.arange(10) % 2
    f = linear(weights)
    found = bounds.galanti(
        bounds.read_graph(f, x[:2]).partition("scalar"), bounds.Sample.measure(f, x, y), delta=0.01, gamma="best"
    )
    assert (found.terms["mask"], found.terms["nats for the mask"]) == (MASK_UNCOUNTED, 0.0)


# ---- more samples ----------------------------------------------------------------------------


def test_a_scaled_sample_keeps_shares_and_multiplies_sums(two):
    _, _, x, y = two
    sample = bounds.Sample.measure(linear(np.eye(2)), x[:3], y[:3])
    more = scaled(sample, 10)
    np.testing.assert_allclose(more.energies, sample.energies * 10 / 3)
    np.testing.assert_allclose(more.class_energies.sum(axis=0), more.energies)
    np.testing.assert_allclose(more.class_fourths, sample.class_fourths * 10 / 3)
    assert more.class_counts.tolist() == [7, 3] and more.train_error == sample.train_error
    assert [more.ramp(g) for g in (0.5, 2.0)] == [sample.ramp(g) for g in (0.5, 2.0)]
    assert scaled(sample, 10**17 + 1).class_counts.sum() == 10**17 + 1
    with pytest.raises(ValueError, match="not measured and is not saved"):
        more.save("nowhere.npz")
    for m in (0, 2.5, True):
        with pytest.raises(ValueError, match="whole number of samples"):
            scaled(sample, m)


def test_occam_needs_the_samples_of_the_formula(two):
    """No errors and 41 bits: 1 − (0.001 · 2^-41)^(1/m) < 0.05 from m = ln(0.001 · 2^-41) / ln 0.95 = 688.7 on."""
    graph, sample, *_ = two
    assert bounds.occam(graph, sample, delta=0.001).terms["bits"] == 41
    by_hand = math.floor((math.log(0.001) - 41 * math.log(2)) / math.log(0.95)) + 1
    assert bounds.samples_needed(bounds.occam, graph, sample, target=0.05) == by_hand == 689


def test_galanti_needs_the_samples_of_the_formula(two):
    """With margins of 1 and γ = 1 the ramp is 0; the rest is (A + B)/√m, A from terms and B = √(2 log(1/δ_j))."""
    graph, sample, *_ = two
    now = bounds.galanti(graph, sample, delta=0.001).terms
    root = 1 + math.sqrt(2 * now["logs"])
    a = 2 * now["c_j"] * root * math.sqrt(now["max path prod |pred| * energy"] / sample.m)
    b = math.sqrt(2 * (math.log(1 / now["delta_j"]) + now["nats paid for choices"]))
    assert now["c_j"] == pytest.approx(1.1**4, rel=1e-5)  # ‖w_1 − w_0‖ = √2 ≤ 1.1⁴, shared form
    needed = bounds.samples_needed(bounds.galanti, graph, sample)
    assert needed == math.floor((a + b) ** 2) + 1
    uncapped = math.ceil(a**2) + 1  # from here on the complexity is below 1
    for m in (*range(uncapped, uncapped + 20), 1000, 10**9):
        between = (a + b) / math.sqrt(m - 0.5)  # below it from m on
        assert bounds.samples_needed(bounds.galanti, graph, sample, target=between) == m
    near = bounds.samples_needed(bounds.galanti, graph, sample, tolerance=0.05)
    assert needed <= near <= 1.05 * needed + 1


def test_peeling_chooses_its_margin_for_the_samples_supposed(two):
    """A sample repeated a hundred times is what the scaled one supposes: the two agree."""
    graph, sample, x, y = two
    repeated = bounds.Sample.measure(linear(np.eye(2)), np.tile(x, (100, 1)), np.tile(y, 100))
    real = bounds.peeling(graph, repeated, delta=0.001)
    supposed = bounds.what_if_samples(bounds.peeling, graph, sample, 10000)
    assert supposed.value == pytest.approx(real.value, rel=1e-9)
    assert (real.guarantee, supposed.guarantee) == ("certificate", "shape")
    assert "10000 samples" in supposed.note


@pytest.mark.parametrize("name", ["galanti_best", "path_norm", "golowich", "bartlett_dudley", "occam", "pac_bayes"])
def test_a_scaled_sample_is_a_repeated_one_for_every_kind_of_bound(two, name):
    graph, sample, x, y = two
    repeated = bounds.Sample.measure(linear(np.eye(2)), np.tile(x, (30, 1)), np.tile(y, 30))
    options = {"input_bound": 1.0} if name == "pac_bayes" else {}
    real = bounds.BOUNDS[name](graph, repeated, delta=0.001, **options).value
    supposed = bounds.what_if_samples(bounds.BOUNDS[name], graph, sample, 3000, **options).value
    assert supposed == pytest.approx(real, rel=1e-9) and real > 0


def test_where_no_number_of_samples_is_enough(two):
    graph, sample, x, y = two
    wrong = bounds.Sample.measure(linear(np.eye(2)), x, np.where(np.arange(len(y)) < 30, 1 - y, y))
    assert wrong.train_error == 0.3
    assert bounds.samples_needed(bounds.occam, graph, wrong, target=0.3) is None
    assert bounds.samples_needed(bounds.galanti, graph, wrong, target=0.2) is None
    assert bounds.samples_needed(bounds.neyshabur_two_layer, graph, sample) is None  # does not cover one layer
    assert bounds.samples_needed(bounds.galanti, graph, sample, gamma=10.0, target=0.5) is None  # every margin below γ
    for options, words in (({"target": 0.0}, "target is 0.0"), ({"tolerance": -1.0}, "tolerance is -1.0")):
        with pytest.raises(ValueError, match=words):
            bounds.samples_needed(bounds.occam, graph, sample, **options)


def test_many_errors_give_way_to_chernoff():
    assert binomial_upper(LONG + 1, 10 * LONG, -10.0) == kl_upper((LONG + 1) / (10 * LONG), 10.0 / (10 * LONG))
    exact, chernoff = binomial_upper(10**5, 10**6, -10.0), kl_upper(0.1, 1e-5)
    assert 0.1 < exact < chernoff < binomial_upper(10**5, 10**6, -20.0)


# ---- fully connected -------------------------------------------------------------------------


def test_a_convolution_counted_as_fully_connected_is_the_same_function_with_more_weights():
    net = network("native")
    graph = bounds.read_graph(net.f, net.x[:2])
    x, y = images(40), np.arange(40) % graph.classes
    sample = bounds.Sample.measure(net.f, x, y)
    found = bounds.what_if_dense(bounds.parameter_count, graph, sample, layer=1)
    now = bounds.parameter_count(graph, sample, delta=1e-3)
    size, read = graph.layers[1].size, graph.layers[0].size
    more = size * read - graph.linear(1).dots[0].numbers.size
    assert found.terms["parameters"] == now.terms["parameters"] + more
    assert found.terms["fully connected layer"] == graph.layers[1].name
    assert bounds.what_if_dense(bounds.galanti, graph, sample, layer=1).covered
    with pytest.raises(ValueError, match="is input; needed a linear layer"):
        bounds.what_if_dense(bounds.occam, graph, sample, layer=0)
