"""Training of convolutions and a dense layer inside boxes: every weight between 0 and a side, or around a rehearsal.

A share u of every weight's room is what is trained, and clipped after every step: hidden rows stay in boxes of radius
1, and all rows of the last layer share a factor. Letters: docs/theory.md, "Boxes".
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.chain import Chain, Params
from sparsebounds.nets.certify.head import EDGE
from sparsebounds.nets.certify.loop import CertifyConfig, minimise
from sparsebounds.nets.certify.objective import round_steps


def train_chain_boxes(
    chain: Chain,
    x: Any,
    y: Any,
    signs: np.ndarray,
    edges: dict[str, np.ndarray],
    costs: np.ndarray,
    config: CertifyConfig,
    *,
    start: Params,
) -> Params:
    """Minimise mean loss + strength · a Σ_S κ_S over kernels between 0 and their sides, rows between 0 and a · theirs.

    Args:
        chain, x, y, signs, config: as for `train_chain`.
        edges: sides of every kernel, of its shape, and of the rows, each with the sign of its weight.
        costs: (S,): κ_S, what a common radius of one adds to the bound.
        start: parameters to begin with, inside the boxes for a = 1 up to a factor per channel.

    Returns:
        Parameters inside the class, at margin γ = 1.
    """
    scale, begin = np.ones(chain.in_shape[2]), {}
    for n in (f"conv{i}" for i in range(len(chain.convs))):  # hidden rows of radius 1; what reads them makes up for it
        u = _shares(np.asarray(start[n], np.float64) * scale[:, None], edges[n])
        scale = np.maximum(u.max(axis=(0, 1, 2)), 1e-6)
        begin[n] = u / scale
    begin["rows"] = _shares(np.asarray(start["rows"]) * np.append(np.tile(scale, chain.out // len(scale)), 1.0),
                            edges["rows"])  # fmt: skip
    factor = max(float(begin["rows"].max()), 1e-6)
    begin["rows"] = begin["rows"] / factor
    middle = {n: np.zeros_like(edge) for n, edge in edges.items()}
    return _trained(chain, x, y, signs, (middle, edges), costs, config, begin, factor, (0.0, 1.0))


def train_chain_centred(
    chain: Chain,
    x: Any,
    y: Any,
    signs: np.ndarray,
    centres: Params,
    halves: dict[str, np.ndarray],
    costs: np.ndarray,
    config: CertifyConfig,
) -> Params:
    """Minimise mean loss + strength · a Σ_S κ_S over kernels within h of a rehearsal, rows within a · h of a · its own.

    Args:
        chain, x, y, signs, config: as for `train_chain`.
        centres: parameters of the rehearsal; training begins with them.
        halves: h ≥ 0 of every kernel, of its shape, and of the rows.
        costs: (S,): κ_S, what a factor of one adds to the bound.

    Returns:
        Parameters inside the class of the factor that training found best, at margin γ = 1.
    """
    middle = {n: np.asarray(centres[n], np.float64) for n in halves}
    begin = {n: np.zeros_like(value) for n, value in middle.items()}
    return _trained(chain, x, y, signs, (middle, halves), costs, config, begin, 1.0, (-EDGE, EDGE))


def _trained(
    chain: Chain,
    x: Any,
    y: Any,
    signs: np.ndarray,
    boxes: tuple[dict[str, np.ndarray], dict[str, np.ndarray]],
    costs: np.ndarray,
    config: CertifyConfig,
    begin: dict[str, np.ndarray],
    factor: float,
    room: tuple[float, float],
) -> Params:
    """Weights = middle + u · edge with u in the room, the rows times exp(log_a)."""
    middle, edge = ({n: jnp.asarray(value, jnp.float32) for n, value in of.items()} for of in boxes)
    codes, total = jnp.asarray(signs, jnp.float32), jnp.float32(np.sum(costs))

    def weights(p: Params) -> Params:
        found = {n: middle[n] + p[n] * edge[n] for n in edge}
        return {**found, "rows": found["rows"] * jnp.exp(p["log_a"])}

    def scores(p: Params, v: jax.Array) -> jax.Array:
        return chain.scores(weights(p), v, codes)

    def complexity(p: Params) -> jax.Array:
        return jnp.exp(p["log_a"]) * total

    def project(p: Params) -> Params:
        return {n: value if n == "log_a" else jnp.clip(value, *room) for n, value in p.items()}

    first = {n: jnp.asarray(u, jnp.float32) for n, u in begin.items()}
    first = project({**first, "log_a": jnp.asarray(np.log(factor), jnp.float32)})
    tx = round_steps(config.learning_rate, config.steps)
    return weights(minimise(first, scores, complexity, x, y, config, tx, project))


def _shares(weights: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """weights / edges, 0 where the class has none or another sign."""
    return np.maximum(np.divide(weights, edges, out=np.zeros_like(weights, np.float64), where=edges != 0), 0.0)
