"""A plain network of dense layers."""

from collections.abc import Sequence
from itertools import pairwise

import jax
from flax import nnx

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.models.channels import Channels
from sparsebounds.nets.models.conv import product_of_norms
from sparsebounds.nets.models.init import dense


class MLP(nnx.Module):
    """Dense layers with ReLU between them: x ↦ W_L σ(… σ(W_1 x + b_1)) + b_L.

    Args:
        widths: sizes (n_0, n_1, …, n_L): n_0 input coordinates, n_L scores.
        init: "torch" or "flax".
        use_bias: whether every layer has a bias.
        rngs: source of keys.

    Raises:
        ValueError: fewer than two widths, or one below 1.

    Example:
        >>> import jax.numpy as jnp
        >>> MLP((64, 32, 10), rngs=nnx.Rngs(0))(jnp.zeros((5, 8, 8, 1))).shape
        (5, 10)
    """

    def __init__(self, widths: Sequence[int], *, init: str = "torch", use_bias: bool = True, rngs: nnx.Rngs) -> None:
        if len(widths) < 2:
            raise ValueError(f"widths is {tuple(widths)}; need at least the input size and the number of classes")
        check_sizes(**{f"widths[{i}]": n for i, n in enumerate(widths)})
        self.depth = len(widths) - 1
        for layer, (n_in, n_out) in enumerate(pairwise(widths), start=1):
            setattr(self, f"dense{layer}", dense(n_in, n_out, init, use_bias, rngs))

    @property
    def in_shape(self) -> tuple[int]:
        """Of one sample."""
        return (self.layers()[0].in_features,)

    def layers(self) -> list[nnx.Linear]:
        """The dense layers, first to last."""
        return [getattr(self, f"dense{layer}") for layer in range(1, self.depth + 1)]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, n_L) of a batch of any shape with n_0 numbers per sample."""
        x = x.reshape(x.shape[0], -1)
        *hidden, last = self.layers()
        for layer in hidden:
            x = nnx.relu(layer(x))
        return last(x)

    def positions(self) -> dict[str, int]:
        """How many times one sample uses each weight, by path: once."""
        return {f"dense{layer}.kernel": 1 for layer in range(1, self.depth + 1)}

    def channels(self) -> tuple[Channels, ...]:
        """Which weights own and which read the units of every hidden layer."""
        groups = []
        for index, layer in enumerate(self.layers()[:-1], start=1):
            own = (f"dense{index}.kernel", f"dense{index}.bias")[: 1 if layer.bias is None else 2]
            groups.append(Channels(f"dense{index}", layer.kernel.shape[1], own, f"dense{index + 1}.kernel"))
        return tuple(groups)

    def rho(self) -> float:
        """ρ = Π over layers of ‖W‖_F, biases not counted; in float64."""
        return product_of_norms([layer.kernel[...] for layer in self.layers()])
