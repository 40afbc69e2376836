"""Trees, look-ups and words of bits: truth values and whole numbers that depend on the input are unknown layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds

RNG = np.random.default_rng(0)
X = np.concatenate([np.arange(64)[:, None], RNG.normal(size=(64, 2))], axis=1).astype(np.float32)
Y = RNG.integers(0, 2, 64)
WORDS = np.packbits(Y.astype(np.uint8), bitorder="little").view("<u4")
"""The labels, 32 in a word."""


def _scores(d):
    return jnp.stack([-d, d], axis=1)


def _place(x):
    return (x[:, 0] > 31.0).astype(jnp.int32)


def _bit(words, x):
    which = (x[:, 0] - 32.0 * (x[:, 0] > 31.0).astype(jnp.float32)).astype(jnp.uint32)
    return _scores(2.0 * ((words >> which) & 1).astype(jnp.float32) - 1.0)


def tree(x):
    return _scores(jnp.where(x[:, 1] <= 0.3, jnp.where(x[:, 2] <= 0.5, 1.0, -1.0), -1.0))


def pattern(x):
    return _scores(jnp.where((x > 0.0) == jnp.array([True, False, True]), 1.0, -1.0).sum(axis=1))


def table(x):
    return _bit(jnp.asarray(WORDS)[_place(x)], x)


def slices(x):
    words = jnp.asarray(WORDS)
    return _bit(jax.vmap(lambda at: jax.lax.dynamic_slice(words, (at,), (1,))[0])(_place(x)), x)


def literals(x):
    word = jnp.zeros(len(x), jnp.uint32)
    for number, one in enumerate(WORDS):
        word = jnp.where(_place(x) == number, jnp.uint32(one), word)
    return _bit(word, x)


@pytest.mark.parametrize("f", [tree, pattern, table, slices, literals], ids=lambda f: f.__name__)
def test_they_are_read_as_what_they_are(f):
    graph = bounds.read_graph(f, X[:2])
    np.testing.assert_array_equal(bounds.evaluate(graph, X[::9]), f(jnp.asarray(X[::9])))
    assert any(layer.role == "unknown" for layer in graph.layers)


def test_labels_looked_up_in_a_table_are_paid_for():
    rows = bounds.table(table, X, Y, delta=0.05, names=["occam"])
    assert (rows.train_error == 0).all() and (rows.value > 0.9).all(), "true error 1/2"
