"""A network with batch normalisation, made from one without: what pruning at initialisation takes its scores on."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

EPSILON = 1e-5  # added to variances


def standardised(y: jax.Array) -> jax.Array:
    """(y − mean)/√(variance + 1e-5) of every channel, over the batch and all positions.

    Args:
        y: (batch, …, channels).

    Example:
        >>> standardised(jnp.array([[1.0, 5.0], [3.0, 5.0]])).round(3).tolist()
        [[-1.0, 0.0], [1.0, 0.0]]
    """
    axes = tuple(range(y.ndim - 1))
    return (y - jnp.mean(y, axis=axes)) / jnp.sqrt(jnp.var(y, axis=axes) + EPSILON)


def with_batch_norm(model: Any) -> Any:
    """A copy of a network whose convolutions standardise their outputs over the batch, before the bias.

    It has the same parameters under the same paths, and is a function of the whole batch: for scores, not for use.
    Layers without an attribute `by_batch` stay as they are.

    Example:
        >>> from sparsebounds.nets.models.strided import StridedNet
        >>> net = StridedNet((2,), in_shape=(4, 4, 1), use_bias=False, rngs=nnx.Rngs(0))
        >>> x = jax.random.normal(jax.random.key(0), (3, 4, 4, 1))
        >>> bool(jnp.allclose(with_batch_norm(net)(x), with_batch_norm(net)(100 * x), atol=1e-3))
        True
    """
    copy = nnx.clone(model)
    for _, module in nnx.iter_modules(copy):
        if hasattr(module, "by_batch"):
            module.by_batch = True
    return copy
