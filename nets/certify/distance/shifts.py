"""Images moved by a few pixels: what a reference may be trained on, and what is never counted as samples."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import lax

PIXELS = 2


def random_shifts(x: jax.Array, key: jax.Array) -> jax.Array:
    """Every image moved by −2 … 2 pixels each way; beyond its border the smallest value of the batch.

    Args:
        x: (batch, height, width, channels).
        key: of the shifts.

    Returns:
        The shape of `x`.

    Example:
        >>> x = jnp.zeros((1, 5, 5, 1)).at[0, 2, 2, 0].set(1.0)
        >>> moved = random_shifts(x, jax.random.key(0))
        >>> moved.shape, moved.sum().item()
        ((1, 5, 5, 1), 1.0)
    """
    border = ((0, 0), (PIXELS, PIXELS), (PIXELS, PIXELS), (0, 0))
    wide = jnp.pad(x, border, constant_values=jnp.min(x))
    starts = jax.random.randint(key, (len(x), 2), 0, 2 * PIXELS + 1)
    return jax.vmap(lambda image, start: lax.dynamic_slice(image, (*start, 0), x.shape[1:]))(wide, starts)
