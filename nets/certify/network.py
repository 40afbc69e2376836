"""Certificate-driven training of a `ConvNet`: loss of the margins plus the tap form of the peeling bound.

The complexity is the pass over moments with positions as nodes, written with the network's own parameters (gains,
directions, biases), so that it has a gradient in all of them. It needs of the data only energies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.loop import CertifyConfig, minimise
from sparsebounds.nets.certify.objective import adam
from sparsebounds.nets.models.conv import ConvNet
from sparsebounds.nets.models.conv_ops import conv2d
from sparsebounds.nets.models.functional import Params, pure


@dataclass(frozen=True, eq=False)
class Charge:
    """What one unit of a row of the last layer costs: the form of the margin step, and the data it meets.

    Args:
        rows: (R, C): D = rows · W, the rows that are charged.
        moments: (K, height, width): q of the input positions per sub-sample, with all factors (2/m and B in it).
        constants: (K,): q of the constant 1 that hidden biases read, with the same factors.
        last: (K,): q of the constant that the last bias reads; its moment has no B.
        multipliers: (R, K): how often each sub-sample counts for each row.
        factor: s of every activation.
    """

    rows: np.ndarray
    moments: np.ndarray
    constants: np.ndarray
    last: np.ndarray
    multipliers: np.ndarray
    factor: float


def complexity(model: ConvNet, params: Params, charge: Charge) -> jax.Array:
    """Σ_R Σ_i ‖D_{R,i}‖ Σ_k mult_{R,k} q^k_i + |d_R| Σ_k mult_{R,k} last_k, tap form, nodes are positions.

    Args:
        model: the architecture.
        params: its parameters, as `nets.models.functional.pure` gives them.
        charge: rows, moments and factors.

    Returns:
        A number with gradients in all parameters.

    Source: theorems 1 and 2 of docs/theory.md, tap form.
    """
    q = jnp.asarray(charge.moments, jnp.float32)[..., None]
    one, s = jnp.asarray(charge.constants, jnp.float32)[:, None, None, None], jnp.float32(charge.factor)
    for layer in range(1, model.depth + 1):
        own = params[f"conv{layer}"]
        direction = root(jnp.sum(jnp.square(own["v"])))
        taps = root(jnp.sum(jnp.square(own["v"]), axis=(2, 3), keepdims=True))
        q = conv2d(q, taps * jnp.abs(own["g"]) / jnp.where(direction > 0, direction, 1.0))
        if "bias" in own:
            q = q + root(jnp.sum(jnp.square(own["bias"]))) * one
        q = s * q
    reach = jnp.asarray(charge.multipliers, jnp.float32) @ q.reshape(len(q), -1)  # (R, positions)
    haar = jnp.asarray(charge.rows, jnp.float32) @ params["dense"]["kernel"].T  # (R, positions · channels)
    norms = root(jnp.sum(jnp.square(haar.reshape(len(haar), reach.shape[1], -1)), axis=2))
    total = jnp.sum(norms * reach)
    if "bias" in params["dense"]:
        last = jnp.asarray(charge.multipliers @ charge.last, jnp.float32)
        total = total + jnp.sum(jnp.abs(jnp.asarray(charge.rows, jnp.float32) @ params["dense"]["bias"]) * last)
    return total


def root(square: jax.Array) -> jax.Array:
    """√ with gradient 0 at 0."""
    return jnp.where(square > 0, jnp.sqrt(jnp.where(square > 0, square, 1.0)), 0.0)


def train_network(model: ConvNet, x: Any, y: Any, charge: Charge, config: CertifyConfig) -> dict[str, Any]:
    """Go on with a network, trained in whatever way, for the sake of its certificate.

    Minimises mean loss of the margins at γ = 1, from hinge to ramp, plus strength · complexity. The network's last
    layer is first multiplied by the number at which the two together are smallest.

    Args:
        model: the start; it is left as it was.
        x, y: the sample.
        charge: see `complexity`.
        config: settings.

    Returns:
        The parameters, to be put into the model with `nnx.update` or `nets.masks`; as `pure` names them.
    """
    params, apply = pure(model)
    size = float(complexity(model, params, charge))
    scores = np.asarray(apply(params, jnp.asarray(x[: 4 * config.batch_size])), dtype=np.float64)
    scale = best_scale(scores, np.asarray(y[: 4 * config.batch_size]), config.strength * size)
    params = {**params, "dense": jax.tree.map(lambda a: a * np.float32(scale), params["dense"])}
    return minimise(
        params, apply, lambda p: complexity(model, p, charge), x, y, config, adam(config.learning_rate, config.steps)
    )


def best_scale(scores: np.ndarray, labels: np.ndarray, size: float) -> float:
    """The factor c that minimises mean ramp of c · margins + c · size, on a grid of ratio 1.1.

    Example:
        >>> round(best_scale(np.array([[4.0, 0.0]]), np.array([0]), 0.1), 2)  # margin 4: c = 1/4 is enough
        0.26
    """
    own = scores[np.arange(len(labels)), labels]
    rest = np.where(np.arange(scores.shape[1]) == labels[:, None], -np.inf, scores).max(axis=1)
    grid = 1.1 ** np.arange(-120.0, 60.0)
    values = [np.clip(1.0 - c * (own - rest), 0.0, 1.0).mean() + c * size for c in grid]
    return float(grid[int(np.argmin(values))])
