"""A small vision transformer."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.pooled import Conv2d

OVERLAP = 1
"""Pixels that a patch reads beyond its square, on every side."""


class Encoder(nnx.Module):
    """x ↦ y + mlp(norm(y)), y = x + attention(norm(x)).

    Args:
        width: numbers of a token.
        heads: of the attention.
        rngs: source of keys.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.norm1, self.norm2 = nnx.LayerNorm(width, rngs=rngs), nnx.LayerNorm(width, rngs=rngs)
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 2 * width, rngs=rngs), nnx.Linear(2 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.norm1(x))
        return x + self.down(nnx.gelu(self.up(self.norm2(x))))


class ViT(nnx.Module):
    """Overlapping patches as tokens with learned positions, encoders, the mean over the tokens, a dense layer.

    Args:
        width: numbers of a token.
        depth: encoders.
        heads: of every attention; they divide the width.
        patch: side of the squares that the image is cut into; it divides the sides of the image.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, heads or patches that do not divide.

    Example:
        >>> net = ViT(16, 1, 2, patch=7, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 28, 28, 1))).shape, net.positions.shape
        ((2, 10), (16, 16))

    Source: Dosovitskiy et al., ICLR 2021, as usually recalled.
    """

    def __init__(
        self,
        width: int = 32,
        depth: int = 3,
        heads: int = 4,
        *,
        patch: int = 4,
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        check_sizes(width=width, depth=depth, heads=heads, patch=patch, classes=classes, channels=channels)
        if width % heads:
            raise ValueError(f"width is {width} with {heads} heads; need a multiple of the heads")
        if rows % patch or columns % patch or not rows or not columns:
            raise ValueError(
                f"images are {rows}×{columns} with patches of {patch}×{patch}; need multiples of the patch"
            )
        self.depth, self.in_shape = depth, in_shape
        self.embed = Conv2d(channels, width, patch + 2 * OVERLAP, stride=patch, padding=OVERLAP, rngs=rngs)
        tokens = (rows // patch) * (columns // patch)
        self.positions = nnx.Param(0.1 * jax.random.normal(rngs.params(), (tokens, width), jnp.float32))
        for index in range(1, depth + 1):
            # Names, not a list: they are the paths of masks and checkpoints.
            setattr(self, f"encoder{index}", Encoder(width, heads, rngs=rngs))
        self.norm, self.dense = nnx.LayerNorm(width, rngs=rngs), nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = self.embed(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1]) + self.positions[...]
        for index in range(1, self.depth + 1):
            x = getattr(self, f"encoder{index}")(x)
        return self.dense(jnp.mean(self.norm(x), axis=1))
