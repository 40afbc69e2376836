"""An orthogonal basis in which the weights of a network hardly disturb each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.distance.sample import Apply, Tree, as_weights, checked_sample, cross_entropy
from sparsebounds.nets.checks import check_sizes

CHUNK = 50
LARGEST = 1024
"""Rows or columns of a matrix that is still turned."""


@dataclass(frozen=True, eq=False)
class Basis:
    """Coordinates v of the weights, W = U v Vᵀ array by array; an array (…, n) is a matrix of n columns.

    Lengths stay: a distance from a reference, and a prior N(0, σ²) with one σ per array, are the same in both.

    Args:
        turns: (U, V) of every leaf, orthogonal in float64, in the order of `jax.tree.leaves`; None: the identity.

    Example:
        >>> basis = Basis([(np.array([[0.0, 1.0], [1.0, 0.0]]), None)])
        >>> basis.coordinates({"w": jnp.array([3.0, 4.0])})["w"].tolist()
        [4.0, 3.0]
    """

    turns: list[tuple[np.ndarray | None, np.ndarray | None]]

    def coordinates(self, params: Tree) -> Tree:
        """v = Uᵀ W V."""
        return self._each(params, lambda side: side.T)

    def weights(self, v: Tree) -> Tree:
        """W = U v Vᵀ."""
        return self._each(v, lambda side: side)

    def through(self, f: Apply) -> Apply:
        """g(v, x) = f(W, x)."""
        return lambda v, x: f(self.weights(v), x)

    def _each(self, tree: Tree, form: Callable[[np.ndarray], np.ndarray]) -> Tree:
        leaves, structure = jax.tree.flatten(as_weights(tree))
        found = []
        for leaf, (left, right) in zip(leaves, self.turns, strict=True):
            matrix = _matrix(leaf)
            if left is not None:
                matrix = jnp.asarray(form(left), leaf.dtype) @ matrix
            if right is not None:
                matrix = matrix @ jnp.asarray(form(right).T, leaf.dtype)
            found.append(matrix.reshape(leaf.shape))
        return jax.tree.unflatten(structure, found)


def eigenbasis(f: Apply, params: Tree, x: Any, y: Any, *, key: jax.Array, samples: int = 2000) -> Basis:
    """Coordinates in which the Fisher information of every array is nearly diagonal.

    W = U v Vᵀ with the eigenvectors U of E G Gᵀ and V of E GᵀG, G the gradient of −log p_c at a class c drawn from the
    network's own probabilities p. Noise that is independent in these coordinates may be larger.

    Args:
        f: (weights, inputs) → scores (B, C).
        params: weights of a trained network; sides of more than 1024 rows or columns stay as they are.
        x, y: samples.
        key: of the choice of samples and classes.
        samples: how many are looked at.

    Returns:
        Basis; train in it with `basis.through(f)` and `basis.coordinates(params)`.

    Raises:
        ValueError: arguments that do not fit each other.

    Example:
        >>> f = lambda p, x: x @ p["w"]
        >>> basis = eigenbasis(f, {"w": jnp.eye(2)}, jnp.eye(2), jnp.array([0, 1]), key=jax.random.key(0))
        >>> v = basis.coordinates({"w": jnp.eye(2)})
        >>> bool(jnp.allclose(basis.through(f)(v, jnp.eye(2)), jnp.eye(2), atol=1e-6))
        True

    Source: Vyas et al., "SOAP", 2024, and Martens, Grosse, "K-FAC", ICML 2015, as usually recalled.
    """
    check_sizes(samples=samples)
    inputs, labels = checked_sample(f, params, x, y)
    return Basis(_turns(f, as_weights(params), inputs, key, min(samples, len(labels))))


def _turns(
    f: Apply, weights: Tree, x: jax.Array, key: jax.Array, samples: int
) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
    """(U, V) of every leaf, None where a side stays."""
    first, second = jax.random.split(key)
    rows = jax.random.choice(first, len(x), (samples,), replace=False)
    rows = jnp.resize(rows, (-(-samples // CHUNK), min(CHUNK, samples)))

    def slope(image: jax.Array, key: jax.Array) -> list[jax.Array]:
        drawn = jax.random.categorical(key, f(weights, image[None])[0])
        gradient = jax.grad(lambda p: cross_entropy(f(p, image[None]), drawn[None])[0])(weights)
        return [_matrix(leaf) for leaf in jax.tree.leaves(gradient)]

    @jax.jit
    def moments(index: jax.Array, key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
        slopes = jax.vmap(slope)(x[index], jax.random.split(key, len(index)))
        return [(jnp.einsum("brc,bsc->rs", g, g), jnp.einsum("brc,brd->cd", g, g)) for g in slopes]

    total: Any = None
    for number, index in enumerate(rows):
        found = moments(index, jax.random.fold_in(second, number))
        total = found if total is None else jax.tree.map(jnp.add, total, found)
    return [(_eigenvectors(left), _eigenvectors(right)) for left, right in total]


def _eigenvectors(moment: jax.Array) -> np.ndarray | None:
    return np.linalg.eigh(np.asarray(moment, np.float64))[1] if 1 < len(moment) <= LARGEST else None


def _matrix(leaf: jax.Array) -> jax.Array:
    columns = leaf.shape[-1] if leaf.ndim > 1 else 1
    return leaf.reshape(math.prod(leaf.shape) // columns, columns)
