"""Training of a linear head on fixed features, written in the Haar coefficients of a tree over the classes.

f_r = Σ_{S∋r} ε_S(r) (D_S·v + d_S): the splits S of the tree are what a certificate charges for, so they are the
parameters. Complexities: of the tap form, Σ_S Σ_k |D_Sk| κ_Sk; of ellipsoids, Σ_S ‖D_S/τ_S‖ κ_S; of boxes, a Σ_S κ_S.
Letters: docs/theory.md, "Theorem 2"; κ: the arguments `costs`.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.loop import CertifyConfig, inside, minimise
from sparsebounds.nets.certify.objective import adam, round_steps

EDGE = 0.998
"""Share of a box around a rehearsal that is used: rounding in float32 must not lead out of it."""


def train_taps(
    features: Any, labels: Any, signs: np.ndarray, costs: np.ndarray, config: CertifyConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · Σ_S (Σ_k |D_Sk| κ_Sk + |d_S| κ_S0).

    Args:
        features: (m, K) float32, any scale.
        labels: (m,) integers 0..C−1.
        signs: (S, C): ε_S(r) for classes under S, 0 for all others.
        costs: (S, K + 1): κ, the last column for the constant; what one unit of weight adds to the bound.
        config: settings; the learning rate is of weights on features of unit energy.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1.
    """
    size = _sizes(features)
    charged = jnp.asarray(costs / np.append(size, 1.0), jnp.float32)
    codes, scale = jnp.asarray(signs, jnp.float32), jnp.asarray(1.0 / size, jnp.float32)

    def scores(w: jax.Array, x: jax.Array) -> jax.Array:
        return ((x * scale) @ w[:, :-1].T + w[:, -1]) @ codes

    def complexity(w: jax.Array) -> jax.Array:
        return jnp.sum(jnp.abs(w) * charged)

    tx = adam(config.learning_rate, config.steps)
    found = minimise(jnp.zeros(costs.shape, jnp.float32), scores, complexity, features, labels, config, tx)
    w = np.asarray(found, dtype=np.float64)
    return w[:, :-1] / size, w[:, -1]


def train_ellipsoids(
    features: Any,
    labels: Any,
    signs: np.ndarray,
    tau: np.ndarray,
    costs: np.ndarray,
    config: CertifyConfig,
    *,
    start: np.ndarray | None = None,
    tied: bool = True,
    orthant: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · Σ_S a_S κ_S over D inside the ellipsoids ‖(D_S, d_S)/τ_S‖ ≤ a_S.

    Args:
        features, labels, signs, config: as for `train_taps`.
        tau: (S, K + 1) position weights, 0 where no weight is allowed, the last column for the constant.
        costs: (S,): κ_S, what a radius of one adds to the bound.
        start: (S, K + 1) coefficients to begin with; zeros where not given.
        tied: one radius for all splits instead of one each.
        orthant: (S, K + 1) of 1 and −1: the signs that the class fixes; None: any.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1, inside ellipsoids of the radii that training found best.
    """
    # A weight is axis · radius · u: the steps are of one size relative to the ball of mean squares that holds u.
    # Where signs are fixed, u is not negative.
    shape = tau / np.sqrt(tau.shape[1]) * (1.0 if orthant is None else orthant)
    axes = jnp.asarray(shape, jnp.float32)
    price, codes = jnp.asarray(costs, jnp.float32), jnp.asarray(signs, jnp.float32)

    def weights(p: dict[str, jax.Array]) -> jax.Array:
        return inside(p["u"], (1,)) * axes * jnp.exp(p["log_a"])[:, None]

    def scores(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        w = weights(p)
        return (x @ w[:, :-1].T + w[:, -1]) @ codes

    def complexity(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.sum(jnp.exp(p["log_a"]) * price)

    first = ball_start(np.zeros(tau.shape) if start is None else start, shape, tied)
    tx = round_steps(config.learning_rate, config.steps)
    project = (lambda p: p) if orthant is None else not_negative
    trained = minimise(first, scores, complexity, features, labels, config, tx, project)
    found = np.asarray(weights(trained), dtype=np.float64)
    return found[:, :-1], found[:, -1]


def train_boxes(
    features: Any,
    labels: Any,
    signs: np.ndarray,
    sides: np.ndarray,
    costs: np.ndarray,
    config: CertifyConfig,
    *,
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · a Σ_S κ_S over D between 0 and a · sides.

    Args:
        features, labels, signs, config: as for `train_taps`.
        sides: (S, K + 1), each with the sign of its weight, the last column for the constant.
        costs: (S,): κ_S, what a common radius of one adds to the bound.
        start: (S, K + 1) coefficients to begin with, of radius one.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1, inside boxes of the radius that training found best.
    """
    edges, codes = jnp.asarray(sides, jnp.float32), jnp.asarray(signs, jnp.float32)
    total = jnp.float32(np.sum(costs))

    def weights(p: dict[str, jax.Array]) -> jax.Array:
        return p["u"] * edges * jnp.exp(p["log_a"])

    def scores(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        w = weights(p)
        return (x @ w[:, :-1].T + w[:, -1]) @ codes

    def complexity(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.exp(p["log_a"]) * total

    def project(p: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {"u": jnp.clip(p["u"], 0.0, 1.0), "log_a": p["log_a"]}

    u = np.divide(start, sides, out=np.zeros_like(start), where=sides != 0)
    first = project({"u": jnp.asarray(u, jnp.float32), "log_a": jnp.zeros((), jnp.float32)})
    tx = round_steps(config.learning_rate, config.steps)
    found = np.asarray(
        weights(minimise(first, scores, complexity, features, labels, config, tx, project)), dtype=np.float64
    )
    return found[:, :-1], found[:, -1]


def train_centred(
    features: Any,
    labels: Any,
    signs: np.ndarray,
    centres: np.ndarray,
    halves: np.ndarray,
    costs: np.ndarray,
    config: CertifyConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Minimise mean loss + strength · a Σ_S κ_S over D in the box a·[centres − halves, centres + halves].

    Args:
        features, labels, signs, config: as for `train_taps`.
        centres, halves: (S, K + 1), the last column for the constant; training begins at the centres.
        costs: (S,): κ_S, what a factor of one adds to the bound.

    Returns:
        (D, d), float64 (S, K) and (S,), at margin γ = 1, inside the box of the factor that training found best.
    """
    middle, half = jnp.asarray(centres, jnp.float32), jnp.asarray(halves, jnp.float32)
    codes, total = jnp.asarray(signs, jnp.float32), jnp.float32(np.sum(costs))

    def weights(p: dict[str, jax.Array]) -> jax.Array:
        return (middle + p["u"] * half) * jnp.exp(p["log_a"])

    def scores(p: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        w = weights(p)
        return (x @ w[:, :-1].T + w[:, -1]) @ codes

    def complexity(p: dict[str, jax.Array]) -> jax.Array:
        return jnp.exp(p["log_a"]) * total

    def project(p: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return {"u": jnp.clip(p["u"], -EDGE, EDGE), "log_a": p["log_a"]}

    first = {"u": jnp.zeros(centres.shape, jnp.float32), "log_a": jnp.zeros((), jnp.float32)}
    tx = round_steps(config.learning_rate, config.steps)
    found = np.asarray(
        weights(minimise(first, scores, complexity, features, labels, config, tx, project)), dtype=np.float64
    )
    return found[:, :-1], found[:, -1]


def not_negative(p: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """The nearest parameters without negative numbers, apart from the logarithms of radii.

    Example:
        >>> not_negative({"u": jnp.array([-1.0, 2.0]), "log_a": jnp.array([-3.0])})["u"].tolist()
        [0.0, 2.0]
    """
    return {name: value if name == "log_a" else jnp.maximum(value, 0.0) for name, value in p.items()}


def ball_start(weights: np.ndarray, axes: np.ndarray, tied: bool) -> dict[str, jax.Array]:
    """Parameters {u, log_a} of rows of weights = axes · a · u; radii of 1 where there are no weights.

    Example:
        >>> p = ball_start(np.array([[3.0, 4.0]]), np.ones((1, 2)), tied=False)
        >>> float(jnp.exp(p["log_a"])[0] ** 2), bool(jnp.allclose(jnp.mean(p["u"] ** 2), 1.0))
        (12.5, True)
    """
    u = np.divide(weights, axes, out=np.zeros_like(weights), where=axes != 0)
    sizes = np.sqrt(np.square(u).mean(axis=1))
    a = np.where(sizes > 0, np.maximum(sizes, sizes.max() / 10), 1.0)
    a = np.full(1, a.max()) if tied else a
    return {"u": jnp.asarray(u / a[:, None], jnp.float32), "log_a": jnp.asarray(np.log(a), jnp.float32)}


def _sizes(features: Any) -> np.ndarray:
    """Root mean square of every feature; 1 where it is always 0."""
    total = np.zeros(features.shape[1])
    for start in range(0, len(features), 4096):
        total += np.square(np.asarray(features[start : start + 4096], dtype=np.float64)).sum(axis=0)
    size = np.sqrt(total / len(features))
    return np.where(size > 0, size, 1.0)
