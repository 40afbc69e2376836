"""Steps of low rank: what moves is two factors per matrix, and the network stays where it was trained."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.certify.distance.sample import Apply, Tree, as_weights, checked_weights
from sparsebounds.nets.checks import check_sizes


def low_rank(f: Apply, params: Tree, rank: int, *, seed: int = 0) -> tuple[Apply, Tree]:
    """A network whose matrices move by products of two factors: g(adapters, x) = f(params + down·up, x).

    A leaf of shape (…, n) is read as a matrix of n columns. Leaves without a second axis, and those that two factors
    would not make smaller, move as they are.

    Args:
        f: (weights, inputs) → scores (B, C).
        params: where the network stays while the adapters are at their start.
        rank: columns of `down`, rows of `up`.
        seed: of `down`, normal of variance 1/rows; `up` starts at 0.

    Returns:
        (g, adapters): adapters is a list with one entry per leaf, {"down", "up"} or {"step"}.

    Raises:
        ValueError: a rank below 1, or weights that are not finite floats.

    Example:
        >>> g, adapters = low_rank(lambda p, x: x @ p["w"], {"w": jnp.ones((8, 6))}, 1)
        >>> adapters[0]["down"].shape, adapters[0]["up"].shape, g(adapters, jnp.ones((1, 8)))[0, 0].item()
        ((8, 1), (1, 6), 8.0)

    Source: Hu et al., "LoRA", ICLR 2022, as usually recalled; a start fixed by the seed is part of the decoder.
    """
    check_sizes(rank=rank)
    checked_weights(params, "the parameters")
    leaves, structure = jax.tree.flatten(as_weights(params))
    draws = np.random.default_rng(seed)

    def adapter(leaf: jax.Array) -> dict[str, jax.Array]:
        rows, columns = math.prod(leaf.shape[:-1]), leaf.shape[-1] if leaf.ndim else 1
        if leaf.ndim < 2 or rank * (rows + columns) >= rows * columns:
            return {"step": jnp.zeros_like(leaf)}
        down = draws.normal(size=(rows, rank)) / math.sqrt(rows)
        return {"down": jnp.asarray(down, leaf.dtype), "up": jnp.zeros((rank, columns), leaf.dtype)}

    whole = jax.tree.unflatten(structure, leaves)
    return lambda adapters, x: f(merged(whole, adapters), x), [adapter(leaf) for leaf in leaves]


def merged(params: Tree, adapters: Tree) -> Tree:
    """The weights of the network itself: where it was trained, and the step that adapters make from there.

    Args:
        params: as `low_rank` was given them.
        adapters: of the form that it gave.

    Example:
        >>> _, adapters = low_rank(lambda p, x: x @ p["w"], {"w": jnp.ones((8, 6))}, 1)
        >>> merged({"w": jnp.ones((8, 6))}, adapters)["w"].shape
        (8, 6)
    """
    leaves, structure = jax.tree.flatten(as_weights(params))

    def at(leaf: jax.Array, given: dict[str, Any]) -> jax.Array:
        step = given["step"] if "step" in given else jnp.matmul(given["down"], given["up"], precision="highest")
        return leaf + step.reshape(leaf.shape)

    return jax.tree.unflatten(structure, [at(leaf, given) for leaf, given in zip(leaves, adapters, strict=True)])
