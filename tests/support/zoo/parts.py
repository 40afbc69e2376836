"""What the networks of the zoo are made of, and their list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

SIZE, CHANNELS, WIDTH, CLASSES = (6, 6), 2, 3, 4
Parts = dict[str, Any]
"""f, and what else a `networks.Network` has."""
NETWORKS: dict[str, Callable[[], Parts]] = {}
"""Name → builder."""


def listed(build: Callable[[], Parts]) -> Callable[[], Parts]:
    """Put a builder on the list, under its own name."""
    NETWORKS[build.__name__] = build
    return build


def images(count: int = 5, seed: int = 0, size=SIZE, channels=CHANNELS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, *size, channels)).astype(np.float32)


def draw(seed: int, *shape: int, scale: float = 1.0) -> np.ndarray:
    fan_in = np.prod(shape[:-1]) if len(shape) > 1 else 4.0
    return (scale * np.random.default_rng(seed).normal(size=shape) / np.sqrt(fan_in)).astype(np.float32)


def conv(x, kernel, *, stride=(1, 1), padding="VALID", dilation=(1, 1), groups=1):
    return lax.conv_general_dilated(
        x, kernel, stride, padding, rhs_dilation=dilation, feature_group_count=groups,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )  # fmt: skip


def flat(x):
    return x.reshape(x.shape[0], -1)


def shifts(x, kernel):
    rows, columns = x.shape[1] - kernel.shape[0] + 1, x.shape[2] - kernel.shape[1] + 1
    for a in range(kernel.shape[0]):
        for b in range(kernel.shape[1]):
            yield (a, b), x[:, a : a + rows, b : b + columns]
