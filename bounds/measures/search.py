"""How far all parameters can be moved before the training error rises by 0.1: σ of noise, α of ascent, by bisection.

Searches run in float32 on at most `Subject.searched` images, the first of a permutation by the seed. Exact zeros of the
weights stay zeros: they are a mask. A value is known to `TOLERANCE` in error, or to 2^-15 of its range.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from sparsebounds.bounds.measures.forward import Parameters, forward, owners_of, parameters_of
from sparsebounds.bounds.measures.subject import Subject, Undefined, once

STEPS, DRAWS = 15, 10
MOVED, TOLERANCE = 0.1, 0.01
"""How much worse the training accuracy gets, and how exactly."""
EPSILON = 1e-3
"""In the magnitude-aware forms: the share of noise that does not depend on the weight."""
MOST_SIGMA, MOST_ALPHA = 2.0, 1.0
CHUNK = 250
"""Images at once."""
ASCENT_STEPS, ASCENT_IMAGES = 20, 500


@dataclass(frozen=True)
class Searched:
    """A network ready to be moved, and the images on which its error is measured."""

    parameters: Parameters
    owners: list[np.ndarray | None]
    run: Callable[[Parameters, jax.Array], jax.Array]
    x: jax.Array
    """(chunks, images, size)."""
    y: jax.Array
    """−1 where a chunk is filled up."""
    m: int

    def correct(self, parameters: Parameters) -> jax.Array:
        """The training accuracy with these parameters."""
        hits = jax.lax.map(lambda part: jnp.sum(self.run(parameters, part[0]).argmax(-1) == part[1]), (self.x, self.y))
        return jnp.sum(hits).astype(jnp.float32) / self.m

    def like(self, draw: Callable[[jax.Array, tuple[int, ...]], jax.Array], key: jax.Array) -> Parameters:
        """One number for every parameter: those that share a number move together."""
        keys = jax.random.split(key, len(self.parameters))
        found = []
        for one, p, owner in zip(keys, self.parameters, self.owners, strict=True):
            found.append(draw(one, p.shape) if owner is None else draw(one, (int(owner.max()) + 1,))[owner])
        return found

    def together(self, slopes: Parameters) -> Parameters:
        """Gradients by array → the same, summed over numbers that are one parameter."""
        return [
            g if owner is None else jnp.zeros(int(owner.max()) + 1, g.dtype).at[owner].add(g)[owner]
            for g, owner in zip(slopes, self.owners, strict=True)
        ]


@once
def searched(subject: Subject) -> Searched:
    """The network and the images of a search."""
    graph = subject.graph
    chosen = np.random.default_rng(subject.seed).permutation(subject.m)[: subject.searched]
    x = np.asarray(subject.x)[chosen].reshape(len(chosen), -1).astype(np.float32)
    size = min(CHUNK, len(chosen))
    filled = -(-len(chosen) // size) * size
    chunks = np.zeros((filled, x.shape[1]), np.float32)
    chunks[: len(chosen)] = x
    y = np.full(filled, -1, np.int32)
    y[: len(chosen)] = subject.y[chosen]
    parameters = [jnp.asarray(p, jnp.float32) for p in parameters_of(graph)]
    return Searched(
        parameters,
        owners_of(graph),
        forward(graph),
        jnp.asarray(chunks.reshape(-1, size, x.shape[1])),
        jnp.asarray(y.reshape(-1, size)),
        len(chosen),
    )


def bisect(worse: Callable[[float, int], float], most: float) -> float:
    """The size at which the accuracy falls by `MOVED`, within [0, most].

    Args:
        worse: (size, step) → how much the accuracy falls.
        most: the largest size.

    Returns:
        The first middle of an interval where it falls by `MOVED` ± `TOLERANCE`; else the last of `STEPS`.

    Example:
        >>> round(bisect(lambda size, step: size / 8, 2.0), 3)
        0.75
    """
    low, high, middle = 0.0, most, most / 2
    for step in range(STEPS):
        middle = (low + high) / 2
        fall = worse(middle, step)
        if abs(fall - MOVED) < TOLERANCE:
            break
        low, high = (low, middle) if fall > MOVED else (middle, high)
    return middle


def _deviations(p: jax.Array, sigma: jax.Array, aware: bool, paper: bool) -> Any:
    """The standard deviation of the noise on every number of an array."""
    if not aware:
        return sigma if paper else sigma**2
    squares = (sigma * p) ** 2 + EPSILON**2
    return jnp.sqrt(squares) if paper else squares


def _sigma(subject: Subject, aware: bool) -> float:
    """σ of Gaussian noise on all parameters, `DRAWS` draws each step."""
    net, paper = searched(subject), subject.convention == "paper"

    @jax.jit
    def accuracy(parameters: Parameters, sigma: jax.Array, key: jax.Array) -> jax.Array:
        noise = net.like(lambda k, shape: jax.random.normal(k, shape, jnp.float32), key)
        moved = [
            p + jnp.where(p == 0, jnp.zeros_like(p), _deviations(p, sigma, aware, paper) * z)
            for p, z in zip(parameters, noise, strict=True)
        ]
        return net.correct(moved)

    base, key = float(net.correct(net.parameters)), jax.random.key(subject.seed)

    def worse(sigma: float, step: int) -> float:
        keys = jax.random.split(jax.random.fold_in(key, step), DRAWS)
        found = [float(accuracy(net.parameters, jnp.float32(sigma), one)) for one in keys]
        return abs(float(np.mean(found)) - base)

    return bisect(worse, MOST_SIGMA)


def _alpha(subject: Subject, aware: bool) -> float:
    """The half width of a box that `ASCENT_STEPS` steps of signed gradient ascent on the cross entropy cannot use."""
    net = searched(subject)
    x, y = net.x.reshape(-1, net.x.shape[2])[:ASCENT_IMAGES], net.y.reshape(-1)[:ASCENT_IMAGES]

    def loss(parameters: Parameters) -> jax.Array:
        each = optax.softmax_cross_entropy_with_integer_labels(net.run(parameters, x), jnp.maximum(y, 0))
        return jnp.sum(jnp.where(y >= 0, each, jnp.zeros_like(each)))

    @jax.jit
    def accuracy(parameters: Parameters, alpha: jax.Array) -> jax.Array:
        widths = [alpha * jnp.abs(p) + EPSILON if aware else jnp.full_like(p, alpha) for p in parameters]
        widths = [jnp.where(p == 0, jnp.zeros_like(p), w) for p, w in zip(parameters, widths, strict=True)]

        def climb(_: Any, moved: Parameters) -> Parameters:
            slopes = net.together(jax.grad(loss)(moved))
            free = [u + w * (4 / ASCENT_STEPS) * jnp.sign(g) for u, w, g in zip(moved, widths, slopes, strict=True)]
            return [jnp.clip(u, p - w, p + w) for u, p, w in zip(free, parameters, widths, strict=True)]

        return net.correct(jax.lax.fori_loop(0, ASCENT_STEPS, climb, parameters))

    base = float(net.correct(net.parameters))
    return bisect(lambda alpha, _: base - float(accuracy(net.parameters, jnp.float32(alpha))), MOST_ALPHA)


def _positive(found: float, what: str) -> float:
    if not found > 0:
        raise Undefined(f"the search for {what} ended at 0: no move leaves the error as it is")
    return found


@once
def sigma(subject: Subject) -> float:
    """σ of plain noise."""
    return _positive(_sigma(subject, False), "σ")


@once
def sigma_aware(subject: Subject) -> float:
    """σ' of noise in proportion to the weights."""
    return _positive(_sigma(subject, True), "σ'")


@once
def alpha(subject: Subject) -> float:
    """α of boxes."""
    return _positive(_alpha(subject, False), "α")


@once
def alpha_aware(subject: Subject) -> float:
    """α' of boxes in proportion to the weights."""
    return _positive(_alpha(subject, True), "α'")
