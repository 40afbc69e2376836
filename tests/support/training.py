"""A tiny data set to train on, and the weights of what was trained."""

import jax
import numpy as np
from flax import nnx

from sparsebounds import nets


def small(n: int = 20, classes: int = 3, seed: int = 0) -> nets.Dataset:
    rng = np.random.RandomState(seed)
    x, y = rng.randn(n, 2, 2, 1).astype(np.float32), rng.randint(0, classes, n).astype(np.int32)
    return nets.Dataset("small", x, y, x, y, classes, "fixed")


def weights(model: nnx.Module) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))]
