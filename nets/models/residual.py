"""ResNet-8 and its relatives: two 3×3 convolutions per block, identity skips, weight normalisation per channel."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.batch_norm import standardised
from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv_ops import conv2d
from sparsebounds.nets.models.init import dense

STAGES = 3


class ChannelNormConv(nnx.Module):
    """3×3 convolution with a gain and a bias per output channel: kernel_c = g_c · v_c/‖v_c‖_F.

    The normalisation is a function of the weights alone. Batch normalisation, which the papers' networks use, keeps
    statistics of the data beside the weights; a gain per channel does the same for a masked network, which would
    otherwise lose its signal layer by layer, and leaves a plain function of the input behind.

    Args:
        n_in, n_out: channels.
        stride: of rows and columns; the input is padded by one zero on every side.
        gain: root mean square of the kernels of a channel relative to He's start, √(2/fan-in) per weight.
        rngs: source of keys.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int = 1, gain: float = 1.0, rngs: nnx.Rngs) -> None:
        # Drawn by NumPy from JAX's key: otherwise every new shape is compiled, which takes seconds for a network.
        draws = np.random.default_rng(np.asarray(jax.random.key_data(rngs.params())))
        v = (gain * (2 / (9 * n_in)) ** 0.5 * draws.normal(size=(3, 3, n_in, n_out))).astype(np.float32)
        self.v = nnx.Param(jnp.asarray(v))
        self.g = nnx.Param(jnp.asarray(np.linalg.norm(v.reshape(-1, n_out), axis=0)))
        self.bias = nnx.Param(jnp.asarray(np.zeros(n_out, np.float32)))
        self.stride = stride
        self.by_batch = False  # see `nets.models.batch_norm`

    def kernel(self) -> jax.Array:
        """The kernel the layer applies, (3, 3, n_in, n_out); zero in channels where v is all zero."""
        v = self.v[...]
        square = jnp.sum(v * v, axis=(0, 1, 2))
        return v * (self.g[...] / jnp.sqrt(jnp.where(square > 0, square, jnp.ones_like(square))))

    def layouts(self) -> dict[str, str]:
        """What the axes of its parameters are, for `nets.masks`."""
        return {"v": "stack* window window in out", "g": "norm of v"}

    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, rows, columns, n_in) to (batch, ⌈rows/stride⌉, ⌈columns/stride⌉, n_out)."""
        y = conv2d(x, self.kernel(), stride=self.stride, padding=1)
        return (standardised(y) if self.by_batch else y) + self.bias[...]


class Block(nnx.Module):
    """x ↦ σ(skip(x) + conv2(σ(conv1(x)))); where shapes change, the skip takes every second position and adds zeros.

    Args:
        n_in, n_out: channels, n_out at least n_in.
        stride: 1 or 2.
        gain: of the second convolution, so that many blocks do not add up to a large signal.
        rngs: source of keys.
    """

    def __init__(self, n_in: int, n_out: int, *, stride: int, gain: float, rngs: nnx.Rngs) -> None:
        self.conv1 = ChannelNormConv(n_in, n_out, stride=stride, rngs=rngs)
        self.conv2 = ChannelNormConv(n_out, n_out, gain=gain, rngs=rngs)
        self.stride, self.added = stride, n_out - n_in

    def __call__(self, x: jax.Array) -> jax.Array:
        """(batch, rows, columns, n_in) to (batch, ⌈rows/stride⌉, ⌈columns/stride⌉, n_out)."""
        skip = jnp.pad(x[:, :: self.stride, :: self.stride], ((0, 0), (0, 0), (0, 0), (0, self.added)))
        return nnx.relu(skip + self.conv2(nnx.relu(self.conv1(x))))


class ResNet(nnx.Module):
    """A residual network of 6·blocks + 2 layers for small images: a stem, three stages of width, 2·width, 4·width.

    The skips are identities without parameters. There is no batch normalisation: see `ChannelNormConv`.

    Args:
        width: channels of the first stage.
        blocks: per stage; 1 is ResNet-8.
        in_shape: (height, width, channels) of an image, at least 4×4.
        classes: number C of scores.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, or an image too small.

    Example:
        >>> net = ResNet(width=4, in_shape=(14, 14, 1), rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 14, 14, 1))).shape
        (2, 10)

    Source: He, Zhang, Ren, Sun, CVPR 2016, with their parameter-free skips, as usually recalled; weight normalisation
        per channel: Salimans, Kingma, NeurIPS 2016.
    """

    def __init__(
        self,
        width: int = 16,
        blocks: int = 1,
        *,
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        check_sizes(width=width, blocks=blocks, classes=classes, rows=rows, columns=columns, channels=channels)
        if min(rows, columns) < 4:
            raise ValueError(f"images are {rows}×{columns}; need at least 4×4, which two strides of 2 take to 1×1")
        self.in_shape, self.blocks = in_shape, STAGES * blocks
        self.stem = ChannelNormConv(channels, width, rngs=rngs)
        below = width
        for index in range(self.blocks):
            stage, first = divmod(index, blocks)
            here = width * 2**stage
            stride = 2 if stage and not first else 1
            block = Block(below, here, stride=stride, gain=self.blocks**-0.5, rngs=rngs)
            setattr(self, f"block{index + 1}", block)  # names, not a list: they are the paths of masks and checkpoints
            below = here
        self.dense = dense(below, classes, "torch", True, rngs)

    def stack(self) -> list[Block]:
        """The blocks, first to last."""
        return [getattr(self, f"block{index}") for index in range(1, self.blocks + 1)]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu(self.stem(x))
        for block in self.stack():
            x = block(x)
        return self.dense(jnp.mean(x, axis=(1, 2)))

    def positions(self) -> dict[str, int]:
        """How many positions of one image use each weight, by path."""
        rows, columns, _ = self.in_shape
        found = {"stem.v": rows * columns, "dense.kernel": 1}
        for index, block in enumerate(self.stack(), start=1):
            rows, columns = -(-rows // block.stride), -(-columns // block.stride)
            found |= {f"block{index}.conv{i}.v": rows * columns for i in (1, 2)}
        return found

    def channels(self) -> tuple[Channels, ...]:
        """Which channels can be removed: the first convolution's of every block; the others meet in the skips."""

        def own(layer: str) -> tuple[str, ...]:
            return tuple(f"{layer}.{name}" for name in ("v", "g", "bias"))

        held = "the skip of {} adds its input to the block's output channel by channel"
        groups = [Channels("stem", self.stem.v.shape[-1], own("stem"), skip=held.format("block1"))]
        for index, block in enumerate(self.stack(), start=1):
            first, second, count = f"block{index}.conv1", f"block{index}.conv2", block.conv1.v.shape[-1]
            groups.append(Channels(first, count, own(first), f"{second}.v", axis=2))
            groups.append(Channels(second, block.conv2.v.shape[-1], own(second), skip=held.format(f"block{index}")))
        return tuple(groups)
