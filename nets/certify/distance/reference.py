"""A reference, trained as people train: Adam, small batches, a cosine to 0."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets.certify.distance.descent import Descent, descend
from sparsebounds.nets.certify.distance.sample import (
    Apply,
    SampleLoss,
    Tree,
    as_weights,
    checked_sample,
    cross_entropy,
)

Change = Callable[[jax.Array, jax.Array], jax.Array]
"""(inputs of a batch, key) → inputs of the same shape: augmentation."""


def train_reference(
    f: Apply,
    params: Tree,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    epochs: int = 10,
    learning_rate: float = 2e-3,
    batch_size: int = 100,
    loss: SampleLoss = cross_entropy,
    augment: Change | None = None,
    directory: str | Path | None = None,
    progress: bool = True,
) -> Tree:
    """Weights of a network without running statistics, trained by Adam with a cosine to 0.

    Args:
        f: (weights, inputs) → scores (B, C).
        params: weights to begin with.
        x, y: inputs and labels, left out of what is certified.
        key: of the order of the samples and of the augmentation.
        epochs, learning_rate, batch_size: settings.
        loss: of every sample, from scores and labels.
        augment: (inputs of a batch, key) → changed inputs; None changes nothing.
        directory: folder for checkpoints; a training found there is continued.
        progress: show a bar on a terminal.

    Returns:
        Weights, the tree of `params`.

    Raises:
        ValueError: arguments that do not fit each other.
        Diverged: the loss is NaN or infinite.

    Example:
        >>> x, y = jnp.eye(2), jnp.array([0, 1])
        >>> f = lambda p, x: x @ p
        >>> w = train_reference(f, jnp.zeros((2, 2)), x, y, key=jax.random.key(0), epochs=3, progress=False)
        >>> bool(w[0, 0] > w[0, 1])
        True
    """
    inputs, labels = checked_sample(f, params, x, y)

    def objective(p: Tree, held: Tree, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[jax.Array, Tree]:
        return jnp.mean(loss(f(p["params"], x if augment is None else augment(x, key)), y)), held

    plan = _plan(epochs, learning_rate, batch_size, loss, augment)
    found, _ = descend({"params": as_weights(params)}, objective, inputs, labels, plan, key=key,
                       directory=directory, progress=progress)  # fmt: skip
    return found["params"]


def train_module(
    module: nnx.Module,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    epochs: int = 10,
    learning_rate: float = 2e-3,
    batch_size: int = 100,
    loss: SampleLoss = cross_entropy,
    augment: Change | None = None,
    directory: str | Path | None = None,
    progress: bool = True,
) -> None:
    """Train a Flax module in place, batch norm and dropout in training mode, and leave it in evaluation mode.

    Args:
        module: from inputs to scores (B, C); its `nnx.Param`s are trained, statistics and random numbers carried along.
        x, y, key, epochs, learning_rate, batch_size, loss, augment, directory, progress: as for `train_reference`.

    Raises:
        ValueError: arguments that do not fit each other.
        Diverged: the loss is NaN or infinite; the module keeps its weights.

    Example:
        >>> net = nnx.Sequential(nnx.Linear(2, 2, rngs=nnx.Rngs(0)), nnx.BatchNorm(2, rngs=nnx.Rngs(0)))
        >>> train_module(net, jnp.eye(2), jnp.array([0, 1]), key=jax.random.key(0), epochs=2, progress=False)
        >>> bool((net.layers[1].mean[...] != 0).any())
        True
    """
    module.train()
    graph, params, *others = nnx.split(module, nnx.Param, ...)
    rest = others[0]

    def scores(params: Tree, x: jax.Array) -> jax.Array:
        found: jax.Array = nnx.merge(graph, params, rest, copy=True)(x)
        return found

    inputs, labels = checked_sample(scores, params, x, y)

    def objective(p: Tree, held: Tree, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[jax.Array, Tree]:
        net = nnx.merge(graph, p["params"], held, copy=True)
        value = jnp.mean(loss(net(x if augment is None else augment(x, key)), y))
        _, _, *changed = nnx.split(net, nnx.Param, ...)
        return value, changed[0]

    plan = _plan(epochs, learning_rate, batch_size, loss, augment)
    found, held = descend({"params": params}, objective, inputs, labels, plan, key=key, carried=rest,
                          directory=directory, progress=progress)  # fmt: skip
    nnx.update(module, found["params"], held)
    module.eval()


def _plan(epochs: int, learning_rate: float, batch_size: int, loss: SampleLoss, augment: Change | None) -> Descent:
    names = {"loss": loss, "augment": augment}
    settings = {name: getattr(given, "__qualname__", type(given).__name__) for name, given in names.items()}
    return Descent("reference", epochs, batch_size, {"params": learning_rate}, settings)
