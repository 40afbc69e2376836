"""A Flax module as a function of its weights."""

from __future__ import annotations

from flax import nnx

from sparsebounds.nets.certify.distance.sample import Apply, Tree
from sparsebounds.nets.models.functional import frozen


def split_module(module: nnx.Module) -> tuple[Apply, Tree, Tree]:
    """A module as f(params, x), in evaluation mode: batch statistics frozen, dropout off.

    Args:
        module: an `nnx.Module` from inputs to scores; it is not changed.

    Returns:
        (f, params, frozen): params holds its `nnx.Param`s as nested dicts, frozen all other arrays, which f has inside.

    Raises:
        ValueError: from f, where a call draws random numbers or changes statistics in evaluation mode too.

    Example:
        >>> import jax.numpy as jnp
        >>> net = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.BatchNorm(2, rngs=nnx.Rngs(0)))
        >>> f, params, rest = split_module(net)
        >>> f(params, jnp.ones((4, 3))).shape, sorted(rest["layers"][1])
        ((4, 2), ['mean', 'var'])
    """
    copy = nnx.clone(module)
    copy.eval()
    params, others, apply = frozen(copy)
    return lambda values, x: apply(values, others, x), params, others
