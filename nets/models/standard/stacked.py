"""VGG-16 and its like: stacks of 3×3 convolutions between max pools, three dense layers."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes

LAYERS = (2, 2, 3, 3, 3)
WIDTHS = (64, 128, 256, 512, 512)


class VGG(nnx.Module):
    """Stages of 3×3 convolutions with ReLU, each followed by a 2×2 max pool; two hidden dense layers and one more.

    Args:
        layers: convolutions of every stage.
        widths: channels of every stage.
        hidden: width of the two hidden dense layers.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, or images that the pools leave nothing of.

    Example:
        >>> net = VGG((1, 1), (4, 8), 16, in_shape=(8, 8, 3), classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 8, 8, 3))).shape
        (2, 10)

    Source: Simonyan, Zisserman, ICLR 2015, configuration D.
    """

    def __init__(
        self,
        layers: tuple[int, ...] = LAYERS,
        widths: tuple[int, ...] = WIDTHS,
        hidden: int = 4096,
        *,
        in_shape: tuple[int, int, int] = (224, 224, 3),
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        height, columns, inputs = in_shape
        check_sizes(hidden=hidden, classes=classes, layers=min(layers, default=0), widths=min(widths, default=0))
        rows, columns = height >> len(layers), columns >> len(layers)
        if not rows or not columns:
            raise ValueError(f"images are {in_shape} with {len(layers)} pools of 2×2; need at least {2 ** len(layers)}")
        convs = []
        for count, width in zip(layers, widths, strict=True):
            for _ in range(count):
                convs.append(nnx.Conv(inputs, width, (3, 3), padding=1, rngs=rngs))
                inputs = width
        self.layers, self.convs = layers, nnx.List(convs)
        sizes = (rows * columns * inputs, hidden, hidden, classes)
        self.dense = nnx.List([nnx.Linear(a, b, rngs=rngs) for a, b in itertools.pairwise(sizes)])

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        convs = iter(self.convs)
        for count in self.layers:
            for _ in range(count):
                x = nnx.relu(next(convs)(x))
            x = nnx.max_pool(x, (2, 2), strides=(2, 2))
        x = jnp.reshape(x, (x.shape[0], -1))
        for layer in self.dense[:-1]:
            x = nnx.relu(layer(x))
        return self.dense[-1](x)


def vgg16(*, in_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000, rngs: nnx.Rngs) -> VGG:
    """VGG-16, 138 million weights for images of 224×224×3.

    Args:
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: Simonyan, Zisserman, ICLR 2015.
    """
    return VGG(in_shape=in_shape, classes=classes, rngs=rngs)
