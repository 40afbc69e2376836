"""The compiled loop: all steps of a training as one program, on a sample that is kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from sparsebounds.nets.losses import annealed, margins

Params = Any


@dataclass(frozen=True)
class CertifyConfig:
    """Settings of one training: `anneal` steps from hinge to ramp, then `ramp` steps of the ramp alone.

    Args:
        anneal, ramp: steps.
        batch_size: samples per step.
        learning_rate: at the start; a cosine takes it to 0.
        strength: what stands before the complexity; 1 is the certificate's own weight.
        seed: of the initial weights and of the order of the samples.
    """

    anneal: int = 600
    ramp: int = 400
    batch_size: int = 4000
    learning_rate: float = 0.02
    strength: float = 1.0
    seed: int = 0

    @property
    def steps(self) -> int:
        return self.anneal + self.ramp


def minimise(
    start: Params,
    scores: Callable[[Params, jax.Array], jax.Array],
    complexity: Callable[[Params], jax.Array],
    x: Any,
    y: Any,
    config: CertifyConfig,
    tx: optax.GradientTransformation,
    project: Callable[[Params], Params] = lambda p: p,
) -> Params:
    """Minimise mean annealed loss of the margins at γ = 1, plus strength · complexity.

    Args:
        start: parameters, a pytree of float32.
        scores: (parameters, inputs) → (B, C).
        complexity: of the parameters; what the certificate will charge for them.
        x, y: the sample.
        config: settings.
        tx: an optax optimiser.
        project: after every step, back to what the parameters are allowed to be.

    Returns:
        The parameters after the last step.
    """

    def loss(p: Params, rows: jax.Array, labels: jax.Array, share: jax.Array) -> jax.Array:
        fit = jnp.mean(annealed(margins(scores(p, rows), labels), share))
        return fit + jnp.float32(config.strength) * complexity(p)

    @partial(jax.jit, donate_argnums=(0,))
    def run(p: Params, x: jax.Array, y: jax.Array, index: jax.Array, shares: jax.Array) -> Params:
        def one(carry: Any, given: Any) -> Any:
            p, state = carry
            rows, share = given
            gradient = jax.grad(loss)(p, x[rows], y[rows], share)
            updates, state = tx.update(gradient, state, p)
            return (project(optax.apply_updates(p, updates)), state), None

        return lax.scan(one, (p, tx.init(p)), (index, shares))[0][0]

    shares = np.append(np.arange(config.anneal) / max(1, config.anneal), np.ones(config.ramp)).astype(np.float32)
    index = visits(len(y), min(config.batch_size, len(y)), config.steps, config.seed)
    with jax.numpy_dtype_promotion("standard"):
        return run(
            jax.tree.map(jnp.array, start),
            jnp.asarray(x, jnp.float32),
            jnp.asarray(y, jnp.int32),
            jnp.asarray(index),
            jnp.asarray(shares),
        )


def visits(m: int, batch: int, steps: int, seed: int) -> np.ndarray:
    """Which samples each step sees, int32 (steps, batch): one permutation after the other."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(m) for _ in range(-(-steps * batch // m))])
    return order[: steps * batch].reshape(steps, batch).astype(np.int32)


def inside(u: jax.Array, axes: tuple[int, ...]) -> jax.Array:
    """u pulled back into the unit ball of mean squares over `axes`: u·min(1, 1/√mean u²)."""
    size = jnp.sqrt(jnp.mean(jnp.square(u), axis=axes, keepdims=True) + jnp.float32(1e-12))
    return u * jnp.minimum(1.0, 1.0 / size)
