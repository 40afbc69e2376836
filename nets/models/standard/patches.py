"""ViT-S/16 and its like: patches and a class token, encoders, a dense layer on the class token."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes


class Block(nnx.Module):
    """x ↦ y + mlp(norm(y)), y = x + attention(norm(x)); the perceptron is four times as wide.

    Args:
        width: numbers of a token.
        heads: of the attention.
        rngs: source of keys.
    """

    def __init__(self, width: int, heads: int, *, rngs: nnx.Rngs) -> None:
        self.norm1, self.norm2 = (nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs) for _ in range(2))
        self.attention = nnx.MultiHeadAttention(heads, width, decode=False, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = x + self.attention(self.norm1(x))
        return x + self.down(nnx.gelu(self.up(self.norm2(x)), approximate=False))


class PatchTransformer(nnx.Module):
    """Square patches as tokens behind a class token, learned positions, encoders, a dense layer on the class token.

    Args:
        width: numbers of a token.
        depth: encoders.
        heads: of every attention; they divide the width.
        patch: side of the patches; it divides the sides of the image.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, heads or patches that do not divide.

    Example:
        >>> net = PatchTransformer(16, 1, 2, patch=4, in_shape=(8, 8, 3), classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 8, 8, 3))).shape, net.positions.shape
        ((2, 10), (5, 16))

    Source: Dosovitskiy et al., ICLR 2021; the small size is that of Touvron et al., ICML 2021.
    """

    def __init__(
        self,
        width: int = 384,
        depth: int = 12,
        heads: int = 6,
        *,
        patch: int = 16,
        in_shape: tuple[int, int, int] = (224, 224, 3),
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        check_sizes(width=width, depth=depth, heads=heads, patch=patch, classes=classes, channels=channels)
        if width % heads:
            raise ValueError(f"width is {width} with {heads} heads; need a multiple of the heads")
        if rows % patch or columns % patch or not rows or not columns:
            raise ValueError(f"images are {rows}×{columns} with patches of {patch}; need multiples of the patch")
        self.embed = nnx.Conv(channels, width, (patch, patch), strides=patch, padding="VALID", rngs=rngs)
        tokens = 1 + (rows // patch) * (columns // patch)
        self.token = nnx.Param(0.02 * jax.random.normal(rngs.params(), (1, width)))
        self.positions = nnx.Param(0.02 * jax.random.normal(rngs.params(), (tokens, width)))
        self.blocks = nnx.List([Block(width, heads, rngs=rngs) for _ in range(depth)])
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(width, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = self.embed(x)
        x = x.reshape(x.shape[0], -1, x.shape[-1])
        token = jnp.broadcast_to(self.token[...], (x.shape[0], 1, x.shape[-1]))
        x = jnp.concatenate([token, x], axis=1) + self.positions[...]
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


def vit_s16(*, in_shape: tuple[int, int, int] = (224, 224, 3), classes: int = 1000, rngs: nnx.Rngs) -> PatchTransformer:
    """ViT-S/16, 22.1 million weights for images of 224×224×3.

    Args:
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: Touvron et al., ICML 2021.
    """
    return PatchTransformer(in_shape=in_shape, classes=classes, rngs=rngs)
