"""CONV-L-H: the convolutional network of Galanti et al."""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.batch_norm import standardised
from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv_ops import conv2d
from sparsebounds.nets.models.init import dense, starting_weights


class WeightNormConv(nnx.Module):
    """Convolution without padding, with one gain for the whole layer: kernel = g · v/‖v‖_F.

    Args:
        size: kernel height and width.
        n_in, n_out: channels.
        stride: of rows and columns.
        init, use_bias: as for `ConvNet`; g starts at ‖v‖_F, so the kernel starts at v.
        rngs: source of keys.
    """

    def __init__(
        self, size: int, n_in: int, n_out: int, *, stride: int = 1, init: str, use_bias: bool, rngs: nnx.Rngs
    ) -> None:
        v, bias = starting_weights((size, size, n_in, n_out), (n_out,), size * size * n_in, init, rngs)
        self.stride = stride
        self.v = nnx.Param(v)
        self.g = nnx.Param(jnp.linalg.norm(v.ravel()))
        self.bias = nnx.Param(bias) if use_bias else None
        self.by_batch = False  # see `nets.models.batch_norm`

    def kernel(self) -> jax.Array:
        """The kernel the layer applies, (size, size, n_in, n_out); zero where v is all zero."""
        v = self.v[...]
        square = jnp.sum(v * v)
        # The inner `where` keeps the gradient of the root finite when a mask leaves nothing of v.
        norm = jnp.sqrt(jnp.where(square > 0, square, jnp.ones_like(square)))
        return v * (self.g[...] / norm)

    def layouts(self) -> dict[str, str]:
        """What the axes of its parameters are, for `nets.masks`."""
        return {"v": "stack* window window in out", "g": "norm of v"}

    def __call__(self, x: jax.Array) -> jax.Array:
        y = conv2d(x, self.kernel(), stride=self.stride)
        y = standardised(y) if self.by_batch else y
        return y if self.bias is None else y + self.bias[...]


class ConvStack(nnx.Module):
    """Convolutions with an activation each, conv1 to conv{depth}, then a dense layer."""

    depth: int
    dense: nnx.Linear

    def positions(self) -> dict[str, int]:
        """How many positions of one image use each weight, by path."""
        raise NotImplementedError(f"{type(self).__name__} has to say how many positions its convolutions have")

    def _stack(
        self, widths: tuple[int, ...], classes: int, *, stride: int = 1, init: str, use_bias: bool, rngs: nnx.Rngs
    ) -> None:
        """Make the layers; `widths` begins with the channels of the images."""
        for layer, (channels, width) in enumerate(itertools.pairwise(widths), start=1):
            conv = WeightNormConv(2, channels, width, stride=stride, init=init, use_bias=use_bias, rngs=rngs)
            setattr(self, f"conv{layer}", conv)  # names, not a list: they are the paths of masks and checkpoints
        self.dense = dense(widths[-1] * self.positions()[f"conv{self.depth}.v"], classes, init, use_bias, rngs)

    def convolutions(self) -> list[WeightNormConv]:
        """The convolutions, first to last."""
        return [getattr(self, f"conv{layer}") for layer in range(1, self.depth + 1)]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        for conv in self.convolutions():
            x = nnx.relu(conv(x))
        return self.dense(x.reshape(x.shape[0], -1))


class ConvNet(ConvStack):
    """CONV-L-H: L weight-normalised 2×2 convolutions of H channels with ReLU, then one dense layer.

    On 28×28 images the maps have 27, 26, …, 28−L rows and the dense layer reads H·(28−L)² numbers.

    Args:
        depth: number L of convolutions, at least 1.
        width: channels H of each.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        init: "torch" (uniform ±1/√fan-in, where the paper's curves start) or "flax".
        use_bias: whether every layer has a bias.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, or an image too small for the depth.

    Example:
        >>> net = ConvNet(depth=3, width=8, rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 28, 28, 1))).shape
        (2, 10)

    Source: Galanti, Xu, Galanti, Poggio, NeurIPS 2023, as in the authors' released code.
    """

    def __init__(
        self,
        depth: int = 3,
        width: int = 32,
        *,
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        init: str = "torch",
        use_bias: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        check_sizes(depth=depth, width=width, classes=classes, rows=rows, columns=columns, channels=channels)
        if min(rows, columns) <= depth:
            raise ValueError(
                f"depth is {depth} on {rows}×{columns} images and each layer takes one row and one column; "
                f"need a depth of at most {min(rows, columns) - 1}"
            )
        self.depth, self.in_shape = depth, in_shape
        self._stack((channels, *(width,) * depth), classes, init=init, use_bias=use_bias, rngs=rngs)

    def positions(self) -> dict[str, int]:
        """How many positions of one image use each weight, by path."""
        rows, columns = self.in_shape[:2]
        maps = {f"conv{layer}.v": (rows - layer) * (columns - layer) for layer in range(1, self.depth + 1)}
        return {**maps, "dense.kernel": 1}

    def channels(self) -> tuple[Channels, ...]:
        """Which weights own and which read the channels of every convolution."""
        groups = []
        for layer, conv in enumerate(self.convolutions(), start=1):
            own = (f"conv{layer}.v", f"conv{layer}.bias")[: 1 if conv.bias is None else 2]
            count, last = conv.v.shape[-1], layer == self.depth
            reader = ("dense.kernel", 0, self.positions()[f"conv{layer}.v"]) if last else (f"conv{layer + 1}.v", 2, 1)
            groups.append(Channels(f"conv{layer}", count, own, *reader))
        return tuple(groups)

    def rho(self) -> float:
        """ρ = Π over layers of ‖kernel‖_F, the dense layer included, biases not; in float64."""
        return product_of_norms([conv.kernel() for conv in self.convolutions()] + [self.dense.kernel[...]])


def product_of_norms(kernels: list[Any]) -> float:
    """Π ‖kernel‖_F in float64.

    Example:
        >>> product_of_norms([np.full(4, 3.0), np.ones(9)])
        18.0
    """
    norms = [float(np.linalg.norm(np.asarray(kernel, np.float64).ravel())) for kernel in kernels]
    return _product(norms)


def _product(norms: list[float]) -> float:
    try:
        return math.prod(norms)
    except OverflowError:
        return math.inf
