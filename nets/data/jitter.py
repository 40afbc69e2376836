"""More images from few: small random rotations, shifts and changes of size, for rehearsals."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import affine_transform

ANGLE, SHIFT, SIZE = 0.15, 1.5, 0.1
"""Largest rotation in radians, shift in pixels, and relative change of size and of aspect."""


def jittered(images: np.ndarray, copies: int, seed: int) -> np.ndarray:
    """Copies of images, each turned, moved and stretched a little; never to be counted as samples.

    Args:
        images: (n, height, width, 1).
        copies: of each image.
        seed: of the draw.

    Returns:
        (copies · n, height, width, 1) float32, copy after copy in the order of the images; beyond the border the
        smallest value of the images.

    Example:
        >>> jittered(np.ones((2, 8, 8, 1), np.float32), 3, 0).shape
        (6, 8, 8, 1)
    """
    rng = np.random.default_rng(seed)
    n, height, width, _ = images.shape
    out = np.empty((copies * n, height, width, 1), dtype=np.float32)
    centre, border = (np.array([height, width]) - 1) / 2, float(images.min())
    for i in range(copies * n):
        angle, shift = rng.uniform(-ANGLE, ANGLE), rng.uniform(-SHIFT, SHIFT, size=2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn * rng.uniform(1 - SIZE, 1 + SIZE, size=2)
        offset = centre - matrix @ centre - shift
        out[i, :, :, 0] = affine_transform(images[i % n, :, :, 0], matrix, offset, order=1, cval=border)
    return out
