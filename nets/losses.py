"""Losses of single samples, margins, what counts as wrong, and the ramp loss annealed from a hinge."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax

HINGE = 3.0
"""Where the hinge is cut at the start: samples that are hopeless do not pull."""


def margins(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """f_y − max_{r≠y} f_r of every row: scores (…, B, C), labels (B,).

    Example:
        >>> margins(jnp.array([[1.0, 3.0, 2.0]]), jnp.array([1])).tolist()
        [1.0]
    """
    own, rest = _own_and_rest(scores, labels)
    return own - rest


def misses(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """f_y ≤ max_{r≠y} f_r of every row, so that ties are wrong: scores (…, B, C), labels (B,).

    Example:
        >>> misses(jnp.array([[1.0, 3.0], [2.0, 2.0]]), jnp.array([1, 1])).tolist()
        [False, True]
    """
    own, rest = _own_and_rest(scores, labels)
    return own <= rest


def _own_and_rest(scores: jax.Array, labels: jax.Array) -> tuple[jax.Array, jax.Array]:
    index = jnp.broadcast_to(labels[:, None], (*scores.shape[:-1], 1))
    own = jnp.take_along_axis(scores, index, axis=-1)[..., 0]
    rest = jnp.where(jax.nn.one_hot(labels, scores.shape[-1], dtype=bool), -jnp.inf, scores)
    return own, jnp.max(rest, axis=-1)


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


def sample_losses(scores: jax.Array, labels: jax.Array, loss: str) -> jax.Array:
    """The loss of every sample: mean over classes of (score − one-hot)², or cross entropy in nats."""
    if loss == "mse":
        return jnp.mean((scores - jax.nn.one_hot(labels, scores.shape[1], dtype=scores.dtype)) ** 2, axis=1)
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels)
