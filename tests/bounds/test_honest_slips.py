"""What people hand in by mistake: one sentence that says what to do, and no number of another function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen
from jax import lax

from sparsebounds import bounds
from sparsebounds.bounds.sample import Margins

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype(np.float32)
W, ONE = RNG.normal(size=(6, 3)).astype(np.float32), RNG.normal(size=(6, 1)).astype(np.float32)
Y, HALF = (X @ W).argmax(axis=1), (X @ ONE > 0).astype(int)[:, 0]


def linear(x):
    return x @ W


def table(f, *data, names=("galanti", "held_out"), **options):
    return bounds.table(f, *(data or (X, Y)), names=list(names), **options)


PROBABILITIES = {
    "clipped": lambda x: jnp.clip(jax.nn.sigmoid(x @ ONE), 1e-6, 1 - 1e-6),
    "probit": lambda x: jax.scipy.stats.norm.cdf(x @ ONE)[:, 0],
    "hard sigmoid": lambda x: jax.nn.hard_sigmoid(x @ ONE),
    "predictions": lambda x: jnp.argmax(x @ W[:, :2], axis=1),
    "truth": lambda x: x @ ONE > 0,
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_a_probability_is_no_score(name):
    for measure in (bounds.Sample.measure, Margins.measure):
        with pytest.raises(ValueError, match=r"all of them from 0 to 1.*return the logit"):
            measure(PROBABILITIES[name], X, HALF, batch_size=40)
    if name not in ("predictions", "truth"):  # what the message says helps
        moved = bounds.Sample.measure(lambda x: PROBABILITIES[name](x) - 0.5, X, HALF)
        assert moved.train_error == 0.0


def test_scores_of_both_signs_and_constant_ones_pass():
    assert bounds.Sample.measure(lambda x: 1e-3 * x @ ONE, X, HALF).train_error == 0.0
    assert bounds.Sample.measure(lambda x: 0 * x @ ONE, X, HALF).train_error == 1.0
    assert bounds.Sample.measure(lambda x: jnp.abs(x @ ONE), X, HALF).m == 90  # some above 1
    assert bounds.Sample.measure(lambda x: jax.nn.relu(1e-3 * x @ ONE), X[:9], HALF[:9]).m == 9  # too few to tell


def test_squeeze_without_an_axis():
    def f(x):
        return (x @ ONE).squeeze()

    with pytest.raises(bounds.ReadError, match=r"write squeeze\(-1\)"):
        bounds.read_graph(f, X[:2])
    with pytest.raises(ValueError, match=r"write squeeze\(-1\)"):
        bounds.Sample.measure(f, X, HALF, batch_size=89)


COMPLEX = {
    "fft": lambda x: jnp.abs(jnp.fft.rfft(x))[:, :3],
    "products": lambda x: jnp.abs(lax.complex(x, x[:, ::-1]) @ (W + 1j).astype(np.complex64)),
}


@pytest.mark.parametrize("name", COMPLEX)
@pytest.mark.filterwarnings("error")
def test_complex_numbers_inside_leave_what_needs_no_graph(name):
    with pytest.raises(bounds.ReadError, match=r"test_honest_slips.py.* computes complex numbers"):
        bounds.read_graph(COMPLEX[name], X[:2])
    y = np.asarray(COMPLEX[name](X)).argmax(axis=1)
    rows = table(COMPLEX[name], X[:60], y[:60], X[60:], y[60:]).set_index("bound")
    assert rows.test_error["held_out"] == 0.0 and np.isnan(rows.value["galanti"])


@pytest.mark.filterwarnings("error")
def test_complex_scores_are_refused():
    for run in (lambda f: table(f), lambda f: bounds.Sample.measure(f, X, Y)):
        with pytest.raises(ValueError, match="complex numbers"):
            run(lambda x: jnp.fft.fft(x)[:, :3])


class Normed(linen.Module):
    @linen.compact
    def __call__(self, x, train=False):
        return linen.Dense(3)(linen.BatchNorm(use_running_average=not train)(x))


def raising(x):
    raise RuntimeError("no device")


NORMED = Normed()
HELD = NORMED.init(jax.random.key(0), X[:1])
FAILING = {
    "no parameters": (lambda params, x: x @ params, r"params=…"),
    "immutable statistics": (lambda x: NORMED.apply(HELD, x, train=True), "evaluation mode"),
    "a collection too deep": (lambda x: NORMED.apply(HELD["params"], x), "could not be traced"),
    "its own error": (raising, "no device"),
    "division by zero": (lambda x: x @ W * (1 / 0), "division by zero"),
}


@pytest.mark.parametrize("name", FAILING)
def test_a_function_that_fails_is_one_sentence(name):
    f, said = FAILING[name]
    for names in (["galanti"], ["occam"]):
        with pytest.raises(bounds.ReadError, match=said):
            table(f, names=names)
    with pytest.raises(bounds.ReadError, match="fails on inputs of shape"):
        bounds.read_program(f, X[:2])


def test_parameters_that_are_none():
    with pytest.raises(ValueError, match="holds a str at act; needed arrays alone"):
        table(lambda p, x: x @ p["w"], params={"w": W, "act": "relu"})
    found = table(lambda p, x: p["s"] * x @ p["w"], params={"w": W, "s": 0.5, "b": None}, names=["galanti"])
    assert found.value.notna().all()


def test_a_loop_may_index_the_input():
    def f(x):
        return lax.fori_loop(0, 6, lambda i, h: h + x[:, i, None] * W[0], jnp.zeros((len(x), 3)))

    graph = bounds.read_graph(f, X[:2])
    np.testing.assert_allclose(bounds.evaluate(graph, X), f(jnp.asarray(X)), rtol=1e-4, atol=1e-5)


def test_a_class_that_is_masked():
    with pytest.raises(bounds.ReadError, match="leave classes out that a mask of -inf rules out"):
        bounds.read_graph(lambda x: jnp.where(jnp.array([True, True, False]), x @ W, -jnp.inf), X[:2])


def test_test_samples_that_are_not_like_the_training_samples():
    with pytest.raises(ValueError, match=r"shape \(6,\) and x_test of shape \(5,\)"):
        table(linear, X, Y, X[:, :5], Y)
    with pytest.raises(ValueError, match="x_train is float32 and x_test uint8"):
        table(linear, X, Y, (X * 20).astype(np.uint8), Y)


def test_arguments_in_another_order():
    graph, sample = bounds.read_graph(linear, X[:2]), bounds.Sample.measure(linear, X, Y)
    for given in ((sample, graph), (linear, sample), (graph, X)):
        with pytest.raises(ValueError, match="a bound takes a graph and a sample, in this order"):
            bounds.galanti(*given, delta=0.1)
    with pytest.raises(ValueError, match=r"test is a tuple; needed a measured sample"):
        bounds.held_out(graph, sample, delta=0.1, test=(X, Y))
    with pytest.raises(ValueError, match=r"shape is 6; needed that of one input"):
        bounds.spectral_norm(linear, 6)
