"""Training of convolutions and a dense layer for a certificate: the pass over moments, differentiable.

A layer of the pass is the layer itself with absolute values for weights, times the factor s of its activation:
q = s · conv(|kernel|, q below). It sees as many "images" as there are sub-samples. Letters q and s: docs/theory.md,
"Setting" and "Theorem 1".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.head import ball_start, not_negative
from sparsebounds.nets.certify.loop import CertifyConfig, inside, minimise
from sparsebounds.nets.certify.objective import adam, round_steps
from sparsebounds.nets.models.conv_ops import conv2d

Params = dict[str, Any]


@dataclass(frozen=True)
class Chain:
    """Convolutions without bias or padding, each with ReLU, then a dense layer with bias.

    Args:
        in_shape: (height, width, channels).
        convs: (kernel size, stride, channels out) of each.
    """

    in_shape: tuple[int, int, int]
    convs: tuple[tuple[int, int, int], ...]

    @property
    def kernels(self) -> list[tuple[int, int, int, int]]:
        """Shapes of the kernels."""
        channels = [self.in_shape[2], *(c for _, _, c in self.convs)]
        return [(k, k, channels[i], c) for i, (k, _, c) in enumerate(self.convs)]

    @property
    def out(self) -> int:
        """Elements that the dense layer reads."""
        rows, columns, channels = self.in_shape
        for k, stride, out in self.convs:
            rows, columns, channels = (rows - k) // stride + 1, (columns - k) // stride + 1, out
        return rows * columns * channels

    def start(self, rows: int, seed: int) -> Params:
        """He's initial kernels, small rows of the last layer."""
        rng = np.random.default_rng(seed)
        params: Params = {
            f"conv{i}": rng.normal(size=shape) * math.sqrt(2.0 / math.prod(shape[:3]))
            for i, shape in enumerate(self.kernels)
        }
        params["rows"] = rng.normal(size=(rows, self.out + 1)) * math.sqrt(0.1 / self.out)
        return {name: jnp.asarray(value, jnp.float32) for name, value in params.items()}

    def maps(self, params: Params, x: jax.Array) -> list[jax.Array]:
        """The inputs and what every convolution makes of them, behind its ReLU, (B, elements) each."""
        found = [x]
        for i, (_, stride, _) in enumerate(self.convs):
            found.append(jax.nn.relu(conv2d(found[-1], params[f"conv{i}"], stride=stride)))
        return [x.reshape(len(x), -1) for x in found]

    def hidden(self, params: Params, x: jax.Array) -> jax.Array:
        """What the dense layer reads, (B, out)."""
        return self.maps(params, x)[-1]

    def scores(self, params: Params, x: jax.Array, signs: jax.Array) -> jax.Array:
        """f_r = Σ_S ε_S(r) (D_S·v + d_S), (B, C)."""
        return (self.hidden(params, x) @ params["rows"][:, :-1].T + params["rows"][:, -1]) @ signs


def tap_moments(chain: Chain, params: Params, moments: jax.Array, factor: float) -> jax.Array:
    """q of what the dense layer reads, in one differentiable pass.

    Args:
        chain: the architecture.
        params: its kernels.
        moments: (K, *in_shape) q of the inputs.
        factor: s of every activation.

    Returns:
        (K, elements): of the nodes of the last map; every element is a node.

    Source: theorem 1 of docs/theory.md, tap form.
    """
    q = moments
    for i, (_, stride, _) in enumerate(chain.convs):
        q = jnp.float32(factor) * conv2d(q, jnp.abs(params[f"conv{i}"]), stride=stride)
    return q.reshape(len(q), -1)


def chain_complexity(
    chain: Chain, params: Params, moments: Any, multipliers: Any, constant: Any, factor: float
) -> float:
    """Σ_S (Σ_i |D_Si| Σ_k mult_Sk q^k_i + |d_S| κ_S), arguments as for `train_chain`."""
    q = tap_moments(chain, params, jnp.asarray(moments, jnp.float32), factor)
    rows = jnp.abs(params["rows"])
    reach = jnp.asarray(multipliers, jnp.float32) @ q
    return float(jnp.sum(rows[:, :-1] * reach) + jnp.sum(rows[:, -1] * jnp.asarray(constant, jnp.float32)))


def train_chain(
    chain: Chain,
    x: Any,
    y: Any,
    signs: np.ndarray,
    moments: np.ndarray,
    multipliers: np.ndarray,
    constant: np.ndarray,
    factor: float,
    config: CertifyConfig,
    *,
    starts: Sequence[Params],
) -> list[Params]:
    """Minimise mean loss + strength · Σ_S (Σ_i |D_Si| Σ_k mult_Sk q^k_i + |d_S| κ_S), scalar nodes, from each start.

    Args:
        chain: the architecture.
        x, y: the sample, x of shape (m, *in_shape).
        signs: (S, C), as for `train_taps`.
        moments: (K, *in_shape): q of the inputs per sub-sample, times 2/m.
        multipliers: (S, K).
        constant: (S,): κ_S.
        factor: s of every activation.
        config: settings.
        starts: parameters to begin with; they are trained side by side, on the same batches, and do not meet.

    Returns:
        Parameters, one set per start: kernels conv0, conv1, …, and rows (S, out + 1), the bias last.
    """
    q0, mult = jnp.asarray(moments, jnp.float32), jnp.asarray(multipliers, jnp.float32)
    kappa, codes = jnp.asarray(constant, jnp.float32), jnp.asarray(signs, jnp.float32)

    def complexity(p: Params) -> jax.Array:
        q = mult @ tap_moments(chain, p, q0, factor)
        return jnp.sum(jnp.abs(p["rows"][:, :-1]) * q) + jnp.sum(jnp.abs(p["rows"][:, -1]) * kappa)

    def all_scores(p: Params, v: jax.Array) -> jax.Array:
        return jax.vmap(lambda one: chain.scores(one, v, codes))(p)

    def mean_complexity(p: Params) -> jax.Array:
        return jnp.mean(jax.vmap(complexity)(p))

    # Adam goes coordinate by coordinate and does not see the factor 1/(number of starts).
    stacked = jax.tree.map(lambda *values: jnp.stack(values), *starts)
    found = minimise(stacked, all_scores, mean_complexity, x, y, config, adam(config.learning_rate, config.steps))
    return [jax.tree.map(lambda value, k=k: value[k], found) for k in range(len(starts))]


def train_chain_ellipsoids(
    chain: Chain,
    x: Any,
    y: Any,
    signs: np.ndarray,
    axes: dict[str, np.ndarray],
    costs: np.ndarray,
    config: CertifyConfig,
    *,
    start: Params,
    orthants: dict[str, np.ndarray] | None = None,
) -> Params:
    """Minimise mean loss + strength · a Σ_S κ_S over kernels and rows inside fixed ellipsoids.

    Args:
        chain, x, y, signs, config: as for `train_chain`.
        axes: τ of every kernel, of its shape (the ellipsoid of an output channel has radius 1), and of the rows.
        costs: (S,): κ_S, what a common radius of one adds to the bound.
        start: parameters to begin with.
        orthants: 1 and −1, of the shapes of `axes`: the signs that the class fixes; None: any.

    Returns:
        Parameters inside the class, at margin γ = 1.
    """
    names = [f"conv{i}" for i in range(len(chain.convs))]
    if orthants is not None:  # what is trained is then not negative
        axes = {n: value * orthants[n] for n, value in axes.items()}
    shapes = {n: jnp.asarray(axes[n] / math.sqrt(math.prod(axes[n].shape[:3])), jnp.float32) for n in names}
    row_axes = axes["rows"] / math.sqrt(axes["rows"].shape[1])
    row_shape, codes = jnp.asarray(row_axes, jnp.float32), jnp.asarray(signs, jnp.float32)
    total = jnp.float32(np.sum(costs))

    def weights(p: Params) -> Params:
        found = {n: inside(p[n], (0, 1, 2)) * shapes[n] for n in names}
        return {**found, "rows": inside(p["rows"], (1,)) * row_shape * jnp.exp(p["log_a"])[:, None]}

    # Radius 1 for every channel: what is taken from a kernel goes to the weights that read it.
    begin, scale = {}, np.ones(chain.in_shape[2])
    for n in names:
        kernel = np.asarray(start[n], np.float64) * scale[:, None]
        u = np.divide(kernel, np.asarray(shapes[n]), out=np.zeros_like(kernel), where=np.asarray(shapes[n]) != 0)
        scale = np.maximum(np.sqrt(np.square(u).mean(axis=(0, 1, 2))), 1e-6)
        begin[n] = jnp.asarray(u / scale, jnp.float32)
    rows = np.asarray(start["rows"], np.float64) * np.append(np.tile(scale, chain.out // len(scale)), 1.0)
    ball = ball_start(rows, row_axes, tied=True)
    begin |= {"rows": ball["u"], "log_a": ball["log_a"]}

    def scores(p: Params, v: jax.Array) -> jax.Array:
        return chain.scores(weights(p), v, codes)

    def complexity(p: Params) -> jax.Array:
        return jnp.exp(p["log_a"][0]) * total

    tx = round_steps(config.learning_rate, config.steps)
    project = (lambda p: p) if orthants is None else not_negative
    return weights(minimise(begin, scores, complexity, x, y, config, tx, project))
