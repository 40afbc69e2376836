"""Training with nothing left out: a normal distribution of weights whose prior was fixed before any sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.distance.descent import Descent, descend
from sparsebounds.nets.certify.distance.sample import (
    Apply,
    SampleLoss,
    Tree,
    as_weights,
    checked_sample,
    checked_scales,
    checked_weights,
    cross_entropy,
    misjudged,
    moved,
    normals,
    positive,
    same_tree,
)

Two = tuple[float, float]


def train_free(
    f: Apply,
    start: Tree,
    x: Any,
    y: Any,
    *,
    key: jax.Array,
    center: Tree | None = None,
    epochs: tuple[int, int] = (8, 16),
    prices: Two = (2.0, 0.7),
    spread: Tree | float = 0.02,
    learning_rates: Two = (1.5e-3, 2e-2),
    batch_size: int = 150,
    directory: str | Path | None = None,
    progress: bool = True,
) -> tuple[Tree, Tree, Tree]:
    """Mean and standard deviations of weights that a prior N(center, σ_l²), one σ_l per array, makes cheap.

    min over μ, s of  E mean_i loss(f(μ + s·ε, x_i), y_i) + price·K/m,
    K = Σ_l Σ_{j in l} log(σ_l/s_j),   σ_l² = mean_{j in l} (s_j² + (μ_j − center_j)²)

    K is the divergence at the best σ_l. The prior is the same in all orthogonal bases of an array, so that the basis
    may be chosen with the samples: `eigenbasis`, in which much less is paid. First the loss is cross-entropy, then
    1 − p_y; with the latter, the price is the slope of the certificate in nats over its slope in errors.

    Args:
        f: (weights, inputs) → scores (B, C).
        start: weights to begin with, of any trained network: they belong to the posterior.
        x, y: m inputs and labels, all that are certified.
        key: of the noise and of the order of the samples; the noise of the draw that is certified must be another.
        center: of the prior, fixed before the sample, such as initial weights; None: 0.
        epochs, prices: of the two parts, with cross-entropy and with 1 − p_y; no epochs leave a part out.
        spread: s at the start, a number or a tree as `start`.
        learning_rates: of Adam on μ and on log s; in each part a cosine takes them to 0.
        batch_size: samples per step; one ε serves a batch.
        directory: folder for checkpoints; a training found there is continued.
        progress: show a bar on a terminal.

    Returns:
        (μ, s, σ): two trees as `start`, and one of a number per array.

    Raises:
        ValueError: arguments that do not fit each other.
        Diverged: the loss is NaN or infinite.

    Example:
        >>> x, y = jnp.eye(2), jnp.array([0, 1])
        >>> f = lambda p, x: x @ p["w"]
        >>> mean, spread, sigma = train_free(f, {"w": jnp.eye(2)}, x, y, key=jax.random.key(0), progress=False)
        >>> mean["w"].shape, spread["w"].shape, sigma["w"].shape
        ((2, 2), (2, 2), ())
    """
    inputs, labels = checked_sample(f, start, x, y)
    positive(**{f"prices[{i}]": price for i, price in enumerate(prices)})
    weights = as_weights(start)
    logs = jax.tree.map(jnp.log, _spreads(spread, weights))
    origin = _origin(center, weights)
    found: dict[str, Tree] = {"mean": weights, "log_spread": logs}
    rates = dict(zip(("mean", "log_spread"), learning_rates, strict=True))
    for part, loss in enumerate((cross_entropy, misjudged)):
        if epochs[part]:
            plan = Descent("data-free", epochs[part], batch_size, rates, {"price": prices[part]})
            objective = _objective(f, origin, loss, prices[part] / len(labels))
            folder = None if directory is None else Path(directory) / str(part + 1)
            found, _ = descend(found, objective, inputs, labels, plan, key=jax.random.fold_in(key, part),
                               fixed=origin, directory=folder, progress=progress)  # fmt: skip
    spreads = jax.tree.map(jnp.exp, found["log_spread"])
    away = jax.tree.map(jnp.subtract, found["mean"], origin)
    return found["mean"], spreads, jax.tree.map(lambda d, s: jnp.sqrt(_square(d, s)), away, spreads)


def _objective(f: Apply, origin: Tree, loss: SampleLoss, price: float) -> Any:
    def objective(p: Tree, held: Tree, x: jax.Array, y: jax.Array, key: jax.Array) -> tuple[jax.Array, Tree]:
        spreads = jax.tree.map(jnp.exp, p["log_spread"])
        scores = f(moved(p["mean"], spreads, normals(spreads, key)), x)
        away = jax.tree.map(jnp.subtract, p["mean"], origin)
        nats = jax.tree.map(
            lambda d, s, log: 0.5 * log.size * jnp.log(_square(d, s)) - jnp.sum(log), away, spreads, p["log_spread"]
        )
        return jnp.mean(loss(scores, y)) + price * sum(jax.tree.leaves(nats)), held

    return objective


def _square(away: jax.Array, spread: jax.Array) -> jax.Array:
    """σ_l² that is best for an array."""
    return jnp.mean(jnp.square(away) + jnp.square(spread))


def _spreads(spread: Tree | float, weights: Tree) -> Tree:
    """One positive number, or a tree of them, as the tree of the weights."""
    one = isinstance(spread, int | float)
    found = checked_scales(jax.tree.map(lambda _: spread, weights) if one else spread, weights)
    if not all(bool((leaf > 0).all()) for leaf in jax.tree.leaves(found)):
        raise ValueError("spread is 0 somewhere; need positive standard deviations")
    return found


def _origin(center: Tree | None, weights: Tree) -> Tree:
    """The middle of the prior, the tree of the weights."""
    if center is None:
        return jax.tree.map(jnp.zeros_like, weights)
    if not same_tree(center, weights):
        raise ValueError("center is another tree than the weights; need the same leaves")
    checked_weights(center, "center")
    for here, there in zip(jax.tree.leaves(weights), jax.tree.leaves(center), strict=True):
        if np.shape(there) != np.shape(here):
            raise ValueError(f"center has a leaf of shape {np.shape(there)}; need {np.shape(here)} as in the weights")
    return as_weights(center)
