"""Training of a linear head on fixed features, written in the Haar coefficients of a tree over the classes.

f_r = Σ_{S∋r} ε_S(r) (D_S·v + d_S): the splits S of the tree are what a certificate charges for, so they are the
parameters. Two complexities: of the tap form, Σ_S Σ_k |D_Sk| κ_Sk, and of ellipsoids, Σ_S ‖D_S/τ_S‖ κ_S.
"""

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

from .objective import annealed, margins, optimizer

TINY = 1e-12


@dataclass(frozen=True)
class HeadConfig:
    """Settings of one training: `anneal` steps from hinge to ramp, then `ramp` steps of the ramp alone.

    Args:
        anneal, ramp: steps.
        batch_size: samples per step, drawn without replacement within a step's epoch.
        learning_rate: of Adam, at the start; features are scaled to unit energy first.
        strength: what stands before the complexity; 1 is the certificate's own weight.
        seed: of the order of the samples.
    """

    anneal: int = 800
    ramp: int = 800
    batch_size: int = 4000
    learning_rate: float = 0.02
    strength: float = 1.0
    seed: int = 0

    @property
    def steps(self) -> int:
        return self.anneal + self.ramp


def train_taps(
    features: Any, labels: Any, signs: np.ndarray, costs: np.ndarray, config: HeadConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · Σ_S (Σ_k |D_Sk| κ_Sk + |d_S| κ_S0).

    Args:
        features: (m, K) float32, any scale.
        labels: (m,) integers 0..C−1.
        signs: (S, C): ε_S(r) for classes under S, 0 for all others.
        costs: (S, K + 1): κ, the last column for the constant; what one unit of weight adds to the bound.
        config: settings.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1.
    """
    size = _sizes(features)
    scaled = jnp.asarray(costs / np.append(size, 1.0), jnp.float32)

    def weights(p: dict[str, jax.Array]) -> jax.Array:
        return p["D"]

    def complexity(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum(jnp.abs(p["D"]) * scaled)

    start = {"D": jnp.zeros(costs.shape, jnp.float32)}
    return _train(start, weights, complexity, features, labels, signs, size, config)


def train_ellipsoids(
    features: Any,
    labels: Any,
    signs: np.ndarray,
    tau: np.ndarray,
    costs: np.ndarray,
    config: HeadConfig,
    *,
    start: np.ndarray | None = None,
    tied: bool = True,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · Σ_S a_S κ_S over D inside the ellipsoids ‖(D_S, d_S)/τ_S‖ ≤ a_S.

    Args:
        features, labels, signs, config: as for `train_taps`.
        tau: (S, K + 1) position weights, positive where a weight is allowed, the last column for the constant.
        costs: (S,): κ_S, what a radius of one adds to the bound.
        start: (S, K + 1) coefficients to begin with; zeros where not given.
        tied: one radius for all splits instead of one each.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1, inside ellipsoids of the radii that training found best.
    """
    size = _sizes(features)
    # A weight is axis · u / √K: Adam's steps are then of one size relative to the ball of radius 1 that holds u.
    axes = tau * np.append(size, 1.0) / np.sqrt(tau.shape[1])
    allowed = jnp.asarray(axes, jnp.float32)
    price = jnp.asarray(costs, jnp.float32)
    root = np.float32(1 / np.sqrt(tau.shape[1]))

    def radii(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.exp(p["log_a"]) * jnp.ones(len(tau), jnp.float32)

    def weights(p: dict[str, jax.Array]) -> jax.Array:
        norm = root * jnp.sqrt(jnp.sum(jnp.square(p["u"]), axis=1) + TINY)
        return p["u"] * allowed * jnp.minimum(radii(p), radii(p) / norm)[:, None]

    def complexity(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum(radii(p) * price)

    parameters = _start(np.zeros(tau.shape) if start is None else start * np.append(size, 1.0), axes, tied)
    return _train(parameters, weights, complexity, features, labels, signs, size, config)


def _start(weights: np.ndarray, axes: np.ndarray, tied: bool) -> dict[str, jax.Array]:
    """Parameters whose weights these are; radii of 1 where there are none."""
    u = np.divide(weights, axes, out=np.zeros_like(weights), where=axes > 0)
    norms = np.linalg.norm(u, axis=1) / np.sqrt(u.shape[1])
    a = np.where(norms > 0, np.maximum(norms, norms.max() / 10), 1.0)
    a = np.full(1, a.max()) if tied else a
    return {
        "u": jnp.asarray(u / (a[:, None] if len(a) > 1 else a), jnp.float32),
        "log_a": jnp.asarray(np.log(a), jnp.float32),
    }


def _sizes(features: Any) -> np.ndarray:
    """Root mean square of every feature."""
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), 4096):
        total += np.square(np.asarray(features[start : start + 4096], dtype=np.float64)).sum(axis=0)
    size = np.sqrt(total / len(features))
    return np.where(size > 0, size, 1.0)


Weights = Callable[[dict[str, jax.Array]], jax.Array]


def _train(
    start: dict[str, jax.Array],
    weights: Weights,
    complexity: Weights,
    features: Any,
    labels: Any,
    signs: np.ndarray,
    size: np.ndarray,
    config: HeadConfig,
) -> tuple[np.ndarray, np.ndarray]:
    tx = optimizer(config.learning_rate, config.steps)
    batch = min(config.batch_size, len(labels))
    codes, scale = jnp.asarray(signs, jnp.float32), jnp.asarray(1.0 / size, jnp.float32)

    def loss(p: dict[str, jax.Array], x: jax.Array, y: jax.Array, share: jax.Array) -> jax.Array:
        w = weights(p)
        scores = ((x * scale) @ w[:, :-1].T + w[:, -1]) @ codes
        return jnp.mean(annealed(margins(scores, y), share)) + jnp.float32(config.strength) * complexity(p)

    @partial(jax.jit, donate_argnums=(0, 1))
    def advance(p: Any, state: Any, x: jax.Array, y: jax.Array, index: jax.Array, shares: jax.Array) -> Any:
        def one(carry: Any, given: Any) -> Any:
            p, state = carry
            rows, share = given
            gradient = jax.grad(loss)(p, x[rows], y[rows], share)
            updates, state = tx.update(gradient, state, p)
            return (optax.apply_updates(p, updates), state), None

        return lax.scan(one, (p, state), (index, shares))[0]

    x, y = jnp.asarray(features, jnp.float32), jnp.asarray(labels, jnp.int32)
    shares = np.append(np.arange(config.anneal) / max(1, config.anneal), np.ones(config.ramp)).astype(np.float32)
    index = _order(len(labels), batch, config.steps, config.seed)
    with jax.numpy_dtype_promotion("standard"):
        p, _ = advance(start, tx.init(start), x, y, jnp.asarray(index), jnp.asarray(shares))
    found = np.asarray(weights(p), dtype=np.float64)
    return found[:, :-1] / size, found[:, -1]


def _order(m: int, batch: int, steps: int, seed: int) -> np.ndarray:
    """Which samples each step sees, (steps, batch): one permutation after the other."""
    rng = np.random.default_rng(seed)
    epochs = -(-steps * batch // m)
    order = np.concatenate([rng.permutation(m) for _ in range(epochs)])[: steps * batch]
    return order.reshape(steps, batch).astype(np.int32)
