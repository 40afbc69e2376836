"""Softmax attention is told by what it computes, however the program writes it."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.graph import Attention

RNG = np.random.default_rng(0)
T, D, H, C = 5, 6, 2, 3
Q, K, V, O = (RNG.normal(size=(D, D)).astype(np.float32) for _ in range(4))  # noqa: E741
B, LAST = RNG.normal(size=D).astype(np.float32), RNG.normal(size=(D, C)).astype(np.float32)
X = RNG.normal(size=(4, T, D)).astype(np.float32)
CAUSAL = np.tril(np.ones((T, T), bool))


def read(f, x=X, roles=("input", "linear", "attention")):
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-4)
    assert {layer.role for layer in graph.layers} <= set(roles)
    return [layer for layer in graph.layers if isinstance(layer, Attention)]


def split(x):
    return x.reshape(len(x), -1, H, D // H)


def by_einsum(softmax, mask=None, out=-1e9, heads=split):
    def f(x):
        q, k, v = heads(x @ Q + B), heads(x @ K), heads(x @ V - B)
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(D // H)
        s = s if mask is None else jnp.where(mask, s, out)
        h = jnp.einsum("bhqk,bkhd->bqhd", softmax(s), v).reshape(len(x), -1, D)
        return (x + h @ O + B).mean(1) @ LAST

    return f


SOFTMAX = {
    "library": jax.nn.softmax,
    "plain": lambda s: jnp.exp(s) / jnp.exp(s).sum(-1, keepdims=True),
    "less the largest": lambda s: (
        jnp.exp(s - s.max(-1, keepdims=True)) / jnp.exp(s - s.max(-1, keepdims=True)).sum(-1, keepdims=True)
    ),
    "times one over": lambda s: jnp.exp(s) * (1 / jnp.exp(s).sum(-1, keepdims=True)),
    "exp of log": lambda s: jnp.exp(jax.nn.log_softmax(s)),
}


@pytest.mark.parametrize("name", SOFTMAX)
def test_attention_by_einsum(name):
    (layer,) = read(by_einsum(SOFTMAX[name]))
    assert (layer.positions, layer.channels, layer.mask) == (T, D, None)
    assert layer.query.shape == layer.key.shape == layer.value.shape == (T, H, D // H)
    assert layer.scale == pytest.approx((D // H) ** -0.5, rel=1e-5)


@pytest.mark.parametrize("out", [-1e9, -np.inf, np.finfo(np.float32).min])
def test_a_causal_mask(out):
    (layer,) = read(by_einsum(jax.nn.softmax, CAUSAL, out))
    assert np.array_equal(layer.mask, CAUSAL)


def test_a_mask_that_is_added():
    def f(x):
        s = (x @ Q) @ (x @ K).swapaxes(1, 2) + np.where(CAUSAL, 0, -1e9).astype(np.float32)
        return (jax.nn.softmax(s) @ (x @ V)).mean(1) @ LAST

    (layer,) = read(f)
    assert np.array_equal(layer.mask, CAUSAL) and (layer.scale, layer.query.shape) == (1.0, (T, 1, D))


def test_one_projection_cut_in_three():
    def f(x):
        q, k, v = jnp.split(x @ np.concatenate([Q, K, V], axis=1), 3, axis=-1)
        h = jax.nn.softmax(q @ k.swapaxes(1, 2) / D**0.5) @ v
        return h[:, 0] @ LAST

    (layer,) = read(f)
    assert layer.query.shape == (T, 1, D)


def test_another_source_of_keys():
    def f(x):
        q, k, v = x[:, :2] @ Q, x @ K, x @ V
        return (jax.nn.softmax(jnp.einsum("bqd,bkd->bkq", q, k), axis=1).swapaxes(1, 2) @ v).mean(1) @ LAST

    (layer,) = read(f)
    assert layer.query.shape == (2, 1, D) and layer.key.shape == (T, 1, D)


@pytest.mark.parametrize("causal", [False, True])
def test_the_function_of_jax(causal):
    def f(x):
        q, k, v = split(x @ Q), split(x @ K), split(x @ V)
        return jax.nn.dot_product_attention(q, k, v, is_causal=causal).reshape(x.shape)[:, 0] @ LAST

    (layer,) = read(f)
    assert (layer.mask is not None) == causal


def test_keys_shared_by_groups_of_heads():
    def f(x):
        q, k, v = x @ Q, x @ K[:, :3], x @ V[:, :3]
        h = jax.nn.dot_product_attention(split(q), k[:, :, None], v[:, :, None])
        return h.reshape(x.shape)[:, 0] @ LAST

    assert len(read(f)) == 1


@pytest.mark.parametrize("causal", [False, True])
def test_layers_of_flax(causal):
    rngs = nnx.Rngs(0)
    layer = nnx.MultiHeadAttention(num_heads=H, in_features=D, decode=False, deterministic=True, rngs=rngs)
    linen = nn.MultiHeadDotProductAttention(num_heads=H)
    state = linen.init(jax.random.key(0), X)

    def mask(x):
        return nnx.make_causal_mask(x[..., 0]) if causal else None

    for f in (
        lambda x: layer(x, mask=mask(x)).mean(1) @ LAST,
        lambda x: linen.apply(state, x, mask=mask(x)).mean(1) @ LAST,
    ):
        (found,) = read(f)
        assert found.query.shape == (T, H, D // H) and (found.mask is not None) == causal


class Block(nnx.Module):
    """An encoder block as people write it."""

    def __init__(self, rngs):
        self.norms = nnx.List([nnx.LayerNorm(D, rngs=rngs) for _ in range(2)])
        self.attention = nnx.MultiHeadAttention(H, D, decode=False, deterministic=True, rngs=rngs)
        self.up, self.down = nnx.Linear(D, 8, rngs=rngs), nnx.Linear(8, D, rngs=rngs)

    def __call__(self, x):
        x = x + self.attention(self.norms[0](x))
        return x + self.down(nnx.gelu(self.up(self.norms[1](x))))


def test_a_transformer():
    rngs = nnx.Rngs(0)
    net = nnx.Sequential(
        nnx.Linear(D, D, rngs=rngs),
        Block(rngs),
        Block(rngs),
        nnx.LayerNorm(D, rngs=rngs),
        lambda x: x[:, 0],
        nnx.Linear(D, C, rngs=rngs),
    )
    assert len(read(net, roles=("input", "linear", "attention", "normalisation", "activation"))) == 2


@pytest.mark.parametrize(
    "weights",
    [
        lambda s: s,
        lambda s: jax.nn.softmax(s + np.arange(T, dtype=np.float32)),
        lambda s: jax.nn.softmax(50 * jnp.tanh(s / 50)),
        lambda s: jax.nn.softmax(s + np.where(CAUSAL, 0, -120).astype(np.float32)),
        lambda s: jax.nn.sigmoid(s),
        lambda s: jax.nn.softmax(s, axis=-2),
        lambda s: jnp.where(CAUSAL, jax.nn.softmax(s), 0),
    ],
)
def test_what_is_no_softmax_of_scores_stays_unknown(weights):
    graph = bounds.read_graph(by_einsum(weights), X)
    np.testing.assert_allclose(bounds.evaluate(graph, X), by_einsum(weights)(X), rtol=1e-3, atol=1e-3)
    assert [layer.operation for layer in graph.layers if layer.role == "unknown"].count("dot_general") == 2
