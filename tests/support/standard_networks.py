"""The standard architectures at sizes that a dense matrix of every layer fits."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets import standard

SMALL: dict[str, tuple[Callable[[nnx.Rngs], nnx.Module], int]] = {
    "resnet50": (lambda rngs: standard.BottleneckNet((1, 2), 2, classes=5, rngs=rngs), 16),
    "vgg16": (lambda rngs: standard.VGG((1, 2), (3, 4), 6, in_shape=(8, 8, 3), classes=5, rngs=rngs), 8),
    "vit_s16": (
        lambda rngs: standard.PatchTransformer(8, 2, 2, patch=4, in_shape=(8, 8, 3), classes=5, rngs=rngs),
        8,
    ),
    "mobilenet_v2": (
        lambda rngs: standard.MobileNet(((1, 4, 1, 1), (2, 6, 2, 2)), 4, 8, classes=5, rngs=rngs),
        12,
    ),
    "densenet121": (lambda rngs: standard.DenseNet((2, 2), 2, 4, classes=5, rngs=rngs), 16),
    "convnext_t": (lambda rngs: standard.ConvNeXt((1, 1), (4, 6), classes=5, rngs=rngs), 16),
}
"""Name → a small network from random keys, and the side of its images."""


def small(name: str) -> tuple[nnx.Module, np.ndarray]:
    """A small network with random numbers in all its arrays, and five images."""
    build, side = SMALL[name]
    module, rng = build(nnx.Rngs(0)), np.random.default_rng(1)

    def drawn(leaf: jax.Array) -> jax.Array:
        return jnp.asarray(rng.uniform(0.5, 1.5, leaf.shape).astype(np.float32)) if leaf.ndim == 1 else leaf

    nnx.update(module, jax.tree.map(drawn, nnx.state(module)))
    return module, rng.uniform(-1, 1, (5, side, side, 3)).astype(np.float32)
