"""Segments, scatter-add and running sums are sums over windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.graph import Linear

RNG = np.random.default_rng(0)
T, D, C = 5, 4, 3
W, V = (RNG.normal(size=s).astype(np.float32) for s in ((D, D), (D, C)))
X = RNG.normal(size=(6, T, D)).astype(np.float32)
SEGMENTS, AT = jnp.array([2, 0, 2, 1, 0]), np.array([3, 1, 3, 0, 7])

SUMS = {
    "segment sum": lambda h: jax.vmap(lambda u: jax.ops.segment_sum(u, SEGMENTS, 3))(h),
    "segment sum, tokens first": lambda h: jax.ops.segment_sum(h.swapaxes(0, 1), SEGMENTS, 3).swapaxes(0, 1),
    "segment sum of channels": lambda h: jax.ops.segment_sum(h.T, jnp.array([0, 1, 1, 0]), 4).T,
    "scatter-add, one outside": lambda h: jnp.zeros((len(h), 4, D)).at[:, AT].add(h),
    "onto constants": lambda h: jnp.ones((len(h), 4, D)).at[:, AT].add(h + 1),
    "running sum": lambda h: jnp.cumsum(2 * h + 1, axis=1),
    "running sum of channels": lambda h: jnp.cumsum(h, axis=2),
    "from the end": lambda h: jax.lax.cumsum(h, axis=1, reverse=True),
}


@pytest.mark.parametrize("name", SUMS)
def test_they_are_read(name):
    def f(x):
        return SUMS[name](jax.nn.relu(x @ W)).mean(1) @ V

    graph = bounds.read_graph(f, X)
    np.testing.assert_allclose(bounds.evaluate(graph, X), f(X), rtol=1e-4, atol=1e-4)
    assert all(isinstance(layer, Linear) for layer in graph.layers[1:])
    if "channels" not in name:
        assert graph.layers[2].channels == D, "channels stay channels"


def test_segments_that_were_handed_in_are_a_choice():
    def f(x):
        return SUMS["segment sum"](x @ W).mean(1) @ V

    (selection,) = bounds.read_graph(f, X).selections
    assert selection.nats > 0 and bounds.read_graph(f, X, selections_fixed=True).selections == ()


def test_places_that_depend_on_the_input_are_unknown():
    def f(x):
        at = jnp.argmax(x[:, :, 0], axis=1)
        return jnp.zeros((len(x), D)).at[jnp.arange(len(x)), at % D].add(x[:, 0, 1]) @ V

    graph = bounds.read_graph(f, X)
    np.testing.assert_allclose(bounds.evaluate(graph, X), f(X), rtol=1e-4, atol=1e-4)
    assert [layer for layer in graph.layers if layer.role == "unknown"]
