"""ResNet-50 and its like: bottleneck blocks with batch normalisation, in evaluation mode."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes

EXPANSION = 4
"""A block's output has so many times the channels of its 3×3 convolution."""


class Bottleneck(nnx.Module):
    """x ↦ ReLU(skip(x) + 1×1(ReLU(3×3(ReLU(1×1(x)))))), batch norm behind every convolution.

    Args:
        inputs: channels of x.
        width: channels of the 3×3 convolution.
        stride: of the 3×3 convolution.
        rngs: source of keys.
    """

    def __init__(self, inputs: int, width: int, stride: int, *, rngs: nnx.Rngs) -> None:
        out = EXPANSION * width
        self.conv1 = nnx.Conv(inputs, width, (1, 1), use_bias=False, rngs=rngs)
        self.conv2 = nnx.Conv(width, width, (3, 3), strides=stride, padding=1, use_bias=False, rngs=rngs)
        self.conv3 = nnx.Conv(width, out, (1, 1), use_bias=False, rngs=rngs)
        self.norm1, self.norm2, self.norm3 = (evaluated_norm(c, rngs=rngs) for c in (width, width, out))
        self.projects = inputs != out or stride != 1
        if self.projects:
            self.skip = nnx.Conv(inputs, out, (1, 1), strides=stride, use_bias=False, rngs=rngs)
            self.skip_norm = evaluated_norm(out, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.relu(self.norm1(self.conv1(x)))
        y = self.norm3(self.conv3(nnx.relu(self.norm2(self.conv2(y)))))
        return nnx.relu(y + (self.skip_norm(self.skip(x)) if self.projects else x))


class BottleneckNet(nnx.Module):
    """A 7×7 stem with stride 2, a max pool, stages of bottleneck blocks, the mean over positions, a dense layer.

    Args:
        blocks: of every stage; each stage after the first halves the sides and doubles the width.
        width: of the stem and of the first stage.
        channels: of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> net = BottleneckNet((1, 1), 4, classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 32, 32, 3))).shape
        (2, 10)

    Source: He et al., CVPR 2016, with the stride in the 3×3 convolution as PyTorch's torchvision has it.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = (3, 4, 6, 3),
        width: int = 64,
        *,
        channels: int = 3,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        check_sizes(width=width, channels=channels, classes=classes, blocks=min(blocks, default=0))
        self.stem = nnx.Conv(channels, width, (7, 7), strides=2, padding=3, use_bias=False, rngs=rngs)
        self.norm = evaluated_norm(width, rngs=rngs)
        found, inputs = [], width
        for stage, count in enumerate(blocks):
            for index in range(count):
                stride = 2 if stage > 0 and index == 0 else 1
                found.append(Bottleneck(inputs, width * 2**stage, stride, rngs=rngs))
                inputs = EXPANSION * width * 2**stage
        self.blocks = nnx.List(found)
        self.head = nnx.Linear(inputs, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu(self.norm(self.stem(x)))
        x = nnx.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))
        for block in self.blocks:
            x = block(x)
        return self.head(jnp.mean(x, axis=(1, 2)))


def evaluated_norm(channels: int, *, rngs: nnx.Rngs) -> nnx.BatchNorm:
    """Batch normalisation by its running statistics."""
    return nnx.BatchNorm(channels, use_running_average=True, rngs=rngs)


def resnet50(*, classes: int = 1000, rngs: nnx.Rngs) -> BottleneckNet:
    """ResNet-50, 25.6 million weights; made for images of 224×224×3.

    Args:
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: He et al., CVPR 2016.
    """
    return BottleneckNet(classes=classes, rngs=rngs)
