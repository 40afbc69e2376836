"""The zoo: one small network per way of writing one, with its literal description where a chain describes it.

Images are 6×6 with 2 channels, so that every path can be walked. `NETWORKS` maps a name to a builder;
`network(name)` builds it once. Weights come from one seed, so that the five forms are the same network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import numpy as np
import reference as ref
from zoo.five_forms import TwoConvolutions, forms, patches_conv, stack, two_convolutions
from zoo.parts import CHANNELS, CLASSES, NETWORKS, conv, draw, flat, images, shifts

from sparsebounds import bounds

__all__ = [
    "CHANNELS", "CLASSES", "NETWORKS", "Network", "TwoConvolutions", "conv", "draw", "flat", "forms", "images",
    "network", "patches_conv", "shifts", "stack", "two_convolutions", "two_three_by_three",
]  # fmt: skip


@dataclass(frozen=True)
class Network:
    """`reference`: f, literally. `chain`: no skips and no max pooling, as the sparse bounds need."""

    name: str
    f: Callable
    x: np.ndarray
    reference: ref.Net | None = None
    chain: bool = True


@cache
def network(name: str) -> Network:
    parts = NETWORKS[name]()
    return Network(name, **({"x": images()} | parts))


def two_three_by_three(bias=0.0):
    """8×8, two 3×3 convolutions of norms 1.2 and 0.8 (with their bias), 16 positions, ten equal rows, ‖W‖_F = 1.5."""
    parts = [(draw(70, 3, 3, 1, 1), 1.2), (draw(71, 3, 3, 1, 1), 0.8)]
    scaled = [(np.sqrt(n**2 - bias**2) * k / np.linalg.norm(k)).astype(np.float32) for k, n in parts]
    row = draw(72, 16, 1)
    row = row / np.linalg.norm(row) * np.sqrt(1.5**2 / 10 - bias**2)
    w = np.repeat(row, 10, axis=1).astype(np.float32)

    def f(x):
        for k in scaled:
            x = conv(x, k)
            x = jax.nn.relu(x + np.float32(bias) if bias else x)
        scores = flat(x) @ w
        return scores + np.full(10, bias, np.float32) if bias else scores

    return bounds.read_graph(f, np.ones((2, 8, 8, 1), np.float32))
