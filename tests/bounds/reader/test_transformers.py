"""Whole transformers as people write them, without a library of layers."""

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds import bounds

RNG = np.random.default_rng(0)
D, H, T, F, N = 16, 2, 6, 24, 11


def draw(*shape):
    return (RNG.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)


Q, K, V, O = (draw(D, D) for _ in range(4))  # noqa: E741
UP, GATE, DOWN, QKV, PATCH = draw(D, F), draw(D, F), draw(F, D), draw(D, 3 * D), draw(32, D)
TABLE, POSITIONS, G1, G2, HEAD = draw(N, D), draw(T, D), draw(D) + 1, draw(D), draw(D, 3)
ANGLES = (np.arange(T)[:, None] / 100 ** (np.arange(4) / 4)).astype(np.float32)[None, :, None]


def rms(x):
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + 1e-5) * G1


def layer_norm(x):
    m = x.mean(-1, keepdims=True)
    return (x - m) / jnp.sqrt(((x - m) ** 2).mean(-1, keepdims=True) + 1e-6) * G1 + G2


def heads(x):
    return x.reshape(*x.shape[:2], H, -1)


def rotated(x):
    a, b = jnp.split(x, 2, -1)
    return jnp.concatenate([a * np.cos(ANGLES) - b * np.sin(ANGLES), b * np.cos(ANGLES) + a * np.sin(ANGLES)], -1)


def decoder(x):
    h = jnp.asarray(TABLE)[x]
    for _ in range(2):
        q, k, v = (heads(rms(h) @ w) for w in (Q, K, V))
        h = h + jax.nn.dot_product_attention(rotated(q), rotated(k), v, is_causal=True).reshape(h.shape) @ O
        h = h + (jax.nn.silu(rms(h) @ UP) * (rms(h) @ GATE)) @ DOWN
    return rms(h)[:, -1] @ HEAD


def encoder(x):
    h = layer_norm(jnp.asarray(TABLE)[x] + POSITIONS)
    for _ in range(2):
        q, k, v = (heads(h @ w + G2) for w in (Q, K, V))
        weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(D // H))
        h = layer_norm(h + jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(h.shape) @ O)
        h = layer_norm(h + jax.nn.gelu(h @ UP, approximate=False) @ DOWN)
    return jnp.tanh(h[:, 0] @ Q) @ HEAD


def of_patches(x):
    patches = x.reshape(len(x), 2, 4, 3, 4, 2).transpose(0, 1, 3, 2, 4, 5).reshape(len(x), 6, 32) @ PATCH
    h = jnp.concatenate([jnp.broadcast_to(G2, (len(x), 1, D)), patches], 1)
    q, k, v = (jnp.moveaxis(heads(part), 2, 1) for part in jnp.split(layer_norm(h) @ QKV, 3, -1))
    seen = jax.nn.softmax(q @ k.swapaxes(-1, -2) * (D // H) ** -0.5) @ v
    h = h + jnp.moveaxis(seen, 1, 2).reshape(h.shape) @ O
    return layer_norm(h)[:, 0] @ HEAD


def read(f, x):
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-5)
    roles = [layer.role for layer in graph.layers]
    assert "unknown" not in roles and graph.selections == ()
    return {role: roles.count(role) for role in roles}


def test_a_decoder_with_rotated_positions_and_gates():
    x = RNG.integers(0, N, (3, T))
    roles = read(decoder, x)
    assert (roles["attention"], roles["product"], roles["activation"]) == (2, 2, 2)


def test_an_encoder_normalised_after_its_skips():
    roles = read(encoder, RNG.integers(0, N, (3, T)))
    assert (roles["attention"], roles["normalisation"], roles["activation"]) == (2, 5, 3)


def test_a_transformer_of_image_patches():
    roles = read(of_patches, RNG.normal(size=(3, 8, 12, 2)).astype(np.float32))
    assert (roles["attention"], roles["normalisation"]) == (1, 2)
