"""How far every weight of a reference may be moved by noise: scales, and one factor for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from sparsebounds.nets.certify.distance.descent import Descent, descend
from sparsebounds.nets.certify.distance.sample import (
    Apply,
    SampleLoss,
    Tree,
    as_weights,
    checked_sample,
    checked_scales,
    cross_entropy,
    moved,
    normals,
    positive,
    same_tree,
)
from sparsebounds.nets.losses import misses

FACTORS = tuple(0.7**j for j in range(16))
EVALUATION_BATCH = 500


def train_scales(
    f: Apply,
    reference: Tree,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    moves: Tree | None = None,
    epochs: int = 6,
    strength: float = 0.1,
    start: float = 0.02,
    largest: float = 1.0,
    learning_rate: float = 0.03,
    batch_size: int = 100,
    loss: SampleLoss = cross_entropy,
    directory: str | Path | None = None,
    progress: bool = True,
) -> Tree:
    """Standard deviations s of noise on the weights, large where the loss does not mind.

    min over s of  E mean_i loss(f(w0 + s·ε, x_i), y_i) − τ Σ_j log s_j,  τ = strength/n,  ε ~ N(0, I)

    so that s_j² ≈ τ/curvature_j. The reference stays as it is, and one ε serves a batch.

    Args:
        f: (weights, inputs) → scores (B, C).
        reference: w0, a tree of float arrays.
        x, y: n inputs and labels, all left out of what is certified.
        key: of the noise and of the order of the samples.
        moves: booleans, the tree of `reference`; leaves that are False keep the scale 0. None: all move.
        epochs: passes over the sample.
        strength: n·τ.
        start: s at the start.
        largest: where s ends that no loss holds back, as in a direction that moves all scores alike.
        learning_rate: of Adam on log s; a cosine takes it to 0.
        batch_size: samples per step.
        loss: of every sample, from scores and labels.
        directory: folder for checkpoints; a training found there is continued.
        progress: show a bar on a terminal.

    Returns:
        The tree of `reference`, float32: s, and 0 where nothing moves.

    Raises:
        ValueError: arguments that do not fit each other.
        Diverged: the loss is NaN or infinite.

    Example:
        >>> x, y = jnp.eye(2), jnp.array([0, 1])
        >>> f = lambda p, x: x @ p["w"]
        >>> s = train_scales(f, {"w": 4 * jnp.eye(2)}, x, y, key=jax.random.key(0), epochs=2, progress=False)
        >>> s["w"].shape, bool((s["w"] > 0).all())
        ((2, 2), True)

    Source: noise whose scale is learned as in Blundell et al., ICML 2015 (as usually recalled), with fixed means.
    """
    inputs, labels = checked_sample(f, reference, x, y)
    positive(strength=strength, start=start, largest=largest)
    weights = as_weights(reference)
    free = _moves(moves, weights)
    tau = strength / len(labels)

    def objective(p: Tree, held: Tree, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[jax.Array, Tree]:
        scores = f(moved(weights, _scales(p["log_s"], free, largest), normals(weights, key)), x)
        logs = jax.tree.map(lambda log, move: jnp.sum(log) * move, p["log_s"], free)
        return jnp.mean(loss(scores, y)) - tau * sum(jax.tree.leaves(logs)), held

    logs = jax.tree.map(lambda w: jnp.full(w.shape, np.log(start), jnp.float32), weights)
    settings = {
        "strength": strength,
        "start": start,
        "largest": largest,
        "moves": jax.tree.leaves(free),
        "loss": _name(loss),
    }
    plan = Descent("scales", epochs, batch_size, {"log_s": learning_rate}, settings)
    found, _ = descend(
        {"log_s": logs}, objective, inputs, labels, plan, key=key, fixed=weights, directory=directory,
        progress=progress,
    )  # fmt: skip
    return _scales(found["log_s"], free, largest)


def choose_factor(
    f: Apply,
    reference: Tree,
    scales: Tree,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    factors: Sequence[float] = FACTORS,
    excess: float = 0.05,
    draws: int = 10,
) -> float:
    """The largest factor c for which noise c·s hardly adds errors, on samples that the reference was not trained on.

    mean over draws of the errors of f(w0 + c·s·ε, ·)  ≤  k + max(excess·k, √k/2),  k the errors of f(w0, ·)

    √k/2 is what chance does to so few errors; at k = 0 it is half an error. Every factor is tried with the same draws.
    Where no factor does, the smallest is returned. On samples that the reference was trained on the rule misleads, for
    they are fitted.

    Args:
        f, reference: as for `train_scales`.
        scales: s, the tree of `reference`, arrays or numbers.
        x, y: validation samples, left out of what is certified.
        key: of the draws.
        factors: candidates.
        excess: share of errors that noise may add.
        draws: how many noisy networks are averaged.

    Returns:
        One of `factors`.

    Raises:
        ValueError: arguments that do not fit each other.

    Example:
        >>> x, y = jnp.eye(2), jnp.array([0, 1])
        >>> f = lambda p, x: x @ p["w"]
        >>> choose_factor(f, {"w": jnp.eye(2)}, {"w": 1.0}, x, y, key=jax.random.key(0), factors=(9.0, 0.1))
        0.1
    """
    inputs, labels = checked_sample(f, reference, x, y)
    if not factors:
        raise ValueError("factors is empty; need at least one factor of the scales")
    for factor in factors:
        positive(factor=factor)
    weights, spreads = as_weights(reference), checked_scales(scales, reference)
    batch = min(EVALUATION_BATCH, len(labels))
    counted = jnp.arange(-(-len(labels) // batch) * batch).reshape(-1, batch)

    @jax.jit
    def errors(factor: jax.Array, key: jax.Array) -> jax.Array:
        noise = normals(weights, key)
        here = moved(weights, jax.tree.map(lambda s: factor * s, spreads), noise)

        def some(rows: jax.Array) -> jax.Array:
            wrong = misses(f(here, inputs[rows % len(labels)]), labels[rows % len(labels)])
            return jnp.sum(jnp.where(rows < len(labels), wrong, jnp.zeros_like(wrong)))

        return jnp.sum(lax.map(some, counted))

    keys = jax.random.split(key, draws)
    plain = int(errors(jnp.float32(0.0), keys[0]))
    allowed = plain + max(excess * plain, 0.5 * np.sqrt(max(plain, 1)))
    for factor in sorted(factors, reverse=True):
        if np.mean([int(errors(jnp.float32(factor), k)) for k in keys]) <= allowed:
            return factor
    return min(factors)


def _moves(moves: Tree | None, weights: Tree) -> Tree:
    """Booleans of the tree of the weights."""
    if moves is None:
        return jax.tree.map(lambda _: True, weights)
    if not same_tree(moves, weights):
        raise ValueError("moves is another tree than the reference; need one boolean per leaf, as from nets.moving")
    found = jax.tree.map(bool, moves)
    if not any(jax.tree.leaves(found)):
        raise ValueError("moves holds no True; need at least one leaf that may move")
    return found


def _scales(logs: Tree, free: Tree, largest: float) -> Tree:
    most = jnp.float32(largest)
    return jax.tree.map(lambda log, move: jnp.minimum(jnp.exp(log), most) if move else jnp.zeros_like(log), logs, free)


def _name(loss: SampleLoss) -> str:
    return getattr(loss, "__qualname__", type(loss).__name__)
