"""What certificate-driven training minimises: a loss of the margin that turns from hinge to ramp, and a complexity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax


def cosine(learning_rate: float, steps: int) -> Callable[[Any], jax.Array]:
    """The rate at every step: half a cosine from `learning_rate` to 0."""

    def rate(count: Any) -> jax.Array:
        progress = jnp.minimum(jnp.asarray(count, jnp.float32) / jnp.float32(steps), 1.0)
        return jnp.float32(learning_rate / 2) * (1.0 + jnp.cos(jnp.float32(np.pi) * progress))

    return rate


def adam(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam with a cosine schedule: for complexities that are sums of absolute values."""
    return optax.adam(cosine(learning_rate, steps))


def round_steps(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Momentum divided by one running size per array, with a cosine schedule: for parameters inside a ball.

    Adam divides coordinate by coordinate, so that coordinates without a gradient move as fast as all others, and fill
    the ball with noise.
    """

    def init(params: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, params), jax.tree.map(lambda a: jnp.zeros((), a.dtype), params)

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        momentum = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state[0], gradient)
        size = jax.tree.map(lambda v, g: 0.99 * v + 0.01 * jnp.mean(jnp.square(g)), state[1], gradient)
        steps = jax.tree.map(lambda m, v: m / (jnp.sqrt(v) + 1e-12), momentum, size)
        return steps, (momentum, size)

    return optax.chain(
        optax.GradientTransformation(init, update), optax.scale_by_learning_rate(cosine(learning_rate, steps))
    )
