"""A convolutional network whose layers halve the image: every node reads a 2×2 square of its own."""

from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv import ConvStack, product_of_norms


class StridedNet(ConvStack):
    """Weight-normalised 2×2 convolutions of stride 2 with ReLU, then one dense layer.

    28×28 images become maps of 14, 7 and 3 rows; a row or column that is left over is not read.

    Args:
        widths: channels of every convolution.
        in_shape: (height, width, channels) of an image, at least 2 to the number of convolutions each way.
        classes: number C of scores.
        init: "torch" or "flax".
        use_bias: whether every layer has a bias.
        rngs: source of keys.

    Raises:
        ValueError: a size below 1, no convolution, or an image too small for so many.

    Example:
        >>> import jax.numpy as jnp
        >>> net = StridedNet((8, 16, 32), rngs=nnx.Rngs(0))
        >>> net(jnp.zeros((2, 28, 28, 1))).shape, net.dense.kernel.shape
        ((2, 10), (288, 10))
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (8, 16, 32),
        *,
        in_shape: tuple[int, int, int] = (28, 28, 1),
        classes: int = 10,
        init: str = "torch",
        use_bias: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        rows, columns, channels = in_shape
        sizes = {f"widths[{layer}]": width for layer, width in enumerate(widths)}
        check_sizes(depth=len(widths), **sizes, classes=classes, rows=rows, columns=columns, channels=channels)
        if min(rows, columns) < 2 ** len(widths):
            raise ValueError(
                f"{len(widths)} convolutions on {rows}×{columns} images and each halves them; need images of at least "
                f"{2 ** len(widths)}×{2 ** len(widths)}, or fewer convolutions"
            )
        self.depth, self.in_shape = len(widths), in_shape
        self._stack((channels, *widths), classes, stride=2, init=init, use_bias=use_bias, rngs=rngs)

    def positions(self) -> dict[str, int]:
        """How many positions of one image use each weight, by path."""
        rows, columns, _ = self.in_shape
        layers = range(1, self.depth + 1)
        return {f"conv{i}.v": (rows >> i) * (columns >> i) for i in layers} | {"dense.kernel": 1}

    def channels(self) -> tuple[Channels, ...]:
        """Which weights own and which read the channels of every convolution."""
        groups = []
        for layer, conv in enumerate(self.convolutions(), start=1):
            own = (f"conv{layer}.v", f"conv{layer}.bias")[: 1 if conv.bias is None else 2]
            last = layer == self.depth
            reader = ("dense.kernel", 0, self.positions()[f"conv{layer}.v"]) if last else (f"conv{layer + 1}.v", 2, 1)
            groups.append(Channels(f"conv{layer}", conv.v.shape[-1], own, *reader))
        return tuple(groups)

    def rho(self) -> float:
        """ρ = Π over layers of ‖kernel‖_F, the dense layer included, biases not; in float64."""
        return product_of_norms([conv.kernel() for conv in self.convolutions()] + [self.dense.kernel[...]])
