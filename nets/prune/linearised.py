"""The network that SynFlow looks at: absolute weights, no shifts, and norms that only scale."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets.masks.names import is_shift

Tree = Any
_NORMS = (nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.InstanceNorm)


class Scaled(nnx.Module):
    """What a norm of Flax becomes: x times its gain, if it has one. It keeps the norm's attributes."""

    scale: nnx.Param | None

    def __call__(self, x: jax.Array, *, mask: Any = None) -> jax.Array:
        """As the norm is called."""
        if self.scale is None:
            return x
        axes = getattr(self, "feature_axes", -1)
        axes = {axis % x.ndim for axis in (axes if isinstance(axes, list | tuple) else (axes,))}
        return x * jnp.reshape(self.scale[...], [size if i in axes else 1 for i, size in enumerate(x.shape)])


def linearised(model: nnx.Module) -> nnx.Module:
    """A copy whose layer, RMS, group and instance norms only scale, and whose layers compute as their inputs come.

    A norm divides by what the other weights make of the input, so that under absolute weights the flow into it would
    not be the flow out of it. The copy has the same parameters under the same paths.

    Example:
        >>> norm = nnx.LayerNorm(2, rngs=nnx.Rngs(0))
        >>> linearised(nnx.Sequential(norm))(jnp.array([[3.0, 5.0]])).tolist(), norm.scale.shape
        ([[3.0, 5.0]], (2,))
    """
    copy = nnx.clone(model)
    for _, module in nnx.iter_modules(copy):
        if type(module) in _NORMS:
            object.__setattr__(module, "__class__", Scaled)
        of_flax = type(module).__module__.startswith("flax.")
        if of_flax and jnp.issubdtype(getattr(module, "dtype", None) or jnp.int32, jnp.floating):
            object.__setattr__(module, "dtype", None)  # half precision loses the small flows
    return copy


def positive(kernels: Tree, known: Mapping[str, masking.Layout]) -> Tree:
    """Parameters in float64: absolute, and zero where they shift, as biases, positions and learned tokens do.

    Args:
        kernels: parameters, as the layers apply them.
        known: what they are, by path.
    """

    def one(path: Any, leaf: jax.Array) -> jax.Array:
        place, wide = masking.name(path), jnp.abs(leaf).astype(jnp.float64)
        return jnp.zeros_like(wide) if known[place].kind == "bias" or is_shift(place) else wide

    return jax.tree_util.tree_map_with_path(one, kernels)


def positive_rest(others: Tree) -> Tree:
    """All other arrays: running means zero, frozen weights and other numbers absolute."""

    def one(path: Any, leaf: jax.Array) -> jax.Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf
        return jnp.zeros_like(leaf) if masking.name(path).rsplit(".", 1)[-1] == "mean" else jnp.abs(leaf)

    return jax.tree_util.tree_map_with_path(one, others)
