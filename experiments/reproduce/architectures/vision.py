"""Networks for images as people write them: NNX modules, evaluation mode, nothing written for this library."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

SHAPE = (12, 12, 3)
CLASSES = 4


def flat(x: jax.Array) -> jax.Array:
    return x.reshape(len(x), -1)


class LeNet(nnx.Module):
    """Convolutions and dense layers with biases, ReLU, max pooling."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv1, self.conv2 = nnx.Conv(3, 6, (3, 3), rngs=rngs), nnx.Conv(6, 8, (3, 3), rngs=rngs)
        self.fc1, self.fc2 = nnx.Linear(72, 16, rngs=rngs), nnx.Linear(16, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.max_pool(nnx.relu(self.conv1(x)), (2, 2), strides=(2, 2))
        x = nnx.max_pool(nnx.relu(self.conv2(x)), (2, 2), strides=(2, 2))
        return self.fc2(nnx.relu(self.fc1(flat(x))))


class VGG(nnx.Module):
    """Two convolutions between overlapping max pools, batch norm."""

    def __init__(self, rngs: nnx.Rngs):
        widths = (3, 6, 6, 8)
        self.convs = nnx.List([nnx.Conv(a, b, (3, 3), rngs=rngs) for a, b in itertools.pairwise(widths)])
        self.norms = nnx.List([nnx.BatchNorm(b, rngs=rngs) for b in widths[1:]])
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = nnx.max_pool(nnx.relu(norm(conv(x))), (3, 3), strides=(2, 2), padding="SAME")
        return self.head(x.mean(axis=(1, 2)))


class AverageNet(nnx.Module):
    """Convolutions without biases, a given activation, average pooling."""

    def __init__(self, act: Callable[[jax.Array], jax.Array], rngs: nnx.Rngs):
        self.act = act
        self.conv1, self.conv2 = (nnx.Conv(a, b, (3, 3), use_bias=False, rngs=rngs) for a, b in ((3, 6), (6, 8)))
        self.head = nnx.Linear(8, CLASSES, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.avg_pool(self.act(self.conv1(x)), (2, 2), strides=(2, 2))
        return self.head(self.act(self.conv2(x)).mean(axis=(1, 2)))


class ResidualBlock(nnx.Module):
    """Two convolutions with batch norm beside a skip; ReLU after the sum."""

    def __init__(self, width: int, out: int, stride: int, rngs: nnx.Rngs):
        self.conv1 = nnx.Conv(width, out, (3, 3), strides=stride, use_bias=False, rngs=rngs)
        self.conv2 = nnx.Conv(out, out, (3, 3), use_bias=False, rngs=rngs)
        self.norm1, self.norm2 = nnx.BatchNorm(out, rngs=rngs), nnx.BatchNorm(out, rngs=rngs)
        plain = width == out and stride == 1
        self.skip = None if plain else nnx.Conv(width, out, (1, 1), strides=stride, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.norm2(self.conv2(nnx.relu(self.norm1(self.conv1(x)))))
        return nnx.relu(y + (x if self.skip is None else self.skip(x)))


class ResNet(nnx.Module):
    """A stem and three residual blocks."""

    def __init__(self, rngs: nnx.Rngs):
        self.stem, self.norm = nnx.Conv(3, 4, (3, 3), use_bias=False, rngs=rngs), nnx.BatchNorm(4, rngs=rngs)
        self.blocks = nnx.List([ResidualBlock(a, b, s, rngs) for a, b, s in ((4, 4, 1), (4, 6, 2), (6, 6, 1))])
        self.head = nnx.Linear(6, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(axis=(1, 2)))


class DenseNet(nnx.Module):
    """Every layer reads all before it, side by side."""

    def __init__(self, rngs: nnx.Rngs):
        self.convs = nnx.List([nnx.Conv(3 + 4 * i, 4, (3, 3), rngs=rngs) for i in range(3)])
        self.head = nnx.Linear(15, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        for conv in self.convs:
            x = jnp.concatenate([x, nnx.relu(conv(x))], axis=-1)
        return self.head(x.mean(axis=(1, 2)))


class MobileNet(nnx.Module):
    """An inverted residual: wide, depthwise, narrow; ReLU6."""

    def __init__(self, rngs: nnx.Rngs):
        self.wide, self.narrow = nnx.Conv(3, 8, (1, 1), rngs=rngs), nnx.Conv(8, 3, (1, 1), rngs=rngs)
        self.depthwise = nnx.Conv(8, 8, (3, 3), feature_group_count=8, rngs=rngs)
        self.head = nnx.Linear(3, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.narrow(nnx.relu6(self.depthwise(nnx.relu6(self.wide(x)))))
        return self.head((x + y).mean(axis=(1, 2)))


class SqueezeExcite(nnx.Module):
    """Channels weighed by what their means say."""

    def __init__(self, rngs: nnx.Rngs):
        self.conv = nnx.Conv(3, 6, (3, 3), rngs=rngs)
        self.down, self.up = nnx.Linear(6, 2, rngs=rngs), nnx.Linear(2, 6, rngs=rngs)
        self.head = nnx.Linear(6, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.conv(x))
        gate = nnx.sigmoid(self.up(nnx.relu(self.down(x.mean(axis=(1, 2))))))
        return self.head((x * gate[:, None, None, :]).mean(axis=(1, 2)))


class UNet(nnx.Module):
    """Down, up by a transposed convolution, and the skip beside."""

    def __init__(self, rngs: nnx.Rngs):
        self.down, self.bottom = nnx.Conv(3, 4, (3, 3), rngs=rngs), nnx.Conv(4, 6, (3, 3), strides=2, rngs=rngs)
        self.up = nnx.ConvTranspose(6, 4, (2, 2), strides=(2, 2), rngs=rngs)
        self.out, self.head = nnx.Conv(8, 4, (3, 3), rngs=rngs), nnx.Linear(4, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = nnx.relu(self.down(x))
        up = nnx.relu(self.up(nnx.relu(self.bottom(x))))
        return self.head(nnx.relu(self.out(jnp.concatenate([x, up], axis=-1))).mean(axis=(1, 2)))


class ConvNeXt(nnx.Module):
    """Depthwise convolution, layer norm, GELU, layer scale, skip."""

    def __init__(self, rngs: nnx.Rngs):
        self.stem = nnx.Conv(3, 6, (2, 2), strides=2, rngs=rngs)
        self.depthwise = nnx.Conv(6, 6, (3, 3), feature_group_count=6, rngs=rngs)
        self.norm = nnx.LayerNorm(6, rngs=rngs)
        self.up, self.down = nnx.Linear(6, 12, rngs=rngs), nnx.Linear(12, 6, rngs=rngs)
        self.scale = nnx.Param(0.1 * jnp.ones(6))
        self.head = nnx.Linear(6, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.stem(x)
        x = x + self.scale * self.down(nnx.gelu(self.up(self.norm(self.depthwise(x)))))
        return self.head(x.mean(axis=(1, 2)))


class VisionTransformer(nnx.Module):
    """Patches, a positional table, one block of attention and perceptron behind layer norms."""

    def __init__(self, rngs: nnx.Rngs):
        self.patches = nnx.Conv(3, 8, (4, 4), strides=4, rngs=rngs)
        self.positions = nnx.Param(0.02 * jax.random.normal(rngs.params(), (9, 8)))
        self.norm1, self.norm2, self.norm3 = (nnx.LayerNorm(8, rngs=rngs) for _ in range(3))
        self.attention = nnx.MultiHeadAttention(num_heads=2, in_features=8, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(8, 16, rngs=rngs), nnx.Linear(16, 8, rngs=rngs)
        self.head = nnx.Linear(8, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.patches(x).reshape(len(x), 9, 8) + self.positions
        x = x + self.attention(self.norm1(x))
        x = x + self.down(nnx.gelu(self.up(self.norm2(x))))
        return self.head(self.norm3(x).mean(axis=1))


class Mixer(nnx.Module):
    """Perceptrons over tokens and over channels in turn."""

    def __init__(self, rngs: nnx.Rngs):
        self.patches = nnx.Conv(3, 6, (4, 4), strides=4, rngs=rngs)
        self.norm1, self.norm2 = nnx.LayerNorm(6, rngs=rngs), nnx.LayerNorm(6, rngs=rngs)
        self.tokens1, self.tokens2 = nnx.Linear(9, 12, rngs=rngs), nnx.Linear(12, 9, rngs=rngs)
        self.channels1, self.channels2 = nnx.Linear(6, 12, rngs=rngs), nnx.Linear(12, 6, rngs=rngs)
        self.head = nnx.Linear(6, CLASSES, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.patches(x).reshape(len(x), 9, 6)
        y = self.norm1(x).swapaxes(1, 2)
        x = x + self.tokens2(nnx.gelu(self.tokens1(y))).swapaxes(1, 2)
        x = x + self.channels2(nnx.gelu(self.channels1(self.norm2(x))))
        return self.head(x.mean(axis=1))


VISION: dict[str, Callable[[nnx.Rngs], Any]] = {
    "LeNet, max pooling, biases": LeNet,
    "VGG, overlapping max pools, batch norm": VGG,
    "CNN, average pooling": lambda rngs: AverageNet(nnx.relu, rngs),
    "CNN, GELU": lambda rngs: AverageNet(nnx.gelu, rngs),
    "CNN, SiLU": lambda rngs: AverageNet(nnx.silu, rngs),
    "ResNet, batch norm": ResNet,
    "DenseNet": DenseNet,
    "MobileNet block, ReLU6": MobileNet,
    "squeeze and excite": SqueezeExcite,
    "U-Net, transposed convolution": UNet,
    "ConvNeXt block": ConvNeXt,
    "vision transformer": VisionTransformer,
    "MLP-Mixer": Mixer,
}
"""Name → a module from random keys; inputs of SHAPE, CLASSES scores."""
