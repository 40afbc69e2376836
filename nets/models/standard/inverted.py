"""MobileNetV2 and its like: inverted residuals with depthwise convolutions and ReLU6, in evaluation mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.standard.bottleneck import evaluated_norm

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks and first stride of every stage."""


class InvertedResidual(nnx.Module):
    """1×1 to more channels, depthwise 3×3, 1×1 to fewer; a skip where the shapes agree.

    Args:
        inputs, out: channels before and after.
        expansion: factor between; 1 leaves the first convolution out.
        stride: of the depthwise convolution.
        rngs: source of keys.
    """

    def __init__(self, inputs: int, out: int, expansion: int, stride: int, *, rngs: nnx.Rngs) -> None:
        wide = expansion * inputs
        self.expands, self.skips = expansion != 1, inputs == out and stride == 1
        if self.expands:
            self.expand = nnx.Conv(inputs, wide, (1, 1), use_bias=False, rngs=rngs)
            self.expand_norm = evaluated_norm(wide, rngs=rngs)
        self.depthwise = nnx.Conv(
            wide, wide, (3, 3), strides=stride, padding=1, feature_group_count=wide, use_bias=False, rngs=rngs
        )
        self.project = nnx.Conv(wide, out, (1, 1), use_bias=False, rngs=rngs)
        self.depthwise_norm, self.project_norm = evaluated_norm(wide, rngs=rngs), evaluated_norm(out, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu6(self.expand_norm(self.expand(x))) if self.expands else x
        y = self.project_norm(self.project(nnx.relu6(self.depthwise_norm(self.depthwise(y)))))
        return x + y if self.skips else y


class MobileNet(nnx.Module):
    """A 3×3 stem with stride 2, stages of inverted residuals, a 1×1 convolution, the mean, a dense layer.

    Args:
        stages: (expansion, channels, blocks, first stride) of each.
        stem: channels of the stem.
        last: channels of the last convolution.
        channels: of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> net = MobileNet(((1, 4, 1, 1), (2, 6, 2, 2)), 4, 16, classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 16, 16, 3))).shape
        (2, 10)

    Source: Sandler et al., CVPR 2018.
    """

    def __init__(
        self,
        stages: tuple[tuple[int, int, int, int], ...] = STAGES,
        stem: int = 32,
        last: int = 1280,
        *,
        channels: int = 3,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        smallest = min((min(stage) for stage in stages), default=0)
        check_sizes(stem=stem, last=last, channels=channels, classes=classes, stages=smallest)
        self.stem = nnx.Conv(channels, stem, (3, 3), strides=2, padding=1, use_bias=False, rngs=rngs)
        self.stem_norm = evaluated_norm(stem, rngs=rngs)
        blocks, inputs = [], stem
        for expansion, out, count, stride in stages:
            for index in range(count):
                blocks.append(InvertedResidual(inputs, out, expansion, stride if index == 0 else 1, rngs=rngs))
                inputs = out
        self.blocks = nnx.List(blocks)
        self.last = nnx.Conv(inputs, last, (1, 1), use_bias=False, rngs=rngs)
        self.last_norm = evaluated_norm(last, rngs=rngs)
        self.head = nnx.Linear(last, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu6(self.stem_norm(self.stem(x)))
        for block in self.blocks:
            x = block(x)
        x = nnx.relu6(self.last_norm(self.last(x)))
        return self.head(jnp.mean(x, axis=(1, 2)))


def mobilenet_v2(*, classes: int = 1000, rngs: nnx.Rngs) -> MobileNet:
    """MobileNetV2 of width 1, 3.5 million weights.

    Args:
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: Sandler et al., CVPR 2018.
    """
    return MobileNet(classes=classes, rngs=rngs)
