"""Lower estimates of E sup Σ_i Σ_r ξ_ir f_r(x_i): ascent over a class for every draw of the signs ξ.

The class: hidden layers with a fixed norm per node, below a last layer W in one of two balls, Σ_r ‖w_r‖ ≤ 1 ("rows")
or ‖W‖_F ≤ 1 ("frobenius"). Given what lies below, the best last layer is known: with v_r = Σ_i ξ_ir v(x_i) the
supremum is max_r ‖v_r‖, or √(Σ_r ‖v_r‖²). So only the hidden layers are searched, by Adam, every iterate scaled to
its norms exactly: whatever is found is attained, and the estimate is below the truth up to the error of averaging.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax


@dataclass(frozen=True)
class Family:
    """Networks below the last layer: draw(key) → weights, project(weights) → the class, hidden(weights, x).

    `biased`: the last layer reads the constant 1 too.
    """

    draw: Callable
    project: Callable
    hidden: Callable
    biased: bool = False

    def best_last_layer(self, weights, x, signs, ball):
        """sup over the last layer, given the hidden ones; signs (m, C)."""
        v = self.hidden(weights, x).reshape(x.shape[0], -1)
        if self.biased:
            v = jnp.concatenate([v, jnp.ones_like(v[:, :1])], axis=1)
        squares = jnp.sum((signs.T @ v) ** 2, axis=1)
        return jnp.sqrt((jnp.max(squares) if ball == "rows" else jnp.sum(squares)) + 1e-30)


def linear() -> Family:
    """No hidden layer."""
    return Family(lambda key: jnp.zeros(1), lambda w: w, lambda w, x: x)


def convolutions(kernels: list[tuple[int, int, int, int]]) -> Family:
    """Shared-weight convolutions without padding and biases, ‖K‖_F = 1 each, ReLU after each."""

    def draw(key):
        return [jax.random.normal(k, s) for k, s in zip(jax.random.split(key, len(kernels)), kernels, strict=True)]

    def project(weights):
        return [w / jnp.sqrt(jnp.sum(w**2) + 1e-30) for w in weights]

    def hidden(weights, x):
        for w in weights:
            kh, kw = w.shape[:2]  # patches and one product: a convolution with one kernel per draw is slow
            rows, columns = x.shape[1] - kh + 1, x.shape[2] - kw + 1
            shifts = [x[:, a : a + rows, b : b + columns] for a in range(kh) for b in range(kw)]
            x = jax.nn.relu(jnp.concatenate(shifts, axis=-1) @ w.reshape(-1, w.shape[-1]))
        return x

    return Family(draw, project, hidden)


def masked_chain(masks: list[np.ndarray], owners: list[np.ndarray], norms: list[np.ndarray], *, biased: bool) -> Family:
    """Unshared layers: masks (out, in) 0/1, owners (out,) the node of a row, norms (nodes,) its ‖[W_j, b_j]‖_F."""

    def draw(key):
        keys = jax.random.split(key, len(masks))
        return [jax.random.normal(k, (m.shape[0], m.shape[1] + 1)) for k, m in zip(keys, masks, strict=True)]

    def project(weights):
        return [_scaled(w, m, o, n) for w, m, o, n in zip(weights, masks, owners, norms, strict=True)]

    def _scaled(w, mask, owner, norm):
        w = w * np.concatenate([mask, np.full((len(mask), 1), float(biased))], axis=1).astype(np.float32)
        belongs = np.equal.outer(owner, np.arange(len(norm))).astype(np.float32)
        squares = jnp.sum(w**2, axis=1) @ belongs
        return w * (belongs @ (norm.astype(np.float32) / jnp.sqrt(squares + 1e-30)))[:, None]

    def hidden(weights, x):
        z = x.reshape(x.shape[0], -1)
        for w in weights:
            z = jax.nn.relu(z @ w[:, :-1].T + w[:, -1])
        return z

    return Family(draw, project, hidden, biased=biased)


def all_signs(m: int, outputs: int = 1) -> np.ndarray:
    """Every one of the 2^(m·outputs) sign matrices (…, m, outputs): no error of sampling."""
    every = np.array(list(itertools.product((-1.0, 1.0), repeat=m * outputs)), dtype=np.float32)
    return every.reshape(-1, m, outputs)


def some_signs(draws: int, m: int, outputs: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).choice(np.float32([-1, 1]), size=(draws, m, outputs))


@partial(jax.jit, static_argnames=("family", "ball", "steps", "restarts"))
def _ascend(family: Family, x, signs, key, ball: str, steps: int, restarts: int):
    def one(signs, key):
        def loss(weights):
            return -family.best_last_layer(family.project(weights), x, signs, ball)

        def found(key):
            optimiser = optax.adam(0.1)
            start = family.draw(key)

            def step(carry, _):
                weights, state, best = carry
                value, slope = jax.value_and_grad(loss)(weights)
                move, state = optimiser.update(slope, state)
                weights = family.project(optax.apply_updates(weights, move))
                return (weights, state, jnp.maximum(best, -value)), None

            (weights, _, best), _ = jax.lax.scan(step, (start, optimiser.init(start), 0.0), None, length=steps)
            return jnp.maximum(best, family.best_last_layer(family.project(weights), x, signs, ball))

        return jnp.max(jax.vmap(found)(jax.random.split(key, restarts)))

    return jax.vmap(one)(signs, jax.random.split(key, signs.shape[0]))


def lower_estimate(family: Family, x, signs, *, ball="rows", steps=150, restarts=4, seed=0) -> tuple[float, float]:
    """Mean over the sign matrices of what ascent attains, and the standard error of that mean."""
    x, signs, key = jnp.asarray(x), jnp.asarray(signs), jax.random.key(seed)
    with jax.numpy_dtype_promotion("standard"):
        found = np.asarray(_ascend(family, x, signs, key, ball, steps, restarts)).astype(np.float64)
    return float(found.mean()), float(found.std() / np.sqrt(len(found)))
