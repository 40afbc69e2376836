"""Changes of training images that keep their labels: what the reference may see, and no certified image."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from sparsebounds.nets.data.jitter import ANGLE, SHIFT, SIZE


def random_jitter(
    angle: float = ANGLE, shift: float = SHIFT, size: float = SIZE
) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Every image turned, moved and stretched a little, as by `nets.data.jitter`, anew in every batch.

    Args:
        angle: largest rotation, in radians.
        shift: largest move, in pixels.
        size: largest relative change of height and of width.

    Returns:
        (images (B, height, width, channels), key) → images of the same shape, as `train_reference` takes it; beyond the
        border the nearest pixel.

    Example:
        >>> images = jax.random.normal(jax.random.key(0), (4, 8, 8, 1))
        >>> same = random_jitter(0.0, 0.0, 0.0)(images, jax.random.key(1))
        >>> bool(jnp.allclose(same, images, atol=1e-5)), random_jitter()(images, jax.random.key(1)).shape
        (True, (4, 8, 8, 1))
    """

    def jitter(x: jax.Array, key: jax.Array) -> jax.Array:
        height, width = x.shape[1:3]
        rows, columns = jnp.meshgrid(jnp.arange(float(height)) - (height - 1) / 2,
                                     jnp.arange(float(width)) - (width - 1) / 2,
                                     indexing="ij")  # fmt: skip
        draws = jax.random.uniform(key, (len(x), 5), jnp.float32, -1.0, 1.0) * jnp.asarray(
            [angle, shift, shift, size, size], jnp.float32
        )

        def one(image: jax.Array, draw: jax.Array) -> jax.Array:
            cosine, sine = jnp.cos(draw[0]), jnp.sin(draw[0])
            y = (cosine * rows - sine * columns) * (1 + draw[3]) + draw[1] + (height - 1) / 2
            z = (sine * rows + cosine * columns) * (1 + draw[4]) + draw[2] + (width - 1) / 2
            read = jax.vmap(lambda channel: map_coordinates(channel, [y, z], order=1, mode="nearest"), 2, 2)
            return read(image)

        return jax.vmap(one)(x, draws)

    return jitter
