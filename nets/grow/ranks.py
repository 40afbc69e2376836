"""Compiled selection over flat arrays: the k best of those allowed, k known only at run time, ties at random."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

Leaves = Mapping[str, jax.Array]


def best(scores: jax.Array, allowed: jax.Array, count: jax.Array, key: jax.Array) -> jax.Array:
    """Which `count` allowed entries have the highest scores; all of them where there are fewer.

    Args:
        scores: (n,); NaN counts as lowest.
        allowed: (n,) booleans.
        count: int32.
        key: for ties.

    Returns:
        (n,) booleans.

    Example:
        >>> best(jnp.array([3.0, 1.0, 2.0]), jnp.array([False, True, True]), jnp.int32(1), jax.random.key(0)).tolist()
        [False, False, True]
    """
    scores = jnp.where(jnp.isnan(scores), -jnp.inf, scores)
    order = jnp.lexsort((jax.random.bits(key, scores.shape), -scores, ~allowed))
    rank = jnp.zeros(len(scores), jnp.int32).at[order].set(jnp.arange(len(scores), dtype=jnp.int32))
    return allowed & (rank < count)


def joined(leaves: Leaves) -> jax.Array:
    """All leaves in one flat array, in the mapping's order."""
    return jnp.concatenate([leaf.ravel() for leaf in leaves.values()])


def parted(flat: jax.Array, like: Leaves) -> dict[str, jax.Array]:
    """The inverse of `joined`."""
    result, start = {}, 0
    for path, leaf in like.items():
        result[path] = flat[start : start + leaf.size].reshape(leaf.shape)
        start += leaf.size
    return result


def keys(key: jax.Array, leaves: Leaves) -> dict[str, jax.Array]:
    """One key per leaf."""
    return dict(zip(leaves, jax.random.split(key, len(leaves)), strict=True))
