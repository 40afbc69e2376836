"""How much a channel matters to Chase: four scores of the weights that feed it."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from sparsebounds.nets.masks.layout import Layout

Score = Callable[[jax.Array, jax.Array], jax.Array]


def by_channel(kernel: jax.Array, layout: Layout) -> jax.Array:
    """A kernel with its window in front, then the inputs as one axis, then the channels.

    Example:
        >>> by_channel(jnp.zeros((3, 3, 8, 4)), Layout.of("window window out in")).shape
        (3, 3, 4, 8)
    """
    order = (*layout.along("window"), *layout.along("in"), *layout.along("out"))
    window = kernel.shape[: len(layout.along("window"))]
    return kernel.transpose(order).reshape(*window, -1, kernel.shape[layout.along("out")[0]])


def mean(size: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean of |w| over all entries of a channel, inactive ones as zeros.

    Args:
        size: |w|, channels on the last axis, as of `by_channel`.
        mask: booleans of the same shape.

    Returns:
        One number per channel.
    """
    return jnp.mean(jnp.where(mask, size, jnp.zeros_like(size)), axis=_inputs(size))


def mean_active(size: jax.Array, mask: jax.Array) -> jax.Array:
    """Mean of |w| over the active entries of a channel; 0 where there is none."""
    total = jnp.sum(jnp.where(mask, size, jnp.zeros_like(size)), axis=_inputs(size))
    return total / jnp.maximum(jnp.sum(mask, axis=_inputs(size), dtype=size.dtype), jnp.ones_like(total))


def nonzeros(size: jax.Array, mask: jax.Array) -> jax.Array:
    """Share of a channel's entries that are active."""
    return jnp.mean(mask, axis=_inputs(size), dtype=size.dtype)


def nonzero_kernels(size: jax.Array, mask: jax.Array) -> jax.Array:
    """Share of a channel's inputs from which any entry is active: rows and columns of a kernel count as one.

    Args:
        size: |w|, as of `by_channel`.
        mask: booleans of the same shape.

    Example:
        >>> mask = jnp.zeros((3, 3, 4, 1), bool).at[0, 0, 1, 0].set(True).at[2, 0, 1, 0].set(True)
        >>> nonzero_kernels(jnp.ones((3, 3, 4, 1)), mask).tolist()
        [0.25]
    """
    kernels = jnp.any(mask, axis=tuple(range(mask.ndim - 2)))
    return jnp.mean(kernels, axis=0, dtype=size.dtype)


def _inputs(size: jax.Array) -> tuple[int, ...]:
    return tuple(range(size.ndim - 1))


SCORES: dict[str, Score] = {
    "mean": mean,
    "mean_active": mean_active,
    "nonzeros": nonzeros,
    "nonzero_kernels": nonzero_kernels,
}
"""Name → score; "mean" is what the authors' released code uses."""
