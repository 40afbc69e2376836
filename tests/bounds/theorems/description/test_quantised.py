"""The quantised row: its code is a code, its length a literal sum, its errors those of the rounded network."""

import itertools
import math
from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import ml_dtypes
import networks
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.graph.uniform import grid_of, largest_level, on_grid
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.quantising import rounded
from sparsebounds.bounds.sample import Margins
from sparsebounds.bounds.theorems.description.beyond_layers import text_bits
from sparsebounds.bounds.theorems.description.code_length import mask_bits
from sparsebounds.bounds.theorems.description.grid_code import grid_bits, quantised_code, quantised_part

LOG2 = math.log(2)
RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(20, 3)).astype(np.float32)
X = RNG.normal(size=(3000, 20)).astype(np.float32)
Y = np.asarray(X @ TRUTH).argmax(1)


def linear(x):
    return x @ TRUTH


def unreadable(x):
    """Its graph ends in an operation that the reader does not know."""
    return jnp.sort(x @ TRUTH, axis=1)[:, ::-1] * (x @ TRUTH)


def row(f, x=X, y=Y, delta=0.01, **options):
    graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
    return bounds.occam_quantised(graph, sample, delta=delta, quantised=bounds.quantised(f, x, y, **options))


# ---- rounding ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 3, 4, 6, 8])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_rounded_arrays_lie_on_a_grid_that_is_found_again(bits, kind):
    for scale in (1e-20, 0.37, 1.0, 1e20):
        values = (scale * RNG.normal(size=(40, 30))).astype(kind)
        values[::3] = 0
        found = on_grid(values, bits)
        grid = grid_of(found)
        assert found.dtype == kind and grid.bits <= bits and abs(grid.levels).max() == largest_level(grid.bits)
        assert np.array_equal(grid.levels * kind(grid.step), found) and (found[::3] == 0).all()
        assert float(ml_dtypes.bfloat16(grid.step)) == grid.step
        assert np.abs(found - values).max() <= (0.5 + largest_level(bits) * 2**-8) * grid.step
        assert np.array_equal(on_grid(found, bits), found)


def test_what_is_left_as_it_was():
    variances = np.array([1e-9, 2.0, 3.0], np.float32)
    for values in (np.array([0.1]), np.array([[1, 2]]), np.array([[np.inf, 0.1]]), variances, np.zeros((2, 2))):
        assert np.array_equal(on_grid(values, 2), values)
    assert grid_of(on_grid(np.array([0.3, 1.0, -0.2], np.float32), 2)).bits == 8
    small = on_grid(RNG.normal(size=(9, 9)).astype(ml_dtypes.bfloat16), 4)
    assert small.dtype == ml_dtypes.bfloat16 and len(np.unique(small.astype(np.float32))) <= 15
    for bits in (1, 9):
        with pytest.raises(ValueError, match="bits"):
            on_grid(TRUTH, bits)


# ---- the code ------------------------------------------------------------------------------------------------------


def test_hand_worked():
    """Ten levels of 2 bits: 8 of the part, 4 + 8 of the positions (7 of 10), 20, and min(7·2, 3 + 6) of the levels."""
    values = 0.5 * np.array([[1, -1, 0, 1, 0, 1, 1, 0, -1, 1]])
    code = quantised_part("w", values)
    assert grid_of(values).levels.tolist() == [[1, -1, 0, 1, 0, 1, 1, 0, -1, 1]]
    assert (code.position_bits, mask_bits(10, 7)) == (4 + 7, 4 + 7)  # ⌈log₂ 11⌉ + ⌈log₂ C(10,7) = 120⌉
    assert grid_bits(np.array([2, 5]), 2) == 20 + 3 + 5  # ⌈log₂ C(8,1)⌉ + ⌈log₂ C(7,2) = 21⌉
    assert code.bits == 8 + 11 + 28 and code.form == "grid of 2 bits"


def test_the_whole_row_by_hand():
    """2×2 and 1000 samples: 1 + 9 of the layer + 8 + 3 + 3, and 18 of a codebook with one word, below 20 + 1."""
    x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
    found = row(lambda x: x @ np.array([[1.0, -0.1], [0.01, 1.0]], np.float32), x, y, delta=0.001)
    assert found.terms["bits"] == 1 + 9 + 8 + 6 + 18 and found.terms["errors"] == 0
    assert found.value == pytest.approx(1 - (0.001 * 2.0**-42) ** (1 / 1000), rel=1e-9)


@pytest.mark.parametrize(("bits", "count"), [(2, 1), (2, 6), (3, 3), (3, 4)])
def test_levels_are_a_prefix_code(bits, count):
    """Kraft's inequality over all sequences of `count` levels that are not zero; the step is fixed."""
    total, most = Fraction(0), largest_level(bits)
    for word in itertools.product([k for k in range(-most, most + 1) if k], repeat=count):
        counts = np.array([word.count(k) for k in range(-most, most + 1) if k])
        total += Fraction(1, 2 ** (grid_bits(counts, bits) - 20))
    assert total <= 2  # two codes, told apart by one of the 20 bits


def test_a_whole_array_is_a_prefix_code():
    """All arrays of 2×2 levels of 2 bits, one step: what `PART_BITS`, bits of a level and step leave is at most 1."""
    total = Fraction(0)
    for word in itertools.product([-1.0, 0.0, 1.0], repeat=4):
        if any(word):
            counts = np.array([word.count(-1.0), word.count(1.0)])
            total += Fraction(1, 2 ** (mask_bits(4, int(counts.sum())) + grid_bits(counts, 2) - 19))
    assert total <= 1


def literal_bits(values, bits):
    """Twin of the code of one array: from the weights themselves, with integers and a loop."""
    largest, most = max(abs(v) for v in values), 2 ** (bits - 1) - 1
    levels = [round(v / (largest / most)) for v in values]
    held, p, n = [k for k in levels if k], len(levels), 2 * most
    orders = math.factorial(len(held))
    for k in set(held):
        orders //= math.factorial(held.count(k))
    counted = _ceil_log2(math.comb(len(held) + n - 1, n - 1)) + _ceil_log2(orders)
    positions = _ceil_log2(p + 1) + _ceil_log2(math.comb(p, len(held)))
    return 8 + positions + 3 + 16 + 1 + min(len(held) * bits, counted)


def _ceil_log2(n):
    return (n - 1).bit_length()


def test_literal_twin():
    """Two layers with biases; the biases have 8 bits, the kernels as many as were chosen."""
    model = nnx.Sequential(nnx.Linear(20, 9, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(9, 3, rngs=nnx.Rngs(1)))
    for layer in (model.layers[0], model.layers[2]):
        layer.bias[...] = jnp.asarray(RNG.normal(size=layer.bias.shape), jnp.float32)
    y = np.asarray(model(X)).argmax(1)
    quantised = bounds.quantised(model, X, y)
    found = row(model, X, y)
    kernels = [code for code in quantised_code(quantised.network) if code.name.endswith("dot")]
    (bits,) = {int(code.form.split()[2]) for code in kernels}
    expected = 1 + 9 * 2
    for layer in (model.layers[0], model.layers[2]):
        expected += literal_bits(on_grid(np.asarray(layer.kernel[...]), bits).ravel().tolist(), bits)
        expected += literal_bits(on_grid(np.asarray(layer.bias[...]), 8).tolist(), 8)
    assert found.terms["bits"] == expected
    errors, e = found.terms["errors"], Fraction(found.value)
    tail = sum(math.comb(3000, i) * e**i * (1 - e) ** (3000 - i) for i in range(errors + 1))
    assert tail <= Fraction(1, 100) / 2**expected


# ---- the bound -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("f", [linear, unreadable])
def test_its_errors_are_those_of_the_rounded_network(f):
    y = np.asarray(f(X)).argmax(1)
    found, quantised = row(f, X, y), bounds.quantised(f, X, y)
    alone = bounds.occam(bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X, y), delta=0.01)
    assert found.guarantee == "certificate" and found.value < alone.value and found.terms["errors"] > 0
    fresh = RNG.normal(size=(20000, 20)).astype(np.float32)
    network = quantised.network
    scores = network.run(fresh) if isinstance(network, bounds.Program) else bounds.evaluate(network, fresh)
    assert found.value > np.mean(scores.argmax(1) != np.asarray(f(fresh)).argmax(1))
    assert found.value == pytest.approx(found.margin_error + found.complexity + found.confidence, abs=1e-12)


def test_a_program_without_a_graph():
    """Parameters are rounded, constants of the closure stay; the text is paid for."""
    shift = RNG.normal(size=(20, 3)).astype(np.float32)

    def f(params, x):
        return jnp.sort(x @ params["w"], axis=1) + x @ shift

    y = np.asarray(f({"w": TRUTH}, X)).argmax(1)
    program = bounds.read_program(f, X[:2], params={"w": TRUTH})
    sample = bounds.Sample.measure(lambda x: f({"w": TRUTH}, x), X, y)
    quantised = bounds.quantised(f, X, y, params={"w": TRUTH})
    rounded_program = bounds.read_program(rounded(Network(f, {"w": TRUTH}), 4), X[:2])
    assert [name for name, _ in rounded_program.numbers] == ["w", "constant 0"]
    assert np.array_equal(rounded_program.numbers[0][1], on_grid(TRUTH, 4))
    assert np.array_equal(rounded_program.numbers[1][1], shift)
    found = bounds.occam_quantised(program, sample, delta=0.01, quantised=quantised)
    codes = quantised_code(rounded_program)
    assert [code.form.split()[0] for code in codes] == ["grid", "each"]
    by_program = bounds.Quantised(rounded_program, Margins.measure(rounded_program.run, X, y))
    again = bounds.occam_quantised(program, sample, delta=0.01, quantised=by_program)
    text = text_bits(rounded_program.text)
    assert again.terms["bits"] == 1 + text + sum(code.bits for code in codes) and found.terms["bits"] <= 10_000


def test_a_level_more_or_less_changes_the_row():
    """One weight that leaves zero, and one that leaves the grid."""
    graph, sample = bounds.read_graph(linear, X[:2]), bounds.Sample.measure(linear, X, Y)
    quantised = bounds.quantised(linear, X, Y)
    small = quantised.network
    (term,) = small.layers[1].terms
    values = set()
    for flipped in (0.0, 0.1, term.weight.min()):
        weight = term.weight.copy()
        weight[np.unravel_index(np.abs(weight).argmin(), weight.shape)] += flipped
        layer = replace(small.layers[1], terms=(replace(term, weight=weight),))
        other = replace(small, layers=(small.layers[0], layer))
        own = Margins.measure(lambda x, g=other: bounds.evaluate(g, np.asarray(x)), X, Y)
        values.add(bounds.occam_quantised(graph, sample, delta=0.01, quantised=bounds.Quantised(other, own)).value)
    assert len(values) == 3


def test_labels_learned_by_heart():
    """Random labels of distinct inputs: the table of answers lies on a grid, and the row stays above chance."""
    for classes in (2, 4):
        labels = np.random.default_rng(classes).integers(0, classes, 300)
        table = np.eye(classes, dtype=np.float32)[labels]
        x = np.eye(300, dtype=np.float32)
        found = row(lambda x, table=table: x @ table, x, labels, delta=0.05)
        assert found.terms["errors"] == 0 and found.value >= 1 - 1 / classes


def test_a_codebook_is_a_quantised_network_too():
    graph, sample = bounds.read_graph(linear, X[:2]), bounds.Sample.measure(linear, X, Y)
    small = bounds.quantise(graph, 3)
    own = Margins.measure(lambda x: bounds.evaluate(small, np.asarray(x)), X, Y)
    found = bounds.occam_quantised(graph, sample, delta=0.01, quantised=bounds.Quantised(small, own))
    same = bounds.occam(small, bounds.Sample.measure(lambda x: bounds.evaluate(small, np.asarray(x)), X, Y), delta=0.01)
    assert found.terms["bits"] == same.terms["bits"] + 1 and found.terms["errors"] == same.terms["errors"]


def test_a_code_that_nobody_can_pay_is_not_run():
    wide = RNG.normal(size=(20, 2000)).astype(np.float32), RNG.normal(size=(2000, 3)).astype(np.float32)
    f = lambda x: jnp.maximum(x @ wide[0], 0) @ wide[1]  # noqa: E731
    found = row(f)
    assert (found.value, found.margin_error, found.guarantee) == (1.0, 1.0, "certificate")
    assert "not run on the sample" in found.note and bounds.quantised(f, X, Y).margins is None


def test_without_a_quantised_network_and_with_another():
    graph, sample = bounds.read_graph(linear, X[:2]), bounds.Sample.measure(linear, X, Y)
    assert "table makes one" in bounds.occam_quantised(graph, sample, delta=0.01).note
    small = bounds.quantised(linear, X, Y)
    with pytest.raises(ValueError, match="other samples"):
        bounds.occam_quantised(graph, sample, delta=0.01, quantised=bounds.quantised(linear, X[::-1], Y[::-1]))
    flattered = bounds.Quantised(small.network, Margins.measure(linear, X, Y))
    with pytest.raises(ValueError, match="another network"):
        bounds.occam_quantised(graph, sample, delta=0.01, quantised=flattered)
    other = bounds.quantised(lambda x: x[:, :10] @ TRUTH[:10], X[:, :10], Y)
    with pytest.raises(ValueError, match="other inputs"):
        bounds.occam_quantised(graph, sample, delta=0.01, quantised=other)
    by_hand = bounds.Quantised(small.network, Margins(small.margins.margins))
    assert bounds.occam_quantised(graph, sample, delta=0.01, quantised=by_hand).guarantee == "published"
    with pytest.raises(ValueError, match="quantised was given"):
        bounds.what_if_pruned(bounds.occam_quantised, graph, X, Y, layer=1, density=0.5, quantised=small)


def test_more_samples_that_nobody_drew():
    graph, sample = bounds.read_graph(linear, X[:2]), bounds.Sample.measure(linear, X, Y)
    options = {"quantised": bounds.quantised(linear, X, Y)}
    more = bounds.what_if_samples(bounds.occam_quantised, graph, sample, 100 * sample.m, **options)
    assert more.value < bounds.occam_quantised(graph, sample, delta=1e-3, **options).value and more.guarantee == "shape"


@pytest.mark.parametrize("name", ["nnx_batch_norm", "residual_post_activation", "max_pooled", "native_biased"])
def test_networks_have_the_row(name):
    net = networks.network(name)
    x = RNG.normal(size=(40, *net.x.shape[1:])).astype(np.float32)
    y = np.arange(40) % networks.CLASSES
    found = bounds.table(net.f, x, y, names=["occam", "occam_quantised"]).set_index("bound")
    assert found.value.notna().all() and (found.guarantee == "certificate").all()


def test_what_cannot_be_traced_has_a_reason():
    f = lambda x: jnp.asarray(np.asarray(x) @ TRUTH)  # noqa: E731
    found = bounds.table(f, X, Y, X[:0:-1] + 1, Y[1:], names=["occam_quantised", "held_out"]).set_index("bound")
    assert math.isnan(found.value["occam_quantised"]) and "could not be written down" in found.note["occam_quantised"]
