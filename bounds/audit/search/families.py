"""Classes: a norm for the hidden layers below a ball for the last one, whose best element is known in closed form.

With v_r = Σ_i ξ_ir v(x_i), ξ signs and v what the last layer reads, the signed sum is Σ_r w_r·v_r, and its supremum
over each ball is a norm of the v_r. The ramp loss of the margin has no such form: there the last layer is searched with
the others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.audit.search.architectures import TINY, Architecture
from sparsebounds.bounds.audit.search.ascent import Family


@dataclass(frozen=True, eq=False)
class Ball:
    """What a class fixes of the last layer: sup over it of Σ_r w_r·v_r, and where that is attained."""

    name: str
    supremum: Callable[[Any], Any]
    """v (C, K) → number."""
    best: Callable[[np.ndarray], np.ndarray]
    """v (C, K) → w (C, K)."""


def _rows(v: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.sum(v**2, axis=1, keepdims=True) + TINY))


def _only(v: np.ndarray, kept: np.ndarray) -> np.ndarray:
    return np.where(kept, v, 0.0)


def _largest_entries(v: np.ndarray) -> np.ndarray:
    """One ±1 per row, at its largest entry."""
    places = np.abs(v).argmax(axis=1)[:, None] == np.arange(v.shape[1])
    return _only(np.where(v < 0, -1.0, 1.0), places)


def _lengths(v: Any) -> Any:
    return jnp.sqrt(jnp.sum(v**2, axis=1) + TINY)


FROBENIUS = Ball("‖W_L‖_F ≤ 1", lambda v: jnp.sqrt(jnp.sum(v**2) + TINY), lambda v: v / np.linalg.norm(v))
ROWS = Ball(
    "Σ_r ‖w_r‖ ≤ 1",
    lambda v: jnp.max(_lengths(v)),
    lambda v: _only(v / _rows(v), np.arange(len(v))[:, None] == _rows(v).argmax()),
)
EACH_ROW = Ball("max_r ‖w_r‖ ≤ 1", lambda v: jnp.sum(_lengths(v)), lambda v: v / _rows(v))
ROWS_L1 = Ball(
    "Σ_r ‖w_r‖₁ ≤ 1",
    lambda v: jnp.max(jnp.abs(v)),
    lambda v: _only(_largest_entries(v), np.arange(len(v))[:, None] == np.abs(v).max(axis=1).argmax()),
)
EACH_ROW_L1 = Ball("max_r ‖w_r‖₁ ≤ 1", lambda v: jnp.sum(jnp.max(jnp.abs(v), axis=1)), _largest_entries)


def representative(architecture: Architecture, norm: str, ball: Ball, classes: int) -> tuple[str, Ball]:
    """The same class under one name: with one output the balls of one norm agree, on dense layers two norms do."""
    if architecture.norms.get("nodes") is architecture.norms.get("frobenius") and norm == "nodes":
        norm = "frobenius"
    if classes > 1:
        return norm, ball
    return norm, ROWS_L1 if ball in (ROWS_L1, EACH_ROW_L1) else FROBENIUS


@cache
def scores(architecture: Architecture, norm: str, ball: Ball) -> Family:
    """Σ_i Σ_r ξ_ir f_r(x_i) over hidden layers with a norm 1 each, or scaled to path norm 1, below a ball.

    Args:
        architecture: what is searched.
        norm: one of its norms, or "path": hidden weights are free, and every unit counts by its path norm.
        ball: of the last layer.
    """
    path = norm == "path"
    project = (lambda weights: weights) if path else architecture.norms[norm]

    def read(weights: Any, x: Any) -> Any:
        v = architecture.read_by_last(weights, x)
        return v / (architecture.path(weights) + TINY) if path else v

    def attained(weights: Any, x: Any, signs: Any) -> Any:
        return ball.supremum(signs.T @ read(weights, x))

    def network(weights: Any, x: np.ndarray, signs: np.ndarray) -> Any:
        with jax.enable_x64(True):
            v = signs.T @ np.asarray(read(weights, jnp.asarray(x)))
            top = ball.best(v if v.any() else np.ones_like(v))  # where nothing can be attained, any network
            scale = np.asarray(architecture.path(weights)) if path else 1.0
        return architecture.graph(weights, top / scale)

    return Family(architecture.draw, project, attained, network)


def ramp(margins: Any) -> Any:
    """φ_1: 1 up to margin 0, 0 from margin 1."""
    return jnp.clip(1.0 - margins, 0.0, 1.0)


@cache
def losses(architecture: Architecture, norm: str, scale: float, classes: int = 2) -> Family:
    """Σ_i ξ_i φ_1(M(f, x_i, 0)): ramp losses of networks with every layer's norm 1 and `scale` before the last one.

    The label is 0 everywhere: a class that holds −f with every f sees no difference, and others at most less.
    """

    def draw(rng: np.random.Generator) -> list[np.ndarray]:
        width = architecture.shapes[-1][0] if architecture.shapes else architecture.input[0]
        return [*architecture.draw(rng), rng.normal(size=(classes, width))]

    def margins(weights: Any, x: Any) -> Any:
        f = scale * architecture.read_by_last(weights[:-1], x) @ weights[-1].T
        return f[:, 0] - jnp.max(f[:, 1:], axis=1)

    def attained(weights: Any, x: Any, signs: Any) -> Any:
        return signs[:, 0] @ ramp(margins(weights, x))

    def guide(weights: Any, x: Any, signs: Any) -> Any:
        found = margins(weights, x)
        return signs[:, 0] @ (ramp(found) - 0.1 * jnp.tanh(found - 0.5))

    def network(weights: Any, x: np.ndarray, signs: np.ndarray) -> Any:
        return architecture.graph(weights[:-1], scale * weights[-1])

    return Family(draw, architecture.norms[norm], attained, network, guide)
