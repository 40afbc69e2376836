"""The network of a cell: built, masked, and as a function for training, with dropout."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds import nets
from sparsebounds.experiments.sweep.factors import DENSE, Level, method_and_density
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.models import StridedNet
from sparsebounds.nets.prune import METHODS, FloorApplied

Tree = Any
SCORED = 128
"""Training images on which the masks that look at data score the weights."""


def _mlp(data: Dataset, depth: int, width: int, rngs: nnx.Rngs) -> nnx.Module:
    rows, columns, channels = data.in_shape
    return nets.MLP((rows * columns * channels, *[width] * depth, data.classes), init="flax", rngs=rngs)


def _strided(data: Dataset, depth: int, width: int, rngs: nnx.Rngs) -> nnx.Module:
    chosen: dict[str, Any] = {"in_shape": data.in_shape, "classes": data.classes, "init": "flax", "rngs": rngs}
    return StridedNet((width,) * depth, **chosen)


def _conv(data: Dataset, depth: int, width: int, rngs: nnx.Rngs) -> nnx.Module:
    return nets.PooledNet((width,) * depth, 3, in_shape=data.in_shape, classes=data.classes, rngs=rngs)


BUILDERS: dict[str, Callable[[Dataset, int, int, nnx.Rngs], nnx.Module]] = {
    "mlp": _mlp,
    "strided": _strided,
    "conv": _conv,
}
"""Architecture → the network with `depth` hidden layers of `width` units or channels."""


def build(cell: Cell, data: Dataset) -> nnx.Module:
    """The network of a cell before training and without its mask.

    Raises:
        ValueError: the images are too small for so many layers.
    """
    levels = cell.levels
    rngs = nnx.Rngs(int(levels["seed"]))
    return BUILDERS[str(levels["architecture"])](data, int(levels["depth"]), int(levels["width"]), rngs)


def draw_masks(cell: Cell, model: nnx.Module, data: Dataset) -> Tree:
    """The mask of a cell, made at initialisation; all true for a dense network."""
    method, density = method_and_density(str(cell.levels["sparsity"]), float(cell.levels["density"]))
    if method == DENSE or density == 1:
        return jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), masking.parameters(model))
    batch = (data.x_train[:SCORED], data.y_train[:SCORED])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FloorApplied)  # the density in the rows is that of the mask
        return METHODS[method](model, density, batch=batch, seed=int(cell.levels["seed"]), floor=cell.settings.floor)


def effective_density(levels: dict[str, Level]) -> float:
    """The density that a cell asks for, whichever level says it."""
    return method_and_density(str(levels["sparsity"]), float(levels["density"]))[1]


def with_dropout(model: nnx.Module) -> Callable[[Tree, jax.Array, jax.Array, jax.Array], jax.Array]:
    """The network in training: apply(parameters, x, key, rate) → scores.

    Units are dropped before the last dense layer, in a perceptron before every layer but the first.
    """
    graphdef, params, *others = nnx.split(model, nnx.Param, ...)
    names = [f"dense{i}" for i in range(2, model.depth + 1)] if isinstance(model, nets.MLP) else ["dense"]

    def apply(values: Tree, x: jax.Array, key: jax.Array, rate: jax.Array) -> jax.Array:
        state = jax.tree.map(lambda leaf: leaf, params)
        nnx.replace_by_pure_dict(state, values)
        copy = nnx.merge(graphdef, state, *others)
        for place, name in enumerate(names):
            setattr(copy, name, _Dropped(getattr(copy, name), jax.random.fold_in(key, place), rate))
        return copy(x)

    return apply


class _Dropped(nnx.Module):
    """A layer whose inputs are dropped; lives inside one traced call."""

    def __init__(self, layer: nnx.Module, key: jax.Array, rate: jax.Array) -> None:
        self.layer, self.key, self.rate = layer, nnx.data(key), nnx.data(rate)

    def __call__(self, x: jax.Array) -> jax.Array:
        kept = jax.random.bernoulli(self.key, 1 - self.rate, x.shape)
        return self.layer(jnp.where(kept, x / (1 - self.rate), jnp.zeros_like(x)))
