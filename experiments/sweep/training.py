"""Training of a cell until its stopping rule; cells of one shape share the compiled program."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jax import lax

from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.experiments.sweep.networks import build, draw_masks, with_dropout
from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.losses import misses, sample_losses
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.training import Diverged
from sparsebounds.nets.training.step import batches

Tree = Any
MOMENTUM = 0.9
OPTIMISERS: dict[str, Callable[[], optax.GradientTransformation]] = {
    "sgd": optax.identity,
    "momentum": lambda: optax.trace(MOMENTUM),
    "adam": optax.scale_by_adam,
}
"""Optimiser → what it makes of gradient + weight decay · w; the step is the learning rate times that."""
SHAPE = ("dataset", "train", "architecture", "depth", "width", "optimiser", "batch_size")
"""Hyper-parameters that decide the compiled program; all others are arguments of it."""
NOISE_BATCHES = 16
_programs: dict[Any, tuple[Callable[..., Any], Callable[..., Any]]] = {}


@dataclass(frozen=True)
class Trained:
    """A network at the end of its training.

    Args:
        model: with its weights.
        initial: the same network at its start, masked.
        masks: of its parameters.
        log: an entry per epoch: epoch, step, cross_entropy and train_error at its end.
        noise: trace of the covariance of the gradients of `NOISE_BATCHES` batches, after one epoch and at the end.
        reached: whether the stopping rule was reached.
        seconds: of the training, compilation included.
    """

    model: nnx.Module
    initial: nnx.Module
    masks: Tree
    log: list[dict[str, Any]]
    noise: tuple[float, float]
    reached: bool
    seconds: float

    def written(self) -> dict[str, float]:
        """What `bounds.measures` reads of a training; what was not reached is not there."""
        last = self.log[-1]
        said = {"training_loss": last["cross_entropy"], "epochs_to_stop": float(last["epoch"])}
        said |= dict(zip(("gradient_noise_early", "gradient_noise_late"), self.noise, strict=True))
        steps = {level: self._steps_to(level) for level in (0.1, 0.01)}
        if math.isfinite(steps[0.1]):
            said["steps_to_ce_0.1"] = steps[0.1]
        if math.isfinite(steps[0.01]):
            said["steps_ce_0.1_to_0.01"] = steps[0.01] - steps[0.1]
        return said

    def _steps_to(self, level: float) -> float:
        return next((float(entry["step"]) for entry in self.log if entry["cross_entropy"] <= level), math.inf)


def fit(cell: Cell, data: Dataset) -> Trained:
    """Train the network of a cell until the mean loss on its training set is small enough, or time is up.

    Raises:
        Diverged: the loss is NaN or infinite.
        ValueError: the network or its mask cannot be made.
    """
    began = time.perf_counter()
    model, initial = build(cell, data), build(cell, data)
    masks = draw_masks(cell, model, data)
    masking.apply(model, masks)
    masking.apply(initial, masks)
    levels, samples = cell.levels, len(data.y_train)
    program, spread = _programs_of(cell, data, model)
    rates = np.array([levels["learning_rate"], levels["weight_decay"], levels["dropout"]], np.float32)
    x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    params = masking.parameters(model)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes counts and floats
        state = OPTIMISERS[str(levels["optimiser"])]().init(params)
    log: list[dict[str, Any]] = []
    noise: list[float] = []
    seed = int(levels["seed"])
    while not (reached := bool(log) and log[-1]["cross_entropy"] <= cell.settings.cross_entropy):
        epoch = len(log)
        if epoch == cell.settings.epochs:
            break
        index, weight = batches(samples, int(levels["batch_size"]), seed, epoch)
        key = jax.random.fold_in(jax.random.key(seed), epoch)
        with jax.numpy_dtype_promotion("standard"):
            params, state, loss, wrong = program(params, state, masks, x, y, index, weight, key, rates)
        log.append(_entry(epoch, len(index), float(loss), int(wrong), samples))
        if epoch == 0:
            noise.append(float(spread(params, masks, x, y, index, weight)))
    noise.append(float(spread(params, masks, x, y, index, weight)))
    masking.set_parameters(model, params)
    return Trained(model, initial, masks, log, (noise[0], noise[1]), reached, time.perf_counter() - began)


def _entry(epoch: int, steps: int, loss: float, wrong: int, samples: int) -> dict[str, Any]:
    if not math.isfinite(loss):
        raise Diverged((epoch + 1) * steps, epoch + 1, loss)
    return {
        "epoch": epoch + 1, "step": (epoch + 1) * steps, "cross_entropy": loss, "train_error": wrong / samples,
    }  # fmt: skip


def _programs_of(cell: Cell, data: Dataset, model: nnx.Module) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The compiled epoch of all cells of this shape, and the compiled noise of their gradients."""
    shape = (*(cell.levels[name] for name in SHAPE), data.in_shape, cell.levels["dropout"] != 0)
    if shape not in _programs:
        optimiser = OPTIMISERS[str(cell.levels["optimiser"])]()
        evaluated = pure(model)[1]
        _programs[shape] = (_epoch(evaluated, with_dropout(model) if shape[-1] else None, optimiser), _noise(evaluated))
    return _programs[shape]


def _epoch(evaluated: Callable[..., jax.Array], training: Any, optimiser: optax.GradientTransformation) -> Any:
    """One epoch, compiled, and a look at the training set after it."""

    def loss(params: Tree, x: jax.Array, y: jax.Array, weight: jax.Array, key: jax.Array, rate: jax.Array) -> jax.Array:
        scores = evaluated(params, x) if training is None else training(params, x, key, rate)
        return jnp.sum(sample_losses(scores, y, "cross_entropy") * weight) / jnp.sum(weight)

    @jax.jit
    def epoch(
        params: Tree, state: Any, masks: Tree, x: jax.Array, y: jax.Array, index: jax.Array, weight: jax.Array,
        key: jax.Array, rates: jax.Array,
    ) -> tuple[Tree, Any, jax.Array, jax.Array]:  # fmt: skip
        learning, decay, dropped = rates

        def one(i: jax.Array, carry: tuple[Tree, Any]) -> tuple[Tree, Any]:
            params, state = carry
            rows = index[i]
            gradient = jax.grad(loss)(params, x[rows], y[rows], weight[i], jax.random.fold_in(key, i), dropped)
            gradient = masking.zeroed(jax.tree.map(lambda g, w: g + decay * w, gradient, params), masks)
            step, state = optimiser.update(gradient, state, params)
            return jax.tree.map(lambda w, s: w - learning * s, params, masking.zeroed(step, masks)), state

        params, state = lax.fori_loop(0, len(index), one, (params, state))
        scores = evaluated(params, x)
        return params, state, jnp.mean(sample_losses(scores, y, "cross_entropy")), jnp.sum(misses(scores, y))

    return epoch


def _noise(evaluated: Callable[..., jax.Array]) -> Any:
    """Trace of the covariance of the gradients of the first batches of an epoch, without dropout and decay."""

    def loss(params: Tree, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        return jnp.sum(sample_losses(evaluated(params, x), y, "cross_entropy") * weight) / jnp.sum(weight)

    @jax.jit
    def noise(params: Tree, masks: Tree, x: jax.Array, y: jax.Array, index: jax.Array, weight: jax.Array) -> jax.Array:
        count = min(NOISE_BATCHES, len(index))

        def one(i: jax.Array, carry: tuple[Tree, jax.Array]) -> tuple[Tree, jax.Array]:
            total, squares = carry
            gradient = masking.zeroed(jax.grad(loss)(params, x[index[i]], y[index[i]], weight[i]), masks)
            return jax.tree.map(jnp.add, total, gradient), squares + _square(gradient)

        start = jax.tree.map(jnp.zeros_like, params), jnp.zeros((), jnp.float32)
        total, squares = lax.fori_loop(0, count, one, start)
        return squares / count - _square(total) / count**2

    return noise


def _square(tree: Tree) -> jax.Array:
    return sum((jnp.sum(leaf * leaf) for leaf in jax.tree.leaves(tree)), jnp.zeros((), jnp.float32))
