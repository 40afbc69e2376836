"""Weight normalisation of one layer, or of a stack of them: the kernel g·v/‖v‖.

One norm serves the layer (g a number) or every output channel has its own (g a vector).
"""

import jax
import jax.numpy as jnp


def norm(v: jax.Array, g: jax.Array, stacks: int = 0) -> jax.Array:
    """‖v‖ over everything that shares a gain, in the shape of g; 1 where all of that is zero.

    Args:
        v: outputs last.
        g: of the shape of the stacks, or of stacks and outputs.
        stacks: axes in front that run over layers.

    Example:
        >>> norm(jnp.array([[3.0, 0.0], [4.0, 0.0]]), jnp.ones(2)).tolist()
        [5.0, 1.0]
    """
    axes = tuple(range(stacks, v.ndim - 1 if jnp.ndim(g) > stacks else v.ndim))
    square = jnp.sum(jnp.abs(v) ** 2, axis=axes)
    return jnp.sqrt(jnp.where(square > 0, square, jnp.ones_like(square)))


def spread(values: jax.Array, v: jax.Array, stacks: int = 0) -> jax.Array:
    """One value per gain in a shape that multiplies v.

    Example:
        >>> spread(jnp.ones(3), jnp.ones((3, 2, 2, 4, 8)), 1).shape, spread(jnp.ones(8), jnp.ones((2, 2, 4, 8))).shape
        ((3, 1, 1, 1, 1), (8,))
    """
    if not stacks:
        return values
    last = values.shape[stacks:] or (1,)
    return values.reshape(*values.shape[:stacks], *(1,) * (v.ndim - stacks - 1), *last)


def kernel(v: jax.Array, g: jax.Array, stacks: int = 0) -> jax.Array:
    """g·v/‖v‖.

    Example:
        >>> kernel(jnp.array([[3.0], [4.0]]), jnp.array(10.0)).ravel().tolist()
        [6.0, 8.0]
    """
    return v * spread(g / norm(v, g, stacks), v, stacks)
