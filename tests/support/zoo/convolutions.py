"""Convolutions of all kinds, and activations written in all ways."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref
from jax import lax

from zoo.parts import CHANNELS, CLASSES, SIZE, WIDTH, conv, draw, flat, listed, shifts


def _one_convolution(kernel, out_positions, *, activation=jax.nn.relu, slope=0.0, literal=None, seed=50, **options):
    """relu(conv(x)) and a dense layer; `literal` are the same options as the reference takes them."""
    w = draw(seed, out_positions * kernel.shape[-1], CLASSES)
    matrix, _ = ref.convolution(kernel, SIZE, **(literal or {}))
    layers = ref.layer(matrix, positions=out_positions, slope=slope), ref.layer(w.T)
    return {
        "f": lambda x: flat(activation(conv(x, kernel, **options))) @ w,
        "reference": ref.Net(36, kernel.shape[2] * options.get("groups", 1), layers),
    }


@listed
def strided_same():
    pads = tuple(ref.same_padding(6, 3, 2) for _ in range(2))
    literal = {"stride": (2, 2), "padding": pads}
    return _one_convolution(draw(51, 3, 3, CHANNELS, WIDTH), 9, literal=literal, stride=(2, 2), padding="SAME")


@listed
def uneven_padding():
    pads = ((2, 0), (0, 1))
    return _one_convolution(draw(52, 3, 2, CHANNELS, WIDTH), 36, literal={"padding": pads}, padding=pads)


@listed
def dilated():
    return _one_convolution(draw(53, 2, 2, CHANNELS, WIDTH), 16, literal={"dilation": (2, 2)}, dilation=(2, 2))


@listed
def depthwise():
    return _one_convolution(draw(54, 2, 2, 1, 2 * CHANNELS), 25, literal={"groups": 2}, groups=2)


@listed
def grouped():
    k1, k2, w = draw(55, 2, 2, CHANNELS, 4), draw(56, 2, 2, 2, 4), draw(57, 64, CLASSES)
    first, _ = ref.convolution(k1, SIZE)
    second, _ = ref.convolution(k2, (5, 5), groups=2)
    layers = ref.layer(first, positions=25), ref.layer(second, positions=16), ref.layer(w.T)

    def f(x):
        x = jax.nn.relu(conv(x, k1))
        return flat(jax.nn.relu(conv(x, k2, groups=2))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@listed
def leaky_relu():
    kernel, activation = draw(58, 2, 2, CHANNELS, WIDTH), partial(jax.nn.leaky_relu, negative_slope=0.25)
    return _one_convolution(kernel, 25, activation=activation, slope=0.25)


@listed
def maximum_relu():
    return _one_convolution(draw(59, 2, 2, CHANNELS, WIDTH), 25, activation=lambda t: jnp.maximum(t, 0.0))


@listed
def where_relu():
    return _one_convolution(draw(60, 2, 2, CHANNELS, WIDTH), 25, activation=lambda t: jnp.where(t > 0, t, 0.0))


@listed
def masked_convolution():
    mask = np.random.default_rng(61).random((2, 2, CHANNELS, WIDTH)) < 0.4
    mask[0, 1] = False
    kernel = draw(62, 2, 2, CHANNELS, WIDTH)
    parts = _one_convolution(np.where(mask, kernel, 0.0).astype(np.float32), 25)
    w = draw(50, 75, CLASSES)
    return parts | {"f": lambda x: flat(jax.nn.relu(conv(x, jnp.where(mask, kernel, 0.0)))) @ w}


@listed
def weight_norm():
    v, g, w = draw(63, 2, 2, CHANNELS, WIDTH), np.float32(1.7), draw(50, 75, CLASSES)
    exact = 1.7 * v.astype(np.float64) / np.linalg.norm(v.astype(np.float64).ravel())
    parts = _one_convolution(exact.astype(np.float32), 25)
    return parts | {"f": lambda x: flat(jax.nn.relu(conv(x, g * v / jnp.sqrt(jnp.sum(v**2))))) @ w}


@listed
def channels_first():
    kernel, w = draw(64, WIDTH, CHANNELS, 2, 2), draw(50, 75, CLASSES)
    matrix, _ = ref.convolution(kernel.transpose(2, 3, 1, 0), SIZE)
    layers = ref.layer(matrix, positions=25), ref.layer(w.T)

    def f(x):
        x = lax.conv_general_dilated(x.transpose(0, 3, 1, 2), kernel, (1, 1), "VALID")
        return flat(jax.nn.relu(x).transpose(0, 2, 3, 1)) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@listed
def explicit_pad():
    kernel, w = draw(65, 3, 3, CHANNELS, WIDTH), draw(50, 108, CLASSES)
    matrix, _ = ref.convolution(kernel, SIZE, padding=((1, 1), (1, 1)))
    layers = ref.layer(matrix, positions=36), ref.layer(w.T)

    def f(x):
        return flat(jax.nn.relu(conv(jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), kernel))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@listed
def local_einsum():
    kernels, w = draw(66, 5, 5, 2, 2, CHANNELS, WIDTH, scale=5.0), draw(50, 75, CLASSES)
    layers = ref.layer(ref.locally_connected(kernels, SIZE), positions=25), ref.layer(w.T)

    def f(x):
        patches = jnp.stack([part for _, part in shifts(x, kernels[0, 0])], axis=3)
        return flat(jax.nn.relu(jnp.einsum("bhwki,hwkio->bhwo", patches, kernels.reshape(5, 5, 4, 2, 3)))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@listed
def random_predecessors():
    """Unshared blocks, irregular degrees: some edges' weights are all zero."""
    rng = np.random.default_rng(67)
    first = np.stack([rng.choice(36, 3, replace=False) for _ in range(12)])
    second = np.stack([rng.choice(12, 4, replace=False) for _ in range(6)])
    w1, w2, w = draw(68, 12, 3, CHANNELS, WIDTH), draw(69, 6, 4, WIDTH, WIDTH), draw(50, 18, CLASSES)
    w1[::3, 1] = 0.0
    layers = (
        ref.layer(ref.predecessors(first, w1, 36), positions=12),
        ref.layer(ref.predecessors(second, w2, 12), positions=6),
        ref.layer(w.T),
    )

    def f(x):
        z = jax.nn.relu(jnp.einsum("bjdi,jdio->bjo", x.reshape(x.shape[0], 36, CHANNELS)[:, first], w1))
        return flat(jax.nn.relu(jnp.einsum("bjdi,jdio->bjo", z[:, second], w2))) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}
