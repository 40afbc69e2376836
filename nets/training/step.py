"""The compiled inner loop of training, and the compiled evaluation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import lax

from sparsebounds.nets.losses import misses, sample_losses
from sparsebounds.nets.models.functional import Params

EVALUATION_BATCH = 100  # the patches of CONV-3-1000 take 1.2 GB then


class State(NamedTuple):
    """All that changes from step to step, and all a checkpoint needs."""

    params: Params
    opt_state: Any
    step: jax.Array


Schedule = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
Losses = jax.Array
Step = Callable[..., tuple[Params, Any, jax.Array]]
Advance = Callable[[State, Any, Any, Any, Any, Any], tuple[State, Losses]]


def batches(samples: int, batch_size: int, seed: int, epoch: int) -> Schedule:
    """Which samples each step of an epoch visits, (steps, batch_size), and their weights, 0 or 1.

    Every sample is visited once. The last batch holds what is left; its empty places repeat sample 0 with weight 0.
    The order is a function of seed and epoch alone, so that a continued training sees the same one.
    """
    order = np.random.RandomState([seed, epoch]).permutation(samples).astype(np.int32)
    steps = -(-samples // batch_size)
    empty = steps * batch_size - samples
    index = np.concatenate([order, np.zeros(empty, np.int32)]).reshape(steps, batch_size)
    weight = np.concatenate([np.ones(samples, np.float32), np.zeros(empty, np.float32)])
    return index, weight.reshape(steps, batch_size)


def make_step(loss: Callable[..., jax.Array], tx: optax.GradientTransformation) -> Step:
    """One step of an optimiser, to stand inside compiled loops.

    Args:
        loss: (parameters, …) → the number that is minimised.
        tx: the optimiser.

    Returns:
        step(parameters, state of the optimiser, …) → (parameters, state, loss before the step).
    """

    def step(params: Params, state: Any, *given: Any) -> tuple[Params, Any, jax.Array]:
        value, gradient = jax.value_and_grad(loss)(params, *given)
        updates, state = tx.update(gradient, state, params)
        return optax.apply_updates(params, updates), state, value

    return step


def make_advance(
    apply: Callable[[Params, jax.Array], jax.Array], tx: optax.GradientTransformation, loss: str
) -> Advance:
    """A compiled function that takes `count` optimiser steps and returns the losses on the way.

    One program serves a whole training: how many of the rows of `index` are used is an argument, not a shape.

    Args:
        apply: scores from parameters and images.
        tx: the optimiser.
        loss: "mse" or "cross_entropy".

    Returns:
        advance(state, x, y, index, weight, count) -> (state, losses); losses beyond `count` are 0.
    """

    def batch_loss(params: Params, x: jax.Array, y: jax.Array, weight: jax.Array) -> jax.Array:
        return jnp.sum(sample_losses(apply(params, x), y, loss) * weight) / jnp.sum(weight)

    step_of = make_step(batch_loss, tx)

    @jax.jit
    def advance(
        state: State, x: jax.Array, y: jax.Array, index: jax.Array, weight: jax.Array, count: jax.Array
    ) -> tuple[State, Losses]:
        def one(i: jax.Array, carry: tuple[State, Losses]) -> tuple[State, Losses]:
            (params, opt_state, step), losses = carry
            rows = index[i]
            params, opt_state, value = step_of(params, opt_state, x[rows], y[rows], weight[i])
            return State(params, opt_state, step + 1), losses.at[i].set(value)

        return lax.fori_loop(0, count, one, (state, jnp.zeros(len(index), jnp.float32)))

    return advance


def make_error(apply: Callable[[Params, jax.Array], jax.Array]) -> Callable[[Params, Any, Any], float]:
    """A function (params, x, y) -> share of samples whose label's score is not the largest; ties are wrong."""

    @jax.jit
    def wrong(params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.sum(misses(apply(params, x), y))

    def error(params: Params, x: Any, y: Any) -> float:
        starts = range(0, len(y), EVALUATION_BATCH)
        total = sum(int(wrong(params, x[s : s + EVALUATION_BATCH], y[s : s + EVALUATION_BATCH])) for s in starts)
        return total / len(y)

    return error
