"""What certificate-driven training minimises: a loss of the margin that turns from hinge to ramp, and a complexity."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

HINGE = 3.0
"""Where the hinge is cut at the start: samples that are hopeless do not pull."""


def margins(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """f_y − max_{r≠y} f_r of every row.

    Example:
        >>> margins(jnp.array([[1.0, 3.0, 2.0]]), jnp.array([1])).tolist()
        [1.0]
    """
    own = jnp.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
    rest = jnp.where(jax.nn.one_hot(labels, scores.shape[1], dtype=bool), -jnp.inf, scores)
    return own - jnp.max(rest, axis=1)


def annealed(margin: jax.Array, share: jax.Array | float) -> jax.Array:
    """(1 − share)·min(3, (1 − M)₊) + share·ramp(M): from a hinge, which has gradients, to the ramp, which counts.

    Args:
        margin: M / γ.
        share: 0 at the start, 1 at the end.

    Returns:
        Loss of the shape of `margin`.

    Example:
        >>> annealed(jnp.array([-1.0, 0.5]), 0.0).tolist(), annealed(jnp.array([-1.0, 0.5]), 1.0).tolist()
        ([2.0, 0.5], [1.0, 0.5])
    """
    below = jax.nn.relu(1.0 - margin)
    return (1.0 - share) * jnp.minimum(below, HINGE) + share * jnp.minimum(below, 1.0)


def optimizer(learning_rate: float, steps: int) -> optax.GradientTransformation:
    """Adam with a cosine schedule over all steps."""

    def rate(count: Any) -> Any:
        progress = jnp.asarray(count, jnp.float32) / jnp.float32(steps)
        return jnp.float32(learning_rate / 2) * (1.0 + jnp.cos(jnp.float32(np.pi) * jnp.minimum(progress, 1.0)))

    return optax.adam(rate)
