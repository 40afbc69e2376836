"""A residual network with batch normalisation, small enough for a CPU."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.pooled import Conv2d

MOMENTUM = 0.9
"""Of the running statistics: they are those of the last few dozen batches."""


class NormedConv(nnx.Module):
    """3×3 convolution without a bias, then batch normalisation.

    Args:
        n_in, n_out: channels.
        stride: of rows and columns; the input is padded by one zero on every side.
        rngs: source of keys.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int = 1, rngs: nnx.Rngs) -> None:
        self.conv = Conv2d(n_in, n_out, 3, stride=stride, padding=1, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(n_out, momentum=MOMENTUM, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.norm(self.conv(x))


class NormedBlock(nnx.Module):
    """x ↦ σ(skip(x) + normed(σ(normed(x)))); where shapes change, the skip takes every second position and adds zeros.

    Args:
        n_in, n_out: channels, n_out at least n_in.
        stride: 1 or 2.
        rngs: source of keys.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int, rngs: nnx.Rngs) -> None:
        self.first = NormedConv(n_in, n_out, stride=stride, rngs=rngs)
        self.second = NormedConv(n_out, n_out, rngs=rngs)
        self.stride, self.added = stride, n_out - n_in

    def __call__(self, x: jax.Array) -> jax.Array:
        skip = jnp.pad(x[:, :: self.stride, :: self.stride], ((0, 0), (0, 0), (0, 0), (0, self.added)))
        return nnx.relu(skip + self.second(nnx.relu(self.first(x))))


class BatchNormResNet(nnx.Module):
    """A stem that halves the image, a residual block per width, an average over positions, a dense layer.

    In evaluation mode it is a function of one image. Its running statistics belong to the images that trained it.

    Args:
        widths: channels of the blocks, not falling; every block but the first halves the image.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, widths that fall, or an image that so many blocks halve away.

    Example:
        >>> net = BatchNormResNet((4, 8), rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 28, 28, 1))).shape
        (2, 10)

    Source: He, Zhang, Ren, Sun, CVPR 2016, with parameter-free skips, as usually recalled.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (12, 24),
        *,
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        sizes = {f"widths[{layer}]": width for layer, width in enumerate(widths)}
        check_sizes(**sizes, classes=classes, rows=rows, columns=columns, channels=channels)
        if not widths or list(widths) != sorted(widths):
            raise ValueError(f"widths is {widths}; need at least one, and none smaller than the one before")
        if min(rows, columns) < 2 ** len(widths):
            raise ValueError(
                f"images are {rows}×{columns} and halved {len(widths)} times; need at least "
                f"{2 ** len(widths)}×{2 ** len(widths)}, or fewer widths"
            )
        self.in_shape, self.depth = in_shape, len(widths)
        self.stem = NormedConv(channels, widths[0], stride=2, rngs=rngs)
        below = widths[0]
        for index, width in enumerate(widths, start=1):
            # Names, not a list: they are the paths of masks and checkpoints.
            setattr(self, f"block{index}", NormedBlock(below, width, stride=1 if index == 1 else 2, rngs=rngs))
            below = width
        self.dense = nnx.Linear(below, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu(self.stem(x))
        for index in range(1, self.depth + 1):
            x = getattr(self, f"block{index}")(x)
        return self.dense(jnp.mean(x, axis=(1, 2)))
