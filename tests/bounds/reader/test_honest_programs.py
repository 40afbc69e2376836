"""Programs as people write them that the reader once failed on: constants in maxima, steps, loops, categories."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 5, 6)).astype(np.float32)
W, R, V = (RNG.normal(size=s).astype(np.float32) / 2 for s in ((6, 8), (8, 8), (8, 3)))
B, TABLE = RNG.normal(size=8).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)


def flat(function):
    return lambda x: function(x[:, 0] @ W) @ V


def recurrent(x):
    def step(h, u):
        h = jnp.tanh(u @ W + h @ R)
        return h, h

    return jax.lax.scan(step, jnp.zeros((len(x), 8)), x.swapaxes(0, 1))


def category(x):
    return jnp.asarray(TABLE)[jnp.clip(jnp.round(x[:, 0, 0]), 0, 3).astype(int)] + x[:, 0, 1:4]


def spike(t):
    return jnp.where(t > 0, 1.0, 0.0)


PROGRAMS = {
    "a learned vector in a maximum": flat(lambda t: jnp.maximum(t, B)),
    "in a minimum": flat(lambda t: jnp.minimum(t, B)),
    "in both": flat(lambda t: jnp.clip(t, -jnp.abs(B), jnp.abs(B))),
    "step": flat(spike),
    "step of the input": lambda x: spike(x[:, 0] - 0.5) @ W @ V,
    "remainder": flat(lambda t: jnp.mod(t, 1.0)),
    "interpolation": flat(lambda t: jnp.interp(t, jnp.array([-1.0, 0.0, 1.0]), jnp.array([0.0, 2.0, 3.0]))),
    "last state": lambda x: recurrent(x)[0] @ V,
    "mean of the states": lambda x: recurrent(x)[1].mean(axis=0) @ V,
    "states of states": lambda x: jax.lax.scan(lambda h, u: (h + u, h), 0 * x[:, 0] @ W, recurrent(x)[1])[0] @ V,
    "states of an activation": lambda x: jax.lax.scan(lambda h, u: (h + u, u), 0 * x[:, 0], jnp.tanh(x.swapaxes(0, 1)))[
        0
    ][:, :3],
    "a category among numbers": category,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_graph_is_the_function(name):
    graph = bounds.read_graph(PROGRAMS[name], X[:2])
    for scale in (1.0, 30.0):
        expected = np.asarray(PROGRAMS[name](jnp.asarray(scale * X)))
        np.testing.assert_allclose(bounds.evaluate(graph, scale * X), expected, rtol=2e-3, atol=2e-3)


def test_truth_values_of_the_input():
    truth = RNG.integers(0, 2, size=(30, 6)).astype(bool)
    graph = bounds.read_graph(lambda x: jnp.where(x, 1.0, -1.0) @ W @ V, truth[:2])
    np.testing.assert_allclose(bounds.evaluate(graph, truth), np.where(truth, 1, -1) @ W @ V, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["bartlett", "peeling", "galanti", "path_norm", "golowich_sharp"])
def test_a_learned_vector_in_a_maximum_counts(name):
    """A hundred times the vector: no bound may be what it is for the vector itself."""

    def complexity(size):
        f = flat(lambda t: jnp.maximum(t, size * B))
        graph, sample = bounds.read_graph(f, X[:2]), bounds.Sample.measure(f, X, np.arange(40) % 3)
        found = bounds.BOUNDS[name](graph, sample, delta=0.01, gamma=1.0)
        assert found.guarantee == "certificate" and found.covered
        return found.terms["complexity uncapped"]

    assert complexity(100.0) > 3.0 * complexity(1.0)
