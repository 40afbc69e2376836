"""Networks that compute in bfloat16 or float16 are read as what they compute in float32."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 6, 6, 2)).astype(np.float32)
W, V = (RNG.normal(size=s).astype(np.float32) for s in ((72, 8), (8, 3)))


def by_hand(kind):
    return lambda x: (jax.nn.relu(x.reshape(len(x), -1).astype(kind) @ W.astype(kind)) @ V.astype(kind)).astype(
        jnp.float32
    )


def of_flax(kind):
    rngs = nnx.Rngs(0)
    return nnx.Sequential(
        nnx.Conv(2, 4, (3, 3), dtype=kind, rngs=rngs),
        nnx.LayerNorm(4, dtype=kind, rngs=rngs),
        nnx.gelu,
        lambda h: h.mean((1, 2)),
        nnx.Linear(4, 3, dtype=kind, rngs=rngs),
    )


@pytest.fixture(autouse=True)
def promotion():
    with jax.numpy_dtype_promotion("standard"):  # Flax's own layers need it
        yield


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("make", [by_hand, of_flax])
def test_the_difference_is_measured_and_said(make, kind):
    f = make(kind)
    graph = bounds.read_graph(f, X)
    assert not [layer for layer in graph.layers if layer.role == "unknown"]
    scores, found = np.asarray(f(X[:2]), dtype=np.float64), bounds.evaluate(graph, X[:2])
    assert graph.rounding == pytest.approx(np.abs(scores - found).max() / np.abs(scores).max(), rel=0.5)
    assert 1e-6 < graph.rounding < 0.03


def test_rows_say_so():
    graph = bounds.read_graph(by_hand(jnp.bfloat16), X)
    sample = bounds.Sample.measure(lambda x: bounds.evaluate(graph, np.asarray(x)), X, np.arange(30) % 3)
    assert "in low precision its scores differ by 0.0" in bounds.parameter_count(graph, sample, delta=0.1).note


def test_float32_has_no_rounding():
    assert bounds.read_graph(by_hand(jnp.float32), X).rounding == 0.0


@pytest.mark.parametrize("kind", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize(
    ("function", "name"),
    [
        (lambda t: t * jax.nn.sigmoid(1.702 * t), "quick GELU"),
        (lambda t: jax.nn.gelu(t, approximate=False), "GELU"),
        (jax.nn.silu, "SiLU"),
        (jax.nn.mish, "Mish"),
        (lambda t: jnp.minimum(jax.nn.relu(t), 100), "clip"),
    ],
)
def test_of_functions_that_are_alike_the_closest_is_meant(kind, function, name):
    graph = bounds.read_graph(
        lambda x: (function(x[:, 0, 0].astype(kind) @ W[:2].astype(kind)) @ V.astype(kind)).astype(jnp.float32), X
    )
    assert [layer.function.name for layer in graph.layers if layer.role == "activation"] == [name]
