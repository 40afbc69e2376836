"""Convolutions with biases, each with a maximum over 2×2 squares and an activation, then a dense layer."""

from __future__ import annotations

from collections.abc import Callable

import jax
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.conv_ops import conv2d

ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {"relu": nnx.relu, "gelu": nnx.gelu, "tanh": nnx.tanh}


class Conv2d(nnx.Conv):
    """`nnx.Conv` for images, computed in whichever form suits the platform.

    Args:
        n_in, n_out: channels.
        size: kernel height and width.
        stride, padding: of rows and columns; zeros on every side.
        use_bias: whether it adds one number per channel.
        rngs: source of keys.

    Example:
        >>> import jax.numpy as jnp
        >>> Conv2d(1, 4, 3, padding=1, rngs=nnx.Rngs(0))(jnp.zeros((2, 7, 7, 1))).shape
        (2, 7, 7, 4)
    """

    def __init__(
        self, n_in: int, n_out: int, size: int, *, stride: int = 1, padding: int = 0, use_bias: bool = True,
        rngs: nnx.Rngs,
    ) -> None:  # fmt: skip
        super().__init__(n_in, n_out, (size, size), strides=stride, padding=padding, use_bias=use_bias, rngs=rngs)
        self.step, self.zeros = stride, padding

    def __call__(self, inputs: jax.Array, out_sharding: object = None) -> jax.Array:
        y = conv2d(inputs, self.kernel[...], stride=self.step, padding=self.zeros)
        return y if self.bias is None else y + self.bias[...]


class PooledNet(nnx.Module):
    """x ↦ dense(… σ(max over 2×2 of (conv(x) + b))); a row or column that is left over is not read.

    Args:
        widths: channels of every convolution.
        size: kernel height and width; no padding.
        pools: maxima over 2×2 squares: one after every convolution, the others after the last.
        activation: "relu", "gelu" or "tanh".
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, fewer pools than convolutions, an unknown activation, or an image too small.

    Example:
        >>> import jax.numpy as jnp
        >>> net = PooledNet(rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 28, 28, 1))).shape, sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net)))
        ((2, 10), 11386)
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (12, 24),
        size: int = 5,
        *,
        pools: int | None = None,
        activation: str = "relu",
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        sizes = {f"widths[{layer}]": width for layer, width in enumerate(widths)}
        check_sizes(size=size, **sizes, classes=classes, rows=rows, columns=columns, channels=channels)
        self.depth, self.in_shape, self.more = len(widths), in_shape, 0 if pools is None else pools - len(widths)
        if not widths or self.more < 0:
            raise ValueError(
                f"{len(widths)} convolutions and pools = {pools}; need at least one of each, and as many pools"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation is {activation!r}; choose one of {', '.join(ACTIVATIONS)}")
        self.activation = activation
        for layer, width in enumerate(widths, start=1):
            # Names, not a list: they are the paths of masks and checkpoints.
            setattr(self, f"conv{layer}", Conv2d(channels, width, size, rngs=rngs))
            rows, columns, channels = (rows - size + 1) // 2, (columns - size + 1) // 2, width
        rows, columns = rows >> self.more, columns >> self.more
        if min(rows, columns) < 1:
            raise ValueError(f"images of {in_shape[0]}×{in_shape[1]} are too small for {self.depth} convolutions of "
                             f"{size}×{size} and {self.depth + self.more} pools")  # fmt: skip
        self.dense = nnx.Linear(rows * columns * channels, classes, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        for layer in range(1, self.depth + 1):
            x = ACTIVATIONS[self.activation](_halved(getattr(self, f"conv{layer}")(x)))
        for _ in range(self.more):
            x = _halved(x)
        return self.dense(x.reshape(x.shape[0], -1))


def _halved(x: jax.Array) -> jax.Array:
    """Maxima over 2×2 squares."""
    return nnx.max_pool(x, (2, 2), strides=(2, 2))
