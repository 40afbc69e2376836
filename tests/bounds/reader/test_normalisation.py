"""Normalisations are told by what they compute, however the program writes them."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax import lax

from sparsebounds import bounds
from sparsebounds.bounds.graph import Normalise

RNG = np.random.default_rng(0)
D, C = 6, 3
W, V, G, H = (RNG.normal(size=s).astype(np.float32) for s in ((5, D), (D, C), (D,), (D,)))
FLAT = RNG.normal(size=(4, 5)).astype(np.float32)
TOKENS = RNG.normal(size=(4, 7, 5)).astype(np.float32)
IMAGES = RNG.normal(size=(4, 4, 4, 5)).astype(np.float32)


def var(x, axis=-1):
    return jnp.mean((x - jnp.mean(x, axis, keepdims=True)) ** 2, axis, keepdims=True)


def mean(x):
    return jnp.mean(x, -1, keepdims=True)


def fast(x):
    return jnp.maximum(mean(x * x) - mean(x) ** 2, 0)


BY_HAND = {  # program → (centred, ε)
    "two passes": (lambda x: (x - mean(x)) / jnp.sqrt(var(x) + 1e-5) * G + H, True, 1e-5),
    "rsqrt": (lambda x: (x - mean(x)) * lax.rsqrt(var(x) + 1e-6) * G + H, True, 1e-6),
    "one over": (lambda x: (x - mean(x)) * (1 / jnp.sqrt(var(x) + 1e-3)), True, 1e-3),
    "power": (lambda x: G * ((x - mean(x)) * (var(x) + 1e-5) ** -0.5), True, 1e-5),
    "scaled before": (lambda x: G * (x - mean(x)) * lax.rsqrt(var(x) + 1e-5) + H, True, 1e-5),
    "scaled root": (lambda x: (x - mean(x)) * (G * lax.rsqrt(var(x) + 1e-5)), True, 1e-5),
    "fast variance": (lambda x: (x - mean(x)) * lax.rsqrt(fast(x) + 1e-5), True, 1e-5),
    "jnp.var": (lambda x: (x - mean(x)) / jnp.sqrt(jnp.var(x, -1, keepdims=True) + 1e-5), True, 1e-5),
    "standardize": (lambda x: jax.nn.standardize(x, epsilon=1e-5), True, 1e-5),
    "RMS": (lambda x: x * lax.rsqrt(mean(x * x) + 1e-6) * G, False, 1e-6),
    "RMS, a quotient": (lambda x: G * x / jnp.sqrt(mean(jnp.square(x)) + 1e-6), False, 1e-6),
    "length": (lambda x: x / jnp.sqrt(jnp.sum(x**2, -1, keepdims=True) + 6e-4), False, 1e-4),
    "groups": (lambda x: _groups(x) * G, True, 1e-5),
    "instances": (lambda x: _instances(x) * G, True, 1e-5),
}


def _groups(x):
    y = x.reshape(*x.shape[:-1], 2, D // 2)
    return ((y - mean(y)) * lax.rsqrt(var(y) + 1e-5)).reshape(x.shape)


def _instances(x):
    return (x - x.mean(1, keepdims=True)) * lax.rsqrt(var(x, 1) + 1e-5)


def read(f, x):
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-4)
    assert {layer.role for layer in graph.layers} <= {"input", "linear", "normalisation", "activation"}
    return [layer for layer in graph.layers if isinstance(layer, Normalise)]


@pytest.mark.parametrize("name", BY_HAND)
def test_a_normalisation_written_by_hand(name):
    function, centred, epsilon = BY_HAND[name]
    (layer,) = read(lambda x: function(jax.nn.relu(x @ W + H))[:, 2] @ V, TOKENS)
    assert layer.centred == centred and layer.epsilon == pytest.approx(epsilon, rel=1e-6)
    groups = {"groups": (14, 3), "instances": (6, 7)}.get(name, (7, 6))
    assert layer.elements.shape == groups and len(set(layer.elements.ravel())) == 42


@pytest.mark.parametrize("function", [BY_HAND["fast variance"][0], BY_HAND["RMS"][0]])
def test_a_bias_below_belongs_to_what_is_normalised(function):
    assert len(read(lambda x: function(x @ W + H) @ V, FLAT)) == 1


def test_what_is_normalised_is_read_once():
    def f(x):
        return BY_HAND["RMS"][0](jax.nn.gelu(x @ W + H))[:, 0] @ V

    assert sum(len(layer.dots) for layer in bounds.read_graph(f, TOKENS).layers) == 2
    assert len(read(f, TOKENS)) == 1


@pytest.mark.parametrize("function", [BY_HAND["rsqrt"][0], BY_HAND["RMS"][0]])
def test_one_normalisation_after_another_and_skips(function):
    def f(x):
        h = function(x @ W)
        h = function(h + jax.nn.relu(function(h) @ jnp.ones((D, D))))
        return function(h).mean(1) @ V

    assert len(read(f, TOKENS)) == 4


LAYERS = {
    "LayerNorm": (lambda r: nnx.LayerNorm(D, rngs=r), True, D),
    "LayerNorm, slow variance": (lambda r: nnx.LayerNorm(D, use_fast_variance=False, rngs=r), True, D),
    "LayerNorm, plain": (lambda r: nnx.LayerNorm(D, use_bias=False, use_scale=False, rngs=r), True, D),
    "RMSNorm": (lambda r: nnx.RMSNorm(D, rngs=r), False, D),
    "GroupNorm": (lambda r: nnx.GroupNorm(D, num_groups=3, rngs=r), True, 2 * 16),
    "InstanceNorm": (lambda r: nnx.InstanceNorm(D, rngs=r), True, 16),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_of_nnx(name):
    make, centred, width = LAYERS[name]
    rngs = nnx.Rngs(0)
    net = nnx.Sequential(
        nnx.Conv(5, D, (3, 3), rngs=rngs), make(rngs), nnx.gelu, lambda h: h.mean((1, 2)), nnx.Linear(D, C, rngs=rngs)
    )
    (layer,) = read(net, IMAGES)
    assert layer.centred == centred and layer.elements.shape[1] == width
    assert layer.epsilon == pytest.approx(1e-6, rel=1e-6)


@pytest.mark.parametrize("norm", [nn.LayerNorm, nn.RMSNorm, lambda: nn.GroupNorm(2), nn.InstanceNorm])
def test_layers_of_linen(norm):
    net = nn.Sequential([nn.Conv(D, (3, 3)), norm(), nn.relu, lambda h: h.reshape(len(h), -1), nn.Dense(C)])
    state = net.init(jax.random.key(0), IMAGES)
    assert len(read(lambda x: net.apply(state, x), IMAGES)) == 1


@pytest.mark.parametrize(
    "function",
    [
        lambda x: (x - mean(x)) / (jnp.sqrt(var(x)) + 1e-5),
        lambda x: (x - mean(x)) * lax.rsqrt(var(x)),
        lambda x: x * lax.rsqrt(var(x) + 1e-5),
        lambda x: x * lax.rsqrt(mean(jnp.abs(x)) + 1e-5),
        lambda x: (x - mean(x)) * lax.rsqrt(var(x[..., :3]) + 1e-5),
        lambda x: x * lax.rsqrt(mean(x * x) + 1e-5)[:, ::-1],
    ],
)
def test_what_only_looks_like_one_stays_unknown(function):
    f = lambda x: function(x @ W).mean(1) @ V  # noqa: E731
    graph = bounds.read_graph(f, TOKENS)
    np.testing.assert_allclose(bounds.evaluate(graph, TOKENS), f(TOKENS), rtol=1e-3, atol=1e-3)
    assert not [layer for layer in graph.layers if isinstance(layer, Normalise)]
    assert [layer for layer in graph.layers if layer.role == "unknown"]
