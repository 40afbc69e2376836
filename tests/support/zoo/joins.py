"""Pooling, skips and concatenation: mostly outside the chains."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax

from zoo.parts import CHANNELS, CLASSES, WIDTH, conv, draw, flat, listed


@listed
def average_pooled():
    k, w = draw(84, 3, 3, CHANNELS, WIDTH), draw(85, 27, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k, padding="SAME"))
        return flat(lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID") / 4.0) @ w

    return {"f": f}


@listed
def global_average():
    k, w = draw(86, 2, 2, CHANNELS, WIDTH), draw(87, WIDTH, CLASSES)
    return {"f": lambda x: jnp.mean(jax.nn.relu(conv(x, k)), axis=(1, 2)) @ w}


@listed
def max_pooled():
    k, w = draw(88, 3, 3, CHANNELS, WIDTH), draw(85, 27, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k, padding="SAME"))
        return flat(nn.max_pool(x, (2, 2), strides=(2, 2))) @ w

    return {"f": f, "chain": False}


@listed
def residual_post_activation():
    k1, k2, k3 = draw(89, 1, 1, CHANNELS, WIDTH), draw(90, 3, 3, WIDTH, WIDTH), draw(91, 3, 3, WIDTH, WIDTH)
    w = draw(50, 108, CLASSES)

    def f(x):
        x = jax.nn.relu(conv(x, k1))
        y = conv(jax.nn.relu(conv(x, k2, padding="SAME")), k3, padding="SAME")
        return flat(jax.nn.relu(x + y)) @ w

    return {"f": f, "chain": False}


@listed
def residual_pre_activation():
    k1, k2, w = draw(92, 1, 1, CHANNELS, WIDTH), draw(93, 3, 3, WIDTH, WIDTH), draw(50, 108, CLASSES)

    def f(x):
        x = conv(x, k1)
        return flat(jax.nn.relu(x + conv(jax.nn.relu(x), k2, padding="SAME"))) @ w

    return {"f": f, "chain": False}


@listed
def concatenated():
    k1, k2, w = draw(94, 1, 1, CHANNELS, WIDTH), draw(95, 3, 3, CHANNELS, WIDTH), draw(96, 216, CLASSES)

    def f(x):
        x = jnp.concatenate([jax.nn.relu(conv(x, k1)), jax.nn.relu(conv(x, k2, padding="SAME"))], axis=-1)
        return flat(x) @ w

    return {"f": f}
