"""Occam and parameter count: the code is a code, its length a literal sum, what is bounded was measured."""

import itertools
import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import networks
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.theorems.description.code_length import (
    codebook_bits,
    counted_bits,
    graph_code,
    mask_bits,
    number_format,
    part_code,
    total_bits,
)

LOG2 = math.log(2)
PAIRS = [("native", other) for other in ("patches", "shifted_matmuls", "predecessors", "nested_calls")]


def linear(w, m=1000, errors=0):
    """The linear network of w, and a sample of unit inputs on which it errs so often."""
    w = np.asarray(w, np.float32)
    f = lambda x: x @ w  # noqa: E731
    x = np.eye(len(w), dtype=np.float32)[np.arange(m) % len(w)]
    y = np.asarray((x @ w).argmax(1))
    y[:errors] = (y[:errors] + 1) % w.shape[1]
    return bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)


def measured(name, m=40, **options):
    net = networks.network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    x = np.random.default_rng(1).normal(size=(m, *net.x.shape[1:])).astype(np.float32)
    return graph, bounds.Sample.measure(net.f, x, np.arange(m) % graph.classes, **options)


# ---- the code ------------------------------------------------------------------------------------------------------


def test_vectors():
    """Code lengths and Hoeffding gaps of known sizes: p parameters, k non-zeros, b bits, as one part."""
    for p, k, b, bits, gap in ((431080, 4000, 4, 49275, 0.533525), (61706, 1000, 3, 10644, 0.248006)):
        assert mask_bits(p, k) + codebook_bits(k, 2**b) - 6 == bits
        assert math.sqrt((bits * LOG2 + math.log(20)) / 120000) == pytest.approx(gap, abs=1e-6)


def test_hand_worked():
    """The identity of 2×2: 1 layer byte and 1 term bit; 1 part byte; 2 of 4, 3 + 3 bits; one value, 2 + 16 bits."""
    graph, sample = linear(np.eye(2))
    b = bounds.occam(graph, sample, delta=0.001)
    assert b.terms["bits"] == 9 + 8 + 6 + 18 == 41
    assert b.value == pytest.approx(1 - (0.001 * 2.0**-41) ** (1 / 1000), rel=1e-9)
    assert b.confidence == pytest.approx(1 - 0.001 ** (1 / 1000), rel=1e-9)
    p = bounds.parameter_count(graph, sample, delta=0.001)
    assert p.terms["bits"] == 9 + 8 + 4 * 32
    assert p.value == pytest.approx(1 - (0.001 * 2.0**-145) ** (1 / 1000), rel=1e-9)


def test_positions_are_a_prefix_code():
    for p in (1, 2, 3, 7, 8, 30, 64):
        assert sum(Fraction(math.comb(p, k), 2 ** mask_bits(p, k)) for k in range(p + 1)) <= 1


@pytest.mark.parametrize(("width", "count"), [(1, 1), (1, 7), (2, 5), (2, 6), (3, 4)])
def test_values_are_prefix_codes(width, count):
    """Kraft's inequality over all sequences of `count` letters from an alphabet that takes `width` bits a letter."""
    counts = [Counter(word).values() for word in itertools.product(range(2**width), repeat=count)]
    assert sum(Fraction(1, 2 ** counted_bits(np.array(list(c)), width)) for c in counts) <= 1
    assert sum(Fraction(1, 2 ** codebook_bits(count, len(c), width)) for c in counts) <= 1


def test_large_binomials_round_upwards():
    for p, k in ((1001, 3), (5000, 2500), (431080, 4000), (70000, 69999)):
        exact = (math.comb(p, k) - 1).bit_length()
        assert 0 <= mask_bits(p, k) - p.bit_length() - exact <= 1
    rng = np.random.default_rng(0)
    counts = np.bincount(rng.integers(0, 16, 5000))
    orders = math.factorial(5000) // math.prod(math.factorial(int(c)) for c in counts)
    exact = (orders - 1).bit_length() + (math.comb(4999, 15) - 1).bit_length() + 13 + 32 * 16
    assert 0 <= counted_bits(counts) - exact <= 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, -1.5], "bfloat16"),
        ([1.0009765625], "float16"),
        ([1e-3], "float64"),
        ([float(np.float32(1e-3))], "float32"),
        ([1e300], "float64"),
        ([3e38, 1.0009765625], "float64"),
        ([], "bfloat16"),
    ],
)
def test_number_format_is_exact(values, expected):
    assert number_format(np.array(values))[0] == expected


def literal_bits(arrays, layers):
    """Twin of the code length for parts written in float32, with integers only."""
    total = 9 * layers
    for values in arrays:
        flat = np.ravel(values).astype(np.float64)
        held = [v for v in flat.tolist() if v != 0]
        p, k, v = len(flat), len(held), len(set(held))
        orders = math.factorial(k)
        for n in Counter(held).values():
            orders //= math.factorial(n)
        each = 32 * k
        book = 6 + 32 * 2 ** math.ceil(math.log2(v)) + k * math.ceil(math.log2(v))
        counted = math.ceil(math.log2(k + 1)) + 32 * v + _ceil_log2(math.comb(k - 1, v - 1)) + _ceil_log2(orders)
        total += 8 + math.ceil(math.log2(p + 1)) + _ceil_log2(math.comb(p, k)) + min(each, book, counted)
    return total


def _ceil_log2(n):
    return (n - 1).bit_length()


def test_literal_twin_on_networks():
    d = networks.draw
    mask = np.random.default_rng(61).random((2, 2, 2, 3)) < 0.4
    mask[0, 1] = False
    cases = {
        "masked_convolution": ([np.where(mask, d(62, 2, 2, 2, 3), 0), d(50, 75, 4)], 2),
        "mlp_flat": ([d(75, 12, 8), d(78, 8), d(76, 8, 7), d(79, 7), d(77, 7, 4), d(80, 4)], 3),
        "strided_same": ([d(51, 3, 3, 2, 3), d(50, 27, 4)], 2),
    }
    for name, (arrays, layers) in cases.items():
        graph, sample = measured(name)
        bits = literal_bits(arrays, layers)
        b = bounds.occam(graph, sample, delta=0.01)
        assert b.terms["bits"] == bits, name
        errors, e = int((sample.margins <= 0).sum()), Fraction(b.value)
        tail = sum(math.comb(40, i) * e**i * (1 - e) ** (40 - i) for i in range(errors + 1))
        assert tail <= Fraction(1, 100) / 2**bits


@pytest.mark.parametrize(("name", "other"), PAIRS)
def test_the_notation_does_not_matter(name, other):
    """A shared kernel is counted once, however the convolution is written; a bias once per channel."""
    for suffix in ("", "_biased") if other != "nested_calls" else ("_biased",):
        codes = []
        for which in (name + suffix, other if other == "nested_calls" else other + suffix):
            net = networks.network(which)
            graph = bounds.read_graph(net.f, net.x[:2])
            codes.append(total_bits(graph, graph_code(graph)))
        assert codes[0] == codes[1]


def test_zeros_shorten_the_code():
    rng = np.random.default_rng(2)
    w = rng.normal(size=(60, 10)).astype(np.float32)
    bits = []
    for share in (0.0, 0.5, 0.9, 0.99):
        graph, _ = linear(np.where(rng.random(w.shape) < share, 0, w), m=60)
        bits.append(total_bits(graph, graph_code(graph)))
        fixed = total_bits(graph, graph_code(graph, mask_fixed=True))
        (part,) = graph_code(graph)
        assert bits[-1] - fixed == part.position_bits
    assert bits == sorted(bits, reverse=True) and bits[-1] < bits[0] / 20


def test_zeros_of_biases_are_paid_for_under_a_fixed_mask():
    """Eight units, three of which never fired, so that their biases are still 0: 3 of 8 in ⌈log₂ 9⌉ + ⌈log₂ 56⌉ = 10
    bits and 2 that say so, where the weights of the same places cost none; without zeros there is nothing to say."""
    rng = np.random.default_rng(5)
    w, b = rng.normal(size=(4, 8)).astype(np.float32), rng.normal(size=8).astype(np.float32)
    w[:, :3] = 0
    for zeros, bits in ((0, 0), (3, 2 + 10)):
        bias = np.where(np.arange(8) < zeros, 0, b)
        graph = bounds.read_graph(lambda x, bias=bias: x @ w + bias, np.ones((2, 4), np.float32))
        weights, shifts = graph_code(graph, mask_fixed=True)
        assert (weights.nonzeros, weights.position_bits) == (20, 0)
        assert (shifts.position_bits, shifts.value_bits) == (bits, 32 * (8 - zeros))


def test_entropy_is_reached():
    """A part of skewed values costs about its entropy, below the fixed-length indices."""
    rng = np.random.default_rng(3)
    values = rng.choice([1.0, 2.0, 3.0, 4.0], size=20000, p=[0.9, 0.05, 0.04, 0.01])
    shares = np.bincount(values.astype(int))[1:] / 20000
    entropy = -20000 * float(np.sum(shares * np.log2(shares)))
    code = part_code("w", values)
    assert code.form == "counted codebook" and entropy < code.value_bits < entropy + 200 < 2 * 20000


# ---- the bounds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_every_architecture(name):
    graph, sample = measured(name)
    for bound in (bounds.occam, bounds.parameter_count):
        b = bound(graph, sample, delta=0.01)
        assert b.guarantee == "certificate" and sample.train_error <= b.value <= 1
        assert b.value == pytest.approx(b.margin_error + b.complexity + b.confidence, abs=1e-12)
        assert b.complexity >= 0 and b.confidence >= 0
        assert b.value <= b.terms["by kl"] + 1e-12 <= b.terms["by Hoeffding"] + 1e-11


def test_monotone_and_partitions():
    graph, sample = linear(np.diag([1, 0.5, 2]), m=5000, errors=100)
    values = [bounds.occam(graph, sample, delta=d).value for d in (0.5, 0.1, 1e-3, 1e-12)]
    assert values == sorted(values) and values[0] < values[-1]
    more = linear(np.diag([1, 0.5, 2]), m=5000, errors=200)[1]
    assert bounds.occam(graph, more, delta=0.1).value > values[1]
    assert bounds.occam(graph.partition("scalar"), sample, delta=0.1) == bounds.occam(graph, sample, delta=0.1)


def test_a_table_learned_by_heart():
    """Random labels of distinct inputs, kept in the positions of the ones: the bound stays above chance, and falls
    below it as soon as the positions are not paid for."""
    for classes in (2, 4):
        labels = np.random.default_rng(classes).integers(0, classes, 300)
        graph, sample = linear(np.eye(classes)[labels], m=300)
        assert sample.train_error == 0
        for bound in (bounds.occam, bounds.parameter_count):
            assert bound(graph, sample, delta=0.05).value >= 1 - 1 / classes
        assert bounds.occam(graph, sample, delta=0.05, mask_fixed=True).value < 1 - 1 / classes


def test_normalised_by_the_sample_is_no_certificate():
    graph, sample = measured("native", preprocessing="sample")
    for bound in (bounds.occam, bounds.parameter_count):
        b = bound(graph, sample, delta=0.01)
        assert b.guarantee == "published" and "normalis" in b.note


@pytest.mark.parametrize("bound", [bounds.occam, bounds.parameter_count])
def test_bad_arguments(bound):
    graph, sample = linear(np.eye(3))
    for delta in (0.0, 1.0, math.nan):
        with pytest.raises(ValueError, match="delta"):
            bound(graph, sample, delta=delta)
    with pytest.raises(ValueError, match="inputs of shape"):
        bound(linear(np.eye(4))[0], sample, delta=0.1)
    (term,) = graph.layers[1].terms
    for bad in (np.nan, np.inf):
        layer = replace(graph.layers[1], terms=(replace(term, weight=np.full_like(term.weight, bad)),))
        with pytest.raises(ValueError, match="NaN or infinite"):
            bound(replace(graph, layers=(graph.layers[0], layer)), sample, delta=0.1)


def test_a_layer_of_zeros_and_one_sample():
    graph, _ = linear(np.eye(2))
    zero = bounds.read_graph(lambda x: x @ jnp.zeros((2, 2)), np.ones((2, 2)))
    sample = bounds.Sample(1, 2, np.ones(2), np.array([[1.0, 1.0], [0, 0]]), np.array([0.0]), np.array([1, 0]))
    assert bounds.occam(zero, sample, delta=0.5).value == 1.0
    right = replace(sample, margins=np.array([1.0]))
    assert bounds.occam(graph, right, delta=0.5).value == pytest.approx(1 - 2.0**-42, abs=1e-12)


# ---- quantisation ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nnx_batch_norm", "residual_post_activation", "max_pooled", "input_scaled"])
def test_quantised_networks_are_short_and_close(name):
    net = networks.network(name)
    graph = bounds.read_graph(net.f, net.x[:2])
    exact, lengths, distances = bounds.evaluate(graph, net.x), [], []
    for bits in (2, 4, 8):
        small = bounds.quantise(graph, bits)
        lengths.append(total_bits(small, graph_code(small)))
        distances.append(np.abs(bounds.evaluate(small, net.x) - exact).max() / np.abs(exact).max())
        for before, after in zip(graph.layers[1:], small.layers[1:], strict=True):
            for old, new in zip(getattr(before, "terms", ()), getattr(after, "terms", ()), strict=True):
                if hasattr(old, "weight"):
                    assert len(np.unique(new.weight[new.weight != 0])) <= 2**bits
                    assert (new.weight[old.weight == 0] == 0).all()
                    assert np.array_equal(new.weight, new.weight.astype(np.float32))
    assert lengths == sorted(lengths) and lengths[0] < total_bits(graph, graph_code(graph)) / 2
    assert distances == sorted(distances, reverse=True) and distances[-1] < 0.02


def test_the_quantised_network_is_the_one_bounded():
    """Compress, measure anew, bound: better than the full one, and about the compressed network's own errors."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(20, 3)).astype(np.float32)
    x = rng.normal(size=(4000, 20)).astype(np.float32)
    f = lambda z: z @ truth  # noqa: E731
    y = np.asarray(x @ truth).argmax(1)
    graph = bounds.read_graph(f, x[:2])
    small = bounds.quantise(graph, 3)
    sample = bounds.Sample.measure(lambda z: bounds.evaluate(small, z), x, y)
    full, b = (bounds.occam(g, s, delta=0.01) for g, s in ((graph, bounds.Sample.measure(f, x, y)), (small, sample)))
    assert 0 < b.margin_error == sample.train_error < 0.2
    assert b.value < full.value and b.terms["bits"] < full.terms["bits"] / 3
    fresh = rng.normal(size=(100000, 20)).astype(np.float32)
    true = np.mean(bounds.evaluate(small, fresh).argmax(1) != (fresh @ truth).argmax(1))
    assert b.value > true


@pytest.mark.parametrize("bits", [0, 13, 2.5, True])
def test_quantise_refuses(bits):
    with pytest.raises(ValueError, match="bits"):
        bounds.quantise(linear(np.eye(2))[0], bits)
