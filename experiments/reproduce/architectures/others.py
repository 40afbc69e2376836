"""Networks for vectors and for tokens as people write them: NNX, Linen and plain functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen, nnx

FEATURES = 12
CLASSES = 4
WORDS, LENGTH = 30, 7


def perceptron(*widths: int, act: Callable[[jax.Array], jax.Array] = nnx.relu, bias: bool = True) -> Any:
    """A maker of perceptrons of these widths."""

    def make(rngs: nnx.Rngs) -> nnx.Sequential:
        layers: list[Any] = []
        for a, b in itertools.pairwise(widths):
            layers += [nnx.Linear(a, b, use_bias=bias, bias_init=nnx.initializers.normal(0.1), rngs=rngs), act]
        return nnx.Sequential(*layers[:-1])

    return make


class SwiGLU(nnx.Module):
    """One half of the hidden layer opens the other."""

    def __init__(self, rngs: nnx.Rngs):
        self.gate, self.up = nnx.Linear(FEATURES, 16, rngs=rngs), nnx.Linear(FEATURES, 16, rngs=rngs)
        self.head = nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(nnx.silu(self.gate(x)) * self.up(x))


class Maxout(nnx.Module):
    """The larger of two linear maps."""

    def __init__(self, rngs: nnx.Rngs):
        self.a, self.b = nnx.Linear(FEATURES, 8, rngs=rngs), nnx.Linear(FEATURES, 8, rngs=rngs)
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.head(jnp.maximum(self.a(x), self.b(x)))


class Recurrent(nnx.Module):
    """One cell, three steps over thirds of the input."""

    def __init__(self, rngs: nnx.Rngs):
        self.cell = nnx.SimpleCell(FEATURES // 3, 8, rngs=rngs)
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        state = jnp.zeros((len(x), 8))
        for part in jnp.split(x, 3, axis=1):
            state, _ = self.cell(state, part)
        return self.head(state)


class BagOfEmbeddings(nnx.Module):
    """The mean of word vectors, then a perceptron."""

    def __init__(self, rngs: nnx.Rngs):
        self.table = nnx.Embed(WORDS, 8, rngs=rngs)
        self.hidden, self.head = nnx.Linear(8, 8, rngs=rngs), nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return self.head(nnx.relu(self.hidden(self.table(tokens).mean(axis=1))))


class TextCNN(nnx.Module):
    """Word vectors, a convolution over them, the maximum over time."""

    def __init__(self, rngs: nnx.Rngs):
        self.table, self.conv = nnx.Embed(WORDS, 8, rngs=rngs), nnx.Conv(8, 8, (3,), rngs=rngs)
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, tokens: jax.Array) -> jax.Array:
        return self.head(nnx.relu(self.conv(self.table(tokens))).max(axis=1))


class LinenCNN(linen.Module):
    """A convolution, group norm, dense."""

    @linen.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        x = x.reshape(len(x), FEATURES, 1)
        x = linen.relu(linen.GroupNorm(num_groups=2)(linen.Conv(4, (3,))(x)))
        return linen.Dense(CLASSES)(x.reshape(len(x), -1))


class LinenTransformer(linen.Module):
    """Tokens, a causal block of attention, the last one decides."""

    @linen.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = linen.Embed(WORDS, 8)(tokens)
        mask = linen.make_causal_mask(tokens)
        y = linen.LayerNorm()(x)
        x = x + linen.MultiHeadDotProductAttention(num_heads=2)(y, y, mask=mask)
        x = x + linen.Dense(8)(linen.gelu(linen.Dense(16)(linen.LayerNorm()(x))))
        return linen.Dense(CLASSES)(x[:, -1])


def applied(module: linen.Module, example: Any) -> Callable[[nnx.Rngs], Any]:
    """A maker of functions that apply a Linen module to variables of its own."""

    def make(rngs: nnx.Rngs) -> Callable[[jax.Array], Any]:
        held = module.init(rngs.params(), example)
        return lambda x: module.apply(held, x)

    return make


def plain_softmax(rngs: nnx.Rngs) -> Callable[[jax.Array], jax.Array]:
    """A function of arrays that returns probabilities."""
    a, b = jax.random.normal(rngs.params(), (FEATURES, 8)), jax.random.normal(rngs.params(), (8, CLASSES))
    return lambda x: jax.nn.softmax(jax.nn.relu(x @ a) @ b)


def one_logit(rngs: nnx.Rngs) -> Callable[[jax.Array], jax.Array]:
    """A perceptron with one output behind a sigmoid."""
    net = perceptron(FEATURES, 8, 1)(rngs)
    return lambda x: jax.nn.sigmoid(net(x))[:, 0]


VECTORS: dict[str, Callable[[nnx.Rngs], Any]] = {
    "perceptron without biases": perceptron(FEATURES, 16, CLASSES, bias=False),
    "perceptron": perceptron(FEATURES, 16, CLASSES),
    "perceptron, three layers": perceptron(FEATURES, 16, 16, CLASSES),
    "perceptron, tanh": perceptron(FEATURES, 16, CLASSES, act=nnx.tanh),
    "perceptron, ELU": perceptron(FEATURES, 16, CLASSES, act=nnx.elu),
    "SwiGLU": SwiGLU,
    "maxout": Maxout,
    "recurrent, tanh": Recurrent,
    "Linen, group norm": applied(LinenCNN(), np.zeros((1, FEATURES), np.float32)),
    "plain function, softmax at the end": plain_softmax,
}
ONE_LOGIT: dict[str, Callable[[nnx.Rngs], Any]] = {"one logit behind a sigmoid": one_logit}
TOKENS: dict[str, Callable[[nnx.Rngs], Any]] = {
    "bag of embeddings": BagOfEmbeddings,
    "text CNN, maximum over time": TextCNN,
    "Linen transformer, causal": applied(LinenTransformer(), np.zeros((1, LENGTH), np.int32)),
}
