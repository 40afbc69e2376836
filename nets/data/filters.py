"""A front end that nobody trained: oriented edges, lateral inhibition, overlapping pooling, normalisation.

Everything here is written down without looking at any image, so that what it computes may be treated as the input of
the network that is trained behind it.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@dataclass(frozen=True)
class EdgeFilters:
    """Which features are computed.

    Args:
        orientations: directions of the edges, evenly over the circle.
        strides: one set of pooled edge maps per stride, in pixels; triangles of width 2·stride overlap by half.
        second: strides, in pixels, at which edges of the edge maps are pooled; empty for none.
        second_orientations: directions of those.
        blur: σ of the Gaussian, in pixels.
        inhibition: a direction answers where it exceeds this share of what the best direction of a straight edge would
            give.
        floor: below which a size is not divided by.
    """

    orientations: int = 8
    strides: tuple[int, ...] = (5,)
    second: tuple[int, ...] = ()
    second_orientations: int = 8
    blur: float = 0.7
    inhibition: float = 0.7
    floor: float = 1e-3

    def __post_init__(self) -> None:
        sizes = (self.orientations, self.second_orientations, *self.strides, *self.second)
        if not self.strides or min(sizes) < 1:
            raise ValueError(f"{self}; needed at least one stride, and all numbers at least 1")


def edge_features(images: jax.Array, filters: EdgeFilters) -> jax.Array:
    """Features of oriented edges, (B, K): blur, differences, inhibition, pooling, division by local and total size.

    Args:
        images: (B, height, width, 1), any scale: features do not change when an image is multiplied by a number
            (as long as it is well above the floor).
        filters: which features.

    Returns:
        Float32 (B, K), position by position and channel by channel, set after set; every set has norm at most 1.

    Raises:
        ValueError: images of another shape, or too small to be pooled.

    Example:
        >>> edge_features(jnp.ones((2, 28, 28, 1)), EdgeFilters(strides=(7,))).shape
        (2, 128)
    """
    if images.ndim != 4 or images.shape[3] != 1:
        raise ValueError(f"images of shape {images.shape}; needed (B, height, width, 1)")
    edges = directions(_blurred(images.astype(jnp.float32), filters.blur), filters.orientations, filters.inhibition)
    sets = [_scaled(pooled(edges, stride), filters.floor) for stride in filters.strides]
    if filters.second:
        coarse = pooled(edges, 2)
        rows, columns, channels = coarse.shape[1:]
        maps = jnp.moveaxis(coarse, 3, 1).reshape(-1, rows, columns, 1)
        seen = directions(maps, filters.second_orientations, filters.inhibition).reshape(
            -1, channels, rows, columns, filters.second_orientations
        )
        second = jnp.moveaxis(seen, 1, 3).reshape(len(images), rows, columns, -1)
        sets += [_scaled(pooled(second, max(1, round(stride / 2))), filters.floor) for stride in filters.second]
    return jnp.concatenate([s.reshape(len(images), -1) for s in sets], axis=1)


def cosine_patches(images: jax.Array, size: int, stride: int) -> jax.Array:
    """The patches of a convolution in the coordinates of the discrete cosine transform: an orthogonal change of basis.

    A convolution of kernel `size` and this stride is a 1×1 convolution of the result, with the transformed kernel.

    Args:
        images: (B, height, width, 1).
        size, stride: of the convolution, without padding.

    Returns:
        (B, rows, columns, size²): coefficients, low frequencies first along each axis.

    Example:
        >>> cosine_patches(jnp.ones((1, 8, 8, 1)), 4, 2).shape
        (1, 3, 3, 16)
    """
    index = np.arange(size)
    basis = np.cos(np.pi * (index + 0.5) * index[:, None] / size) * np.sqrt(2.0 / size)
    basis[0] /= np.sqrt(2.0)
    kernel = np.einsum("uh,vw->hwuv", basis, basis).reshape(size, size, 1, size * size)
    return lax.conv_general_dilated(
        images, jnp.asarray(kernel, jnp.float32), (stride, stride), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def directions(images: jax.Array, count: int, inhibition: float = 0.7) -> jax.Array:
    """How strongly the brightness rises in each of `count` directions: (B, H, W, 1) → (B, H, W, count), not negative.

    ReLU of the central difference in every direction, less `inhibition` times what the steepest one gives (π times the
    mean of all), ReLU again: at 0.7 each direction answers to edges within ±45° of it.
    """
    padded = jnp.pad(images[..., 0], ((0, 0), (1, 1), (1, 1)))
    across = (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]) / 2
    down = (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]) / 2
    angles = 2 * math.pi * np.arange(count) / count
    waves = jnp.asarray(np.stack([np.cos(angles), np.sin(angles)]), jnp.float32)
    rises = jax.nn.relu(jnp.stack([across, down], axis=-1) @ waves)
    return jax.nn.relu(rises - inhibition * math.pi * rises.mean(axis=-1, keepdims=True))


def pooled(maps: jax.Array, stride: int) -> jax.Array:
    """Means under overlapping triangles centred `stride` apart: (B, H, W, C) → (B, H', W', C)."""
    rows, columns = (jnp.asarray(triangles(size, stride)) for size in maps.shape[1:3])
    return jnp.einsum("ph,bhwc,qw->bpqc", rows, maps, columns)


def triangles(size: int, stride: int) -> np.ndarray:
    """Weights (H', size) of triangles of half-width `stride`, centres `stride` apart and centred as a whole.

    Example:
        >>> triangles(5, 2).round(2).tolist()
        [[0.5, 0.25, 0.0, 0.0, 0.0], [0.0, 0.25, 0.5, 0.25, 0.0], [0.0, 0.0, 0.0, 0.25, 0.5]]
    """
    count = (size - 1) // stride + 1
    if count < 1:
        raise ValueError(f"maps of {size} rows cannot be pooled with stride {stride}")
    centres = (size - 1) / 2 + stride * (np.arange(count) - (count - 1) / 2)
    height = np.maximum(0.0, 1.0 - np.abs(np.arange(size) - centres[:, None]) / stride)
    return (height / stride).astype(np.float32)


def _blurred(images: jax.Array, sigma: float) -> jax.Array:
    taps = np.exp(-np.square(np.arange(-2, 3)) / (2 * sigma**2))
    taps /= taps.sum()
    kernel = jnp.asarray(np.outer(taps, taps)[:, :, None, None], jnp.float32)
    return lax.conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _scaled(maps: jax.Array, floor: float) -> jax.Array:
    """Each position divided by the root of its size, then the whole by its norm."""
    local = jnp.sqrt(jnp.sum(jnp.square(maps), axis=-1, keepdims=True))
    evened = maps / jnp.sqrt(local + floor)
    norm = jnp.sqrt(jnp.sum(jnp.square(evened), axis=(1, 2, 3), keepdims=True))
    return evened / jnp.maximum(norm, floor)
