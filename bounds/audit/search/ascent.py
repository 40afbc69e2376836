"""Ascent over a class of networks for every draw of the signs: a lower estimate of a Rademacher complexity.

A family draws weights, projects them onto the class, and says what a draw of the signs attains with them; whatever
part of a network has a closed-form best (mostly the last layer) is not searched. Every iterate is scaled to its norms,
in float64, so that what is found is attained by a network of the class: the mean over all sign matrices is never above
the truth, the mean over drawn ones only by the error of averaging.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float64, Shaped

from sparsebounds.bounds.graph.graph import Graph

Weights = Any
"""A list of arrays; the shapes are the family's own."""
RATE = 0.1


@dataclass(frozen=True, eq=False)
class Family:
    """A class of networks as the search sees it."""

    draw: Callable[[np.random.Generator], Weights]
    """Weights, anywhere."""
    project: Callable[[Weights], Weights]
    """weights → weights of the class."""
    attained: Callable[[Weights, jax.Array, jax.Array], jax.Array]
    """(weights of the class, inputs (m, …), signs (m, C)) → the signed sum, at the best of what is not searched."""
    network: Callable[[Weights, np.ndarray, np.ndarray], Graph]
    """The same arguments → the whole network that attains it."""
    guide: Callable[[Weights, jax.Array, jax.Array], jax.Array] | None = None
    """What to climb where `attained` has no slope (a clipped loss); None: `attained` itself."""


@dataclass(frozen=True)
class Found:
    """What the search attained."""

    values: Float64[np.ndarray, " draws"]
    """Per sign matrix."""
    weights: Weights
    """The best weights for every sign matrix: a leading axis (draws,) on every array."""

    def moment(self, p: float = 1.0) -> tuple[float, float]:
        """Lower estimate of (E sup^p)^(1/p), and its standard error, without meaning where the signs are all there are.

        Example:
            >>> Found(np.array([1.0, 7.0]), []).moment(2.0)[0]
            5.0
        """
        powers = np.maximum(self.values, 0.0) ** p if p != 1.0 else self.values
        mean, count = float(powers.mean()), len(powers)
        value = mean if p == 1.0 else mean ** (1 / p)
        error = float(powers.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0
        return value, error if p == 1.0 else error * value / (p * mean) if mean > 0 else 0.0

    def of(self, draw: int) -> Weights:
        """The weights for one sign matrix."""
        return jax.tree.map(lambda w: np.asarray(w[draw]), self.weights)


def all_signs(m: int, outputs: int = 1) -> np.ndarray:
    """Every one of the 2^(m·outputs) sign matrices, float64 (…, m, outputs): no error of sampling.

    Example:
        >>> all_signs(2)[:, :, 0].tolist()
        [[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]]
    """
    return np.array(list(itertools.product((-1.0, 1.0), repeat=m * outputs))).reshape(-1, m, outputs)


def half_signs(m: int, outputs: int = 1) -> np.ndarray:
    """One of every pair ξ, −ξ: enough where the class holds −f with every f."""
    every = all_signs(m, outputs)
    return every[: len(every) // 2]


def some_signs(draws: int, m: int, outputs: int = 1, seed: int = 0) -> np.ndarray:
    """Independent sign matrices, float64 (draws, m, outputs)."""
    return np.random.default_rng(seed).choice([-1.0, 1.0], size=(draws, m, outputs))


def search(
    family: Family, x: np.ndarray, signs: np.ndarray, *, steps: int = 60, restarts: int = 4, seed: int = 0
) -> Found:
    """Climb from several starts for every sign matrix.

    Args:
        family: the class.
        x: (m, …) inputs.
        signs: (draws, m, C) sign matrices.
        steps: of Adam, each followed by the projection.
        restarts: starts per sign matrix, of which the best counts.

    Returns:
        Found; every value is attained by a network of the class.
    """
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        starts = _starts(family, seed, len(signs), restarts)
        if not jax.tree.leaves(starts):  # nothing to search: the last layer alone
            return Found(np.array([float(family.attained([], jnp.asarray(x), jnp.asarray(s))) for s in signs]), [])
        values, weights = _search(family, jnp.asarray(x, jnp.float64), jnp.asarray(signs), starts, steps)
        best = np.argmax(values, axis=1)
        rows = np.arange(len(signs))
        return Found(np.asarray(values)[rows, best], jax.tree.map(lambda w: np.asarray(w)[rows, best], weights))


def _starts(family: Family, seed: int, *axes: int) -> Any:
    """Independent draws of the weights along leading axes. (By NumPy: JAX's generators take seconds to compile.)"""
    rng = np.random.default_rng(seed)
    drawn = [family.draw(rng) for _ in range(int(np.prod(axes)))]
    return jax.tree.map(lambda *w: jnp.asarray(np.stack(w).reshape(*axes, *w[0].shape)), *drawn)


QUICK_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
"""The searches run for milliseconds and compile for seconds."""


@partial(jax.jit, static_argnames=("family", "steps"), compiler_options=QUICK_TO_COMPILE)
def _search(family: Family, x: Any, signs: Any, starts: Any, steps: int) -> tuple[Any, Any]:
    def one(signs: Any, starts: Any) -> tuple[Any, Any]:
        return jax.vmap(lambda start: _climb(family, x, signs, start, steps))(starts)

    return jax.vmap(one)(signs, starts)


def _climb(family: Family, x: Any, signs: Any, start: Any, steps: int) -> tuple[Any, Any]:
    """Adam from one start, every iterate valued after projection; the best one and its value."""
    optimiser = optax.adam(RATE)

    def valued(weights: Any) -> tuple[Any, Any]:
        inside = family.project(weights)
        value = family.attained(inside, x, signs)
        return (value if family.guide is None else family.guide(inside, x, signs)), value

    def step(carry: Any, _: None) -> tuple[Any, None]:
        weights, state, best, kept = carry
        (_, value), slope = jax.value_and_grad(valued, has_aux=True)(weights)
        kept = jax.tree.map(lambda new, old: jnp.where(value > best, new, old), weights, kept)
        move, state = optimiser.update(jax.tree.map(jnp.negative, slope), state)
        return (optax.apply_updates(weights, move), state, jnp.maximum(best, value), kept), None

    first = (start, optimiser.init(start), -jnp.inf, start)
    (_, _, best, kept), _ = jax.lax.scan(step, first, None, length=steps)
    return best, family.project(kept)


def worst_inputs(
    family: Family,
    x: Shaped[np.ndarray, "m ..."],
    signs: Shaped[np.ndarray, "... m C"],
    normalise: Callable[[jax.Array], jax.Array],
    *,
    steps: int = 100,
    seed: int = 0,
) -> Float64[np.ndarray, "m ..."]:
    """Inputs of which the search attains more: inputs and networks climb together.

    Args:
        family, signs: as in `search`.
        x: (m, …) where to start.
        normalise: scales inputs to the data factor that they started with.

    Returns:
        (m, …) float64, normalised.
    """
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        starts = _starts(family, seed, len(signs))
        return np.asarray(_worst(family, jnp.asarray(x, jnp.float64), jnp.asarray(signs), starts, normalise, steps))


@partial(jax.jit, static_argnames=("family", "normalise", "steps"), compiler_options=QUICK_TO_COMPILE)
def _worst(family: Family, x: Any, signs: Any, starts: Any, normalise: Any, steps: int) -> Any:
    optimiser = optax.adam(RATE / 2)

    def mean(both: Any) -> Any:
        inputs, weights = both
        scaled = normalise(inputs)
        return jnp.mean(jax.vmap(lambda w, s: family.attained(family.project(w), scaled, s))(weights, signs))

    def step(carry: Any, _: None) -> tuple[Any, None]:
        both, state, best, kept = carry
        value, slope = jax.value_and_grad(mean)(both)
        move, state = optimiser.update(jax.tree.map(jnp.negative, slope), state)
        kept = jnp.where(value > best, both[0], kept)
        return (optax.apply_updates(both, move), state, jnp.maximum(best, value), kept), None

    both = (x, starts)
    (_, _, _, kept), _ = jax.lax.scan(step, (both, optimiser.init(both), -jnp.inf, x), None, length=steps)
    return normalise(kept)
