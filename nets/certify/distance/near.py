"""Training near a reference, in units of its scales: what the distance costs stands in the objective."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from sparsebounds.nets.certify.distance.descent import Descent, descend
from sparsebounds.nets.certify.distance.sample import (
    Apply,
    SampleLoss,
    Tree,
    as_weights,
    checked_sample,
    checked_scales,
    misjudged,
    moved,
    normals,
    positive,
)


class Around(Protocol):
    """A normal distribution N(reference, scales²) of weights, leaf by leaf; a scale 0 freezes."""

    @property
    def reference(self) -> Tree: ...

    @property
    def scales(self) -> Tree: ...


def train_near(
    f: Apply,
    prior: Around,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    strength: float = 1.0,
    epochs: int = 3,
    learning_rate: float = 0.02,
    batch_size: int = 100,
    loss: SampleLoss = misjudged,
    directory: str | Path | None = None,
    progress: bool = True,
) -> Tree:
    """The mean μ of a normal distribution with the prior's own scales, near the prior's reference.

    min over u of  E mean_i loss(f(w0 + s·(u + ε), x_i), y_i) + |u|²/(2·strength·m),   μ = w0 + s·u,  ε ~ N(0, I)

    |u|²/2 is what the distance costs in nats. With 1 − p_y for the loss, `strength` is the slope of the certificate:
    about √(2 (R + log 1/δ)/(errors)) at R nats.

    Args:
        f: (weights, inputs) → scores (B, C).
        prior: whatever has `reference` and `scales`, two trees; leaves of scale 0 stay as they are.
        x, y: m inputs and labels, those that are certified.
        key: of the noise and of the order of the samples; the noise of the draw that is certified must be another.
        strength: the larger, the farther.
        epochs: passes over the sample.
        learning_rate: of Adam on u; a cosine takes it to 0.
        batch_size: samples per step; one ε serves a batch.
        loss: of every sample, from scores and labels; 1 − p_y unless given.
        directory: folder for checkpoints; a training found there is continued.
        progress: show a bar on a terminal.

    Returns:
        μ, the tree and types of the reference; where the scale is 0, exactly the reference.

    Raises:
        ValueError: arguments that do not fit each other, or scales that are all 0.
        Diverged: the loss is NaN or infinite.

    Example:
        >>> from types import SimpleNamespace
        >>> prior = SimpleNamespace(reference={"w": jnp.zeros((2, 2)), "b": jnp.zeros(2)}, scales={"w": 1.0, "b": 0.0})
        >>> f = lambda p, x: x @ p["w"] + p["b"]
        >>> mean = train_near(f, prior, jnp.eye(2), jnp.array([0, 1]), key=jax.random.key(0), progress=False)
        >>> mean["w"].shape, mean["b"].tolist()
        ((2, 2), [0.0, 0.0])
    """
    inputs, labels = checked_sample(f, prior.reference, x, y)
    positive(strength=strength)
    weights, scales = as_weights(prior.reference), checked_scales(prior.scales, prior.reference)
    if not any(bool((leaf > 0).any()) for leaf in jax.tree.leaves(scales)):
        raise ValueError("all scales of the prior are 0, so that no weight may move; need a positive scale")
    price = 1.0 / (2.0 * strength * len(labels))

    def objective(p: Tree, held: Tree, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[jax.Array, Tree]:
        steps = jax.tree.map(jnp.add, p["u"], normals(weights, key))
        squares = sum(jnp.sum(jnp.square(leaf)) for leaf in jax.tree.leaves(p["u"]))
        return jnp.mean(loss(f(moved(weights, scales, steps), x), y)) + price * squares, held

    start = {"u": jax.tree.map(jnp.zeros_like, scales)}
    settings = {"strength": strength, "loss": getattr(loss, "__qualname__", type(loss).__name__)}
    plan = Descent("near", epochs, batch_size, {"u": learning_rate}, settings)
    found, _ = descend(
        start, objective, inputs, labels, plan, key=key, fixed=(weights, scales), directory=directory,
        progress=progress,
    )  # fmt: skip
    return moved(weights, scales, found["u"])
