"""Weight normalisation as a tree operation: the kernels that layers apply, whichever way they are parametrised.

A layer with parameters v and g applies g·v/‖v‖, with one norm for the layer (g a number) or one per output channel
(g a vector). v has a scale of its own that means nothing; scores of single weights are those of the kernel.
"""

from typing import Any

import jax
import jax.numpy as jnp

Tree = Any


def norm(v: jax.Array, g: jax.Array) -> jax.Array:
    """‖v‖ over everything that shares a gain, in the shape of g; 1 where all of that is zero.

    Example:
        >>> norm(jnp.array([[3.0, 0.0], [4.0, 0.0]]), jnp.ones(2)).tolist()
        [5.0, 1.0]
    """
    stacks = _stacks(v)
    axes = tuple(range(stacks, v.ndim - 1 if jnp.ndim(g) > stacks else v.ndim))
    square = jnp.sum(v * v, axis=axes)
    return jnp.sqrt(jnp.where(square > 0, square, jnp.ones_like(square)))


def spread(values: jax.Array, v: jax.Array) -> jax.Array:
    """One value per gain in a shape that multiplies v.

    Example:
        >>> spread(jnp.ones(3), jnp.ones((3, 2, 2, 4, 8))).shape, spread(jnp.ones(8), jnp.ones((2, 2, 4, 8))).shape
        ((3, 1, 1, 1, 1), (8,))
    """
    stacks = _stacks(v)
    if not stacks:
        return values
    last = values.shape[stacks:] or (1,)
    return values.reshape(*values.shape[:stacks], *(1,) * (v.ndim - stacks - 1), *last)


def _stacks(v: jax.Array) -> int:
    """How many axes in front vmap or scan have added: a convolution of this package has four axes."""
    return max(v.ndim - 4, 0)


def applied(params: Tree) -> Tree:
    """Parameters with v replaced by the kernel g·v/‖v‖ wherever both stand side by side.

    Example:
        >>> applied({"conv": {"v": jnp.array([[3.0], [4.0]]), "g": jnp.array(10.0)}})["conv"]["v"].ravel().tolist()
        [6.0, 8.0]
    """
    return _at_pairs(params, lambda v, g: {"v": v * spread(g / norm(v, g), v), "g": g})


def undone(kernels: Tree) -> Tree:
    """Parameters that make every layer apply exactly its v: the gains become the norms, also under differentiation.

    The gradient of a function of `undone(kernels)` is that of the kernels themselves.

    Example:
        >>> undone({"conv": {"v": jnp.array([[6.0], [8.0]]), "g": jnp.array(0.0)}})["conv"]["g"].item()
        10.0
    """
    return _at_pairs(kernels, lambda v, g: {"v": v, "g": norm(v, g)})


def gradient_of_kernels(params: Tree, gradient: Tree) -> Tree:
    """The gradient by entries of the kernel, from that by v, at entries where v is zero.

    There ∂L/∂v = g/‖v‖ · ∂L/∂kernel; where g is zero, nothing is known and 0 is returned.
    """

    def scaled(v: jax.Array, g: jax.Array, by_v: jax.Array) -> jax.Array:
        usable = g != 0
        factor = jnp.where(usable, norm(v, g) / jnp.where(usable, g, jnp.ones_like(g)), jnp.zeros_like(g))
        return by_v * spread(factor, v)

    if not isinstance(params, dict):
        return gradient
    result = {key: gradient_of_kernels(params[key], gradient[key]) for key in params}
    if _is_pair(params):
        result["v"] = scaled(params["v"], params["g"], gradient["v"])
    return result


def _is_pair(node: Any) -> bool:
    return isinstance(node, dict) and "v" in node and "g" in node and not isinstance(node["v"], dict)


def _at_pairs(node: Any, change: Any) -> Any:
    if not isinstance(node, dict):
        return node
    result = {key: _at_pairs(value, change) for key, value in node.items()}
    return {**result, **change(node["v"], node["g"])} if _is_pair(node) else result
