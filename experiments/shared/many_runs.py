"""Training of many small networks of one shape at once: the run is an axis of every array."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from jax import lax

from sparsebounds.nets.losses import misses, sample_losses
from sparsebounds.nets.training.step import make_step

Params = Any
Apply = Callable[[Params, jax.Array], jax.Array]


@dataclass(frozen=True)
class Runs:
    """R trainings, and the samples they share.

    Args:
        x: (S, m, …) inputs of S samples.
        y: (S, m) labels, 0 … C − 1.
        sample: (R,) which sample each run trains on.
        count: (R,) how many of its rows, from the first on.
        learning_rate: (R,) at the start.
    """

    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.int32]
    sample: npt.NDArray[np.int32]
    count: npt.NDArray[np.int32]
    learning_rate: npt.NDArray[np.float32]

    def arrays(self) -> tuple[Any, ...]:
        """The fields in the order of their declaration."""
        return self.x, self.y, self.sample, self.count, self.learning_rate


def train_many(apply: Apply, params: Params, runs: Runs, *, steps: int, batch_size: int, seed: int) -> Params:
    """Train R networks of one shape side by side: Adam, cosine to zero, cross entropy.

    Args:
        apply: scores from the parameters of one network and inputs.
        params: the parameters at the start, every leaf (R, …).
        runs: data and learning rate of each.
        steps: how many; every step draws a batch with replacement.
        batch_size: of a step.
        seed: of the batches.

    Returns:
        The parameters at the end, every leaf (R, …).
    """
    keys = jax.random.split(jax.random.key(seed), len(runs.sample))
    with jax.numpy_dtype_promotion("standard"):  # optax mixes counts and floats
        return _train(apply, params, runs.arrays(), keys, steps, batch_size)


@partial(jax.jit, static_argnums=(0, 4, 5))
def _train(apply: Apply, params: Params, runs: Any, keys: jax.Array, steps: int, batch_size: int) -> Params:
    x, y, samples, counts, rates = (jnp.asarray(array) for array in runs)

    def one(params: Params, sample: jax.Array, count: jax.Array, rate: jax.Array, key: jax.Array) -> Params:
        def loss(params: Params, rows: jax.Array) -> jax.Array:
            return jnp.mean(sample_losses(apply(params, x[sample, rows]), y[sample, rows], "cross_entropy"))

        adam = optax.adam(optax.cosine_decay_schedule(rate, steps))
        step = make_step(loss, adam)

        def one_step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Params, Any]:
            rows = jax.random.randint(jax.random.fold_in(key, i), (batch_size,), 0, count)
            return step(*carry, rows)[:2]

        return lax.fori_loop(0, steps, one_step, (params, adam.init(params)))[0]

    return jax.vmap(one)(params, samples, counts, rates, keys)


def train_errors(apply: Apply, params: Params, runs: Runs) -> npt.NDArray[np.float64]:
    """(R,) share of its own training samples that each network gets wrong; ties are wrong."""
    wrong = np.asarray(_wrong_on_own(apply, params, runs.arrays()))
    used = np.arange(runs.y.shape[1]) < runs.count[:, None]
    return np.asarray((wrong & used).sum(axis=1) / runs.count, np.float64)


def errors(
    apply: Apply, params: Params, x: npt.NDArray[np.float32], y: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    """(R,) share of the samples (x, y) that each network gets wrong; ties are wrong."""
    return np.asarray(_wrong(apply, params, x, y), np.float64).mean(axis=1)


@partial(jax.jit, static_argnums=0)
def _wrong(apply: Apply, params: Params, x: jax.Array, y: jax.Array) -> jax.Array:
    # One network after the other: all their activations at once would not fit.
    return lax.map(lambda one: misses(apply(one, x), y), params)


@partial(jax.jit, static_argnums=0)
def _wrong_on_own(apply: Apply, params: Params, runs: Any) -> jax.Array:
    x, y, samples, _, _ = (jnp.asarray(array) for array in runs)
    return lax.map(lambda one: misses(apply(one[0], x[one[1]]), y[one[1]]), (params, samples))
