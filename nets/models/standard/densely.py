"""DenseNet-121 and its like: every layer reads all before it side by side, in evaluation mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.standard.bottleneck import evaluated_norm

NARROW = 4
"""The 1×1 convolution of a layer has so many times the channels that the layer adds."""


class DenseLayer(nnx.Module):
    """x ↦ x and 3×3(ReLU(norm(1×1(ReLU(norm(x)))))) side by side.

    Args:
        inputs: channels of x.
        growth: channels added.
        rngs: source of keys.
    """

    def __init__(self, inputs: int, growth: int, *, rngs: nnx.Rngs) -> None:
        self.norm1, self.norm2 = evaluated_norm(inputs, rngs=rngs), evaluated_norm(NARROW * growth, rngs=rngs)
        self.conv1 = nnx.Conv(inputs, NARROW * growth, (1, 1), use_bias=False, rngs=rngs)
        self.conv2 = nnx.Conv(NARROW * growth, growth, (3, 3), padding=1, use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = self.conv1(nnx.relu(self.norm1(x)))
        return jnp.concatenate([x, self.conv2(nnx.relu(self.norm2(y)))], axis=-1)


class Transition(nnx.Module):
    """x ↦ 2×2 mean(1×1(ReLU(norm(x)))), half as many channels.

    Args:
        inputs: channels of x.
        rngs: source of keys.
    """

    def __init__(self, inputs: int, *, rngs: nnx.Rngs) -> None:
        self.norm = evaluated_norm(inputs, rngs=rngs)
        self.conv = nnx.Conv(inputs, inputs // 2, (1, 1), use_bias=False, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return mean_of_squares(self.conv(nnx.relu(self.norm(x))))


def mean_of_squares(x: jax.Array) -> jax.Array:
    """Means over 2×2 positions; a row or column that is left over is not read."""
    window = (1, 2, 2, 1)
    return (
        jax.lax.reduce_window(x, 0.0, jax.lax.add, window, window, "VALID") * 0.25
    )  # nnx.avg_pool divides by an integer


class DenseNet(nnx.Module):
    """A 7×7 stem with stride 2, a max pool, dense blocks with transitions between, the mean, a dense layer.

    Args:
        blocks: layers of every dense block.
        growth: channels that a layer adds.
        stem: channels of the stem.
        channels: of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> net = DenseNet((2, 2), 4, 8, classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 32, 32, 3))).shape
        (2, 10)

    Source: Huang et al., CVPR 2017.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = (6, 12, 24, 16),
        growth: int = 32,
        stem: int = 64,
        *,
        channels: int = 3,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        check_sizes(growth=growth, stem=stem, channels=channels, classes=classes, blocks=min(blocks, default=0))
        self.stem = nnx.Conv(channels, stem, (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs)
        self.stem_norm = evaluated_norm(stem, rngs=rngs)
        parts: list[DenseLayer | Transition] = []
        inputs = stem
        for index, count in enumerate(blocks):
            for _ in range(count):
                parts.append(DenseLayer(inputs, growth, rngs=rngs))
                inputs += growth
            if index < len(blocks) - 1:
                parts.append(Transition(inputs, rngs=rngs))
                inputs //= 2
        self.parts = nnx.List(parts)
        self.norm, self.head = evaluated_norm(inputs, rngs=rngs), nnx.Linear(inputs, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu(self.stem_norm(self.stem(x)))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for part in self.parts:
            x = part(x)
        return self.head(jnp.mean(nnx.relu(self.norm(x)), axis=(1, 2)))


def densenet121(*, classes: int = 1000, rngs: nnx.Rngs) -> DenseNet:
    """DenseNet-121, 8.0 million weights.

    Args:
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: Huang et al., CVPR 2017.
    """
    return DenseNet(classes=classes, rngs=rngs)
