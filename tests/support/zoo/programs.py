"""Programs around a network: calls, loops, layouts; networks without convolutions."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import reference as ref
from jax import lax

from zoo.five_forms import two_convolutions
from zoo.parts import CHANNELS, CLASSES, SIZE, WIDTH, conv, draw, flat, listed


@jax.custom_vjp
def _plain_relu(x):
    return jnp.maximum(x, 0.0)


_plain_relu.defvjp(lambda x: (_plain_relu(x), x), lambda x, g: (jnp.where(x > 0, g, 0.0),))


@jax.custom_jvp
def _own_relu(x):
    return jnp.where(x >= 0, x, 0.0)


_own_relu.defjvp(lambda primals, tangents: (_own_relu(*primals), jnp.where(primals[0] > 0, tangents[0], 0.0)))


@listed
def nested_calls():
    net = two_convolutions(biased=True)

    @jax.jit
    def first(x):
        return _own_relu(conv(x, net.k1) + net.b1)

    @jax.checkpoint
    def second(x):
        return _plain_relu(jax.jit(lambda z: conv(first(z), net.k2) + net.b2)(x))

    return {"f": lambda x: flat(second(x)) @ net.w + net.b3, "reference": net.reference()}


@listed
def vmapped():
    net = two_convolutions(biased=True)

    def one(x):
        x = jax.nn.relu(conv(x[None], net.k1)[0] + net.b1)
        x = jax.nn.relu(conv(x[None], net.k2)[0] + net.b2)
        return net.w.T @ x.reshape(-1) + net.b3

    return {"f": jax.vmap(one), "reference": net.reference()}


@listed
def scanned():
    kernels, w = draw(71, 3, 3, 3, CHANNELS, CHANNELS, scale=2.0), draw(72, 72, CLASSES)
    kernels = kernels.reshape(3, 3, 3, CHANNELS, CHANNELS)
    matrices = [ref.convolution(k, SIZE, padding=((1, 1), (1, 1)))[0] for k in kernels]
    layers = *(ref.layer(matrix, positions=36) for matrix in matrices), ref.layer(w.T)

    def f(x):
        x, _ = lax.scan(lambda z, k: (jax.nn.relu(conv(z, k, padding="SAME")), None), x, jnp.asarray(kernels))
        return flat(x) @ w

    return {"f": f, "reference": ref.Net(36, CHANNELS, layers)}


@listed
def transposed_weights():
    w1, w2 = draw(73, 72, 10), draw(74, 10, CLASSES)

    def f(x):
        return (w2.T @ jax.nn.relu(w1.T @ flat(x).T)).T

    return {"f": f}


@listed
def mlp_flat():
    w1, w2, w3 = draw(75, 12, 8), draw(76, 8, 7), draw(77, 7, CLASSES)
    b1, b2, b3 = draw(78, 8), draw(79, 7), draw(80, CLASSES)
    layers = ref.layer(w1.T, b1), ref.layer(w2.T, b2), ref.layer(w3.T, b3)

    def f(x):
        return jax.nn.relu(jax.nn.relu(x @ w1 + b1) @ w2 + b2) @ w3 + b3

    x = np.random.default_rng(81).normal(size=(5, 12)).astype(np.float32)
    return {"f": f, "x": x, "reference": ref.Net(12, 1, layers)}


@listed
def linear_only():
    w = draw(82, 72, CLASSES)
    return {"f": lambda x: flat(x) @ w, "reference": ref.Net(36, CHANNELS, (ref.layer(w.T),))}


@listed
def input_scaled():
    """A normalisation of the input inside the network, before zero padding."""
    k, w = draw(83, 3, 3, CHANNELS, WIDTH), draw(50, 108, CLASSES)
    return {"f": lambda x: flat(jax.nn.relu(conv((x - 0.5) / 0.5, k, padding="SAME"))) @ w}
