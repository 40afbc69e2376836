"""ConvNeXt-T and its like: depthwise 7×7 convolutions, layer norm, GELU and layer scale."""

from __future__ import annotations

import itertools

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.checks import check_sizes


class Block(nnx.Module):
    """x ↦ x + scale ⊙ down(GELU(up(norm(depthwise(x))))).

    Args:
        width: channels.
        rngs: source of keys.
    """

    def __init__(self, width: int, *, rngs: nnx.Rngs) -> None:
        self.depthwise = nnx.Conv(width, width, (7, 7), padding=3, feature_group_count=width, rngs=rngs)
        self.norm = nnx.LayerNorm(width, epsilon=1e-6, rngs=rngs)
        self.up, self.down = nnx.Linear(width, 4 * width, rngs=rngs), nnx.Linear(4 * width, width, rngs=rngs)
        self.scale = nnx.Param(1e-6 * jnp.ones(width))

    def __call__(self, x: jax.Array) -> jax.Array:
        y = nnx.gelu(self.up(self.norm(self.depthwise(x))), approximate=False)
        return x + self.scale[...] * self.down(y)


class ConvNeXt(nnx.Module):
    """A 4×4 stem with stride 4, stages of blocks with 2×2 convolutions between, the mean, layer norm, a dense layer.

    Args:
        blocks: of every stage.
        widths: channels of every stage.
        channels: of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1.

    Example:
        >>> net = ConvNeXt((1, 1), (4, 8), classes=10, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 16, 16, 3))).shape
        (2, 10)

    Source: Liu et al., CVPR 2022.
    """

    def __init__(
        self,
        blocks: tuple[int, ...] = (3, 3, 9, 3),
        widths: tuple[int, ...] = (96, 192, 384, 768),
        *,
        channels: int = 3,
        classes: int = 1000,
        rngs: nnx.Rngs,
    ) -> None:
        check_sizes(channels=channels, classes=classes, blocks=min(blocks, default=0), widths=min(widths, default=0))
        self.stem = nnx.Conv(channels, widths[0], (4, 4), strides=4, padding="VALID", rngs=rngs)
        self.stem_norm = nnx.LayerNorm(widths[0], epsilon=1e-6, rngs=rngs)
        self.stages = nnx.List(
            [
                nnx.List([Block(width, rngs=rngs) for _ in range(count)])
                for count, width in zip(blocks, widths, strict=True)
            ]
        )
        pairs = list(itertools.pairwise(widths))
        self.norms = nnx.List([nnx.LayerNorm(a, epsilon=1e-6, rngs=rngs) for a, _ in pairs])
        self.downs = nnx.List([nnx.Conv(a, b, (2, 2), strides=2, padding="VALID", rngs=rngs) for a, b in pairs])
        self.norm = nnx.LayerNorm(widths[-1], epsilon=1e-6, rngs=rngs)
        self.head = nnx.Linear(widths[-1], classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = self.stem_norm(self.stem(x))
        for index, stage in enumerate(self.stages):
            if index:
                x = self.downs[index - 1](self.norms[index - 1](x))
            for block in stage:
                x = block(x)
        return self.head(self.norm(jnp.mean(x, axis=(1, 2))))


def convnext_t(*, classes: int = 1000, rngs: nnx.Rngs) -> ConvNeXt:
    """ConvNeXt-T, 28.6 million weights.

    Args:
        classes: number C of scores.
        rngs: source of keys.

    Returns:
        The module, its weights random.

    Source: Liu et al., CVPR 2022.
    """
    return ConvNeXt(classes=classes, rngs=rngs)
