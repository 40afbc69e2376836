"""Bounds that need no graph: what stands in a program is paid for, wherever it stands, and nothing is left out."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from sparsebounds import bounds
from sparsebounds.bounds.theorems.description.beyond_layers import text_bits
from sparsebounds.bounds.theorems.description.code_length import graph_code, number_format, part_code, parts

NEED_NO_GRAPH = {"occam", "occam_quantised", "parameter_count", "held_out"}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(int)
W = RNG.normal(size=(6, 2)).astype(np.float32)


def bits(f, params=None, x=X[:2]):
    program = bounds.read_program(f, x, params=params)
    return sum(code.bits for code in graph_code(program)) + text_bits(program.text)


def whole(x):
    """Refused by the reader: arithmetic of integers."""
    return jnp.stack([x.sum(axis=1), 3 * x[:, 0]], axis=1) * 2


def fresh(count):
    return RNG.normal(size=(count, *X.shape[1:])).astype(np.float32), Y[:count]


@pytest.mark.parametrize(
    "f",
    [
        lambda x: jnp.sort(x @ W, axis=1),  # an operation that the reader does not know
        lambda x: jnp.where(x.sum(axis=1, keepdims=True) > 0, x @ W, jnp.cumprod(x @ W, axis=1)),
    ],
)
def test_networks_with_unknown_operations_have_the_rows(f):
    rows = bounds.table(f, X, Y, *fresh(50), delta=0.01).set_index("bound")
    assert set(rows.index[rows.value.notna()]) == NEED_NO_GRAPH
    assert (rows.guarantee[list(NEED_NO_GRAPH)] == "certificate").all()
    assert rows.note.drop(list(NEED_NO_GRAPH)).str.contains("not cover").all()


def test_a_network_that_the_reader_refuses_has_them_too():
    x, y = RNG.integers(-9, 9, size=(5000, 4)), np.arange(5000) % 2
    with pytest.raises(bounds.ReadError, match="integers"):
        bounds.read_graph(whole, x[:2])
    rows = bounds.table(whole, x, y, RNG.integers(-9, 9, size=(50, 4)), y[:50], delta=0.01).set_index("bound")
    assert set(rows.index[rows.value.notna()]) == NEED_NO_GRAPH
    assert rows.note.drop(list(NEED_NO_GRAPH)).str.contains("could not be read: .*integers").all()
    assert "its text and 0 arrays: there is no graph" in rows.note["occam"]


def test_what_cannot_be_traced_has_the_held_out_row():
    def f(x):
        return jnp.asarray(np.asarray(x) @ W)

    rows = bounds.table(f, X, Y, *fresh(50)).set_index("bound")
    assert set(rows.index[rows.value.notna()]) == {"held_out"}
    assert "the program could not be written down" in rows.note["occam"]


def test_python_called_from_within_is_not_coded():
    def f(x):
        out = jax.ShapeDtypeStruct((len(x), 2), jnp.float32)
        return jax.pure_callback(lambda v: np.asarray(v) @ W, out, x, vmap_method="sequential")

    program = bounds.read_program(f, X[:2])
    assert program.text is None and "runs code that is no program of JAX" in program.reason
    found = bounds.occam(program, bounds.Sample.measure(f, X, Y), delta=0.01)
    assert math.isnan(found.value) and "pure_callback" in found.note
    in_a_graph = bounds.occam(bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X, Y), delta=0.01)
    assert math.isnan(in_a_graph.value) and "pure_callback, whose program could not" in in_a_graph.note


# ---- everything is counted -----------------------------------------------------------------------------------------


def test_parameters_and_closures_count_alike():
    given, closed = bits(lambda p, x: jnp.sort(x @ p, axis=1), W), bits(lambda x: jnp.sort(x @ W, axis=1))
    assert abs(given - closed) <= 8 and given > 32 * W.size
    program = bounds.read_program(lambda x: jnp.sort(x @ W, axis=1), X[:2])
    assert program.constants == 1 and [name for name, _ in program.numbers] == ["constant 0"]


@pytest.mark.parametrize("length", [1, 2, 5])
def test_numbers_written_into_the_program_are_paid_for(length):
    """Learned scalars as literals, in place of an array: at least what they carry."""
    learned = RNG.normal(size=length).astype(np.float32)

    def f(x):
        for number in learned:
            x = jnp.cumsum(x * float(number), axis=1)
        return x @ W

    def plain(x):
        for _ in learned:
            x = jnp.cumsum(x * 2.0, axis=1)
        return x @ W

    assert bits(f) - bits(plain) >= 24 * length - 8


@pytest.mark.parametrize("how", ["indices", "slices", "split", "mask"])
def test_what_is_selected_is_paid_for(how):
    """Some of 64 features, picked by looking: at least log₂ C(64, k), wherever the choice stands."""
    k, x = 12, RNG.normal(size=(2, 64)).astype(np.float32)
    picked = np.sort(RNG.permutation(64)[:k])

    def select(x, picked):
        if how == "indices":
            return x[:, picked]
        if how == "slices":
            return jnp.concatenate([x[:, i : i + 1] for i in picked], axis=1)
        if how == "split":
            parts = jnp.split(x, 64, axis=1)
            return jnp.concatenate([parts[i] for i in picked], axis=1)
        return x * np.isin(np.arange(64), picked).astype(np.float32)

    chosen, first = (bits(lambda x, p=p: jnp.sort(select(x, p), axis=1), x=x) for p in (picked, np.arange(k)))
    assert chosen >= math.log2(math.comb(64, k))
    if how == "slices":
        assert chosen > first


def test_inner_constants_are_paid_for():
    """Arrays that stand in the body of a loop, in a jitted function and in a branch."""
    big = RNG.normal(size=(6, 6)).astype(np.float32)

    def loop(x):
        return jax.lax.while_loop(lambda v: jnp.sum(v) < -1e9, lambda v: v @ big, x) @ W

    def branch(x):
        return jax.lax.cond(jnp.sum(x[0]) > 1e9, lambda v: v @ big, lambda v: v, x) @ W

    for f in (loop, branch, jax.jit(loop)):
        assert bits(f) >= 32 * (big.size + W.size)
        sample = bounds.Sample.measure(f, X, Y)
        found = bounds.occam(bounds.read_graph(f, X[:2]), sample, delta=0.01)
        assert found.terms["bits"] >= 32 * (big.size + W.size) and found.terms["bits of operations"] > 100


@pytest.mark.parametrize(
    "apply",
    [
        lambda z, c: jnp.where(z > c, jnp.exp(z), z),
        lambda z, c: jnp.exp(jnp.sin(z) * c),
        lambda z, c: jnp.exp(z + c),
        lambda z, c: jnp.floor(c * z),
    ],
)
def test_numbers_in_an_unknown_activation_are_paid_for(apply):
    """A learned threshold or factor inside a function that the table of activations does not have."""
    number = np.float32(1.2345678)
    graph = bounds.read_graph(lambda x: apply(x @ W, number) @ W[:2], X[:2])
    assert any(layer.role == "unknown" for layer in graph.layers)
    texts = " ".join(getattr(layer, "text", "") for layer in graph.layers)
    assert "1.23456" in texts or any(np.isin(number, slots.astype(np.float64)) for _, slots in parts(graph))


def test_shared_arrays_count_once_and_unused_ones_not_at_all():
    unused = {"w": W, "v": RNG.normal(size=(50, 50)).astype(np.float32)}
    assert bits(lambda p, x: x @ p["w"], unused) == bits(lambda p, x: x @ p["w"], {"w": W})
    square = RNG.normal(size=(6, 6)).astype(np.float32)
    once, twice = bits(lambda x: x @ square), bits(lambda x: jnp.sort(x @ square, axis=1) @ square)
    assert twice - once < 32 * square.size / 2


def test_texts_have_a_prefix_code():
    """Kraft: 2^-bits over all texts of a length, as many as there are bytes strings, is at most the length's share."""
    lengths = [1 + 2 * ((n + 1).bit_length() - 1) + 1 for n in range(4000)]
    assert 2 * sum(2.0**-bits for bits in lengths) <= 1  # the first bit: deflated or not
    assert text_bits("x" * 10) <= 1 + 7 + 80


def test_whole_numbers_have_formats_of_their_own():
    assert number_format(np.array([255])) == ("uint8", 8) and number_format(np.array([-1, 127])) == ("int8", 8)
    assert number_format(np.array([2**63], np.uint64)) == ("uint64", 64)
    assert part_code("list", np.arange(1, 100)).bits <= 8 + 8 + 7 + 8 * 99


def test_masks_of_infinities_are_counted_by_their_bits():
    mask = np.where(np.tri(6, dtype=bool), 0, -np.inf).astype(np.float32)
    f = lambda x: jnp.sort(jax.nn.softmax(x[:, :, None] + mask, axis=1)[:, :2, 0], axis=1)  # noqa: E731
    program = bounds.read_program(f, X[:2])
    assert all(np.isfinite(code.bits) for code in graph_code(program)) and len(program.numbers) == 1


# ---- modules -------------------------------------------------------------------------------------------------------


def test_parameters_of_modules_have_names():
    model = nnx.Sequential(nnx.Linear(6, 4, rngs=nnx.Rngs(0)), nnx.Linear(4, 2, rngs=nnx.Rngs(1)))
    assert sorted(name for name, _ in bounds.read_program(model, X[:2]).numbers) == [
        "layers.0.bias",
        "layers.0.kernel",
        "layers.1.bias",
        "layers.1.kernel",
    ]

    module = linen.Dense(2)
    variables = module.init(jax.random.key(0), X[:1])
    program = bounds.read_program(module.apply, X[:2], params=variables)
    assert [name for name, _ in program.numbers] == ["params.bias", "params.kernel"] and program.constants == 0
    by_params = bounds.table(module.apply, X, Y, params=variables, names=["galanti", "occam"]).value
    by_closure = bounds.table(lambda x: module.apply(variables, x), X, Y, names=["galanti", "occam"]).value
    assert by_params.tolist() == by_closure.tolist()
    with pytest.raises(ValueError, match="has parameters of its own"):
        bounds.table(model, X, Y, params=variables)


def test_chance_and_batches_are_refused():
    key = jax.random.key(0)
    dropout = nnx.Sequential(nnx.Linear(6, 2, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    with pytest.raises(bounds.ReadError, match="training mode"):
        bounds.read_program(dropout, X[:2])
    with pytest.raises(bounds.ReadError, match="mixes the inputs"):
        bounds.read_program(lambda x: (x - x.mean(axis=0))[:, :2], X[:2])
    fixed = bounds.read_program(lambda p, x: x @ jax.random.normal(p["key"], (6, 2)), X[:2], params={"key": key})
    assert [array.tolist() for _, array in fixed.numbers] == [[0, 0]]


def test_a_sample_of_another_network_is_refused():
    program = bounds.read_program(lambda x: x @ W, X[:2])
    with pytest.raises(ValueError, match="another network"):
        bounds.occam(program, bounds.Sample.measure(lambda x: x @ -W, X, Y), delta=0.01)
    other = replace(program, input=bounds.read_program(lambda x: x @ W[:5], X[:2, :5]).input)
    with pytest.raises(ValueError, match="inputs of shape"):
        bounds.occam(other, bounds.Sample.measure(lambda x: x @ W, X, Y), delta=0.01)


@pytest.mark.parametrize("x", [np.ones(3, np.float32), np.ones((0, 3), np.float32)])
def test_a_program_needs_a_batch_of_inputs(x):
    with pytest.raises(ValueError, match=r"example inputs of shape .* needed \(B, …\)"):
        bounds.read_program(lambda x: x @ np.ones((3, 2), np.float32), x)
