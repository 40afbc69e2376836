"""Parameters and masks as nested dicts: their leaves by path, in and out of modules."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

Tree = Any


def parameters(model: Any) -> Tree:
    """The parameters as a plain nested dict: of an `nnx.Module`, an `nnx.State`, or a Linen dict as it is."""
    if isinstance(model, nnx.Module):
        model = nnx.state(model, nnx.Param)
    return nnx.to_pure_dict(model) if isinstance(model, nnx.State) else model


def set_parameters(model: nnx.Module, values: Tree) -> None:
    """Give an `nnx.Module` the parameters in a nested dict."""
    state = nnx.state(model, nnx.Param)
    nnx.replace_by_pure_dict(state, values)
    nnx.update(model, state)


def leaves(tree: Tree) -> dict[str, Any]:
    """The arrays of a nested dict by path, as in `conv1.kernel`, in the order JAX keeps them.

    Example:
        >>> leaves({"b": {"kernel": 1}, "a": 2})
        {'a': 2, 'b.kernel': 1}

    Raises:
        ValueError: two arrays with the same path, as a key with a dot in it makes.
    """
    pairs = [(name(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]]
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(path for place, (path, _) in enumerate(pairs) if path in dict(pairs[:place]))
        raise ValueError(f"two arrays have the path {twice}; rename the keys that have dots in them")
    return found


def name(path: Any) -> str:
    """A path of JAX's tree functions as text: its keys, places or fields with dots between them."""
    return ".".join(_step(entry) for entry in path)


def _step(entry: Any) -> str:
    """A key of a dict, a place in a list, or a field of a dataclass or named tuple."""
    return next(str(getattr(entry, kind)) for kind in ("key", "idx", "name") if hasattr(entry, kind))


def with_leaves(tree: Tree, values: dict[str, Any]) -> Tree:
    """A nested dict with the arrays named in `values` put in place of its own.

    Example:
        >>> with_leaves({"a": 2, "b": {"kernel": 1}}, {"b.kernel": 5})
        {'a': 2, 'b': {'kernel': 5}}
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: values.get(name(path), leaf), tree)


def zeroed(values: Tree, masks: Tree) -> Tree:
    """`values` where `masks` is true and zero elsewhere, leaf by leaf; a state of NNX stays one."""
    if isinstance(values, nnx.State):
        return like(zeroed(parameters(values), masks), values)
    # `where`, not a product: strict promotion refuses bool times float, and NaN · 0 is NaN.
    return jax.tree.map(lambda value, keep: jnp.where(keep, value, jnp.zeros_like(value)), values, masks)


def to_zero(updates: Tree, params: Tree, masks: Tree) -> Tree:
    """`updates` where `masks` is true; elsewhere what takes the parameters to zero: nothing, where they are there.

    An optimiser whose `init` was traced could not look at them.

    Args:
        updates: nested dict, or a state of NNX.
        params: of the same paths, or None: zero elsewhere.
        masks: nested dict.

    Example:
        >>> w = {"w": jnp.array([5.0, 2.0])}
        >>> to_zero({"w": jnp.ones(2)}, w, {"w": jnp.array([True, False])})["w"].tolist()
        [1.0, -2.0]
    """
    if params is None:
        return zeroed(updates, masks)
    if isinstance(updates, nnx.State):
        return like(to_zero(parameters(updates), params, masks), updates)
    return jax.tree.map(_to_zero, updates, masks, parameters(params))


def _to_zero(update: jax.Array, keep: jax.Array, w: jax.Array) -> jax.Array:
    wide = max(update.dtype, w.dtype, key=lambda kind: kind.itemsize)  # in fewer bits w − w need not be 0
    return jnp.where(keep, update.astype(wide), (jnp.zeros_like(w) - w).astype(wide))  # 0 − 0 has no sign


def like(values: Tree, tree: Any) -> Any:
    """The arrays of a nested dict in the structure of a tree with the same paths: a dict, or a state of NNX.

    Example:
        >>> state = nnx.state(nnx.Linear(2, 1, use_bias=False, rngs=nnx.Rngs(0)))
        >>> like({"kernel": jnp.ones((2, 1))}, state)["kernel"][...].tolist()
        [[1.0], [1.0]]
    """
    if not isinstance(tree, nnx.State):
        return values
    state = jax.tree.map(lambda leaf: leaf, tree)
    nnx.replace_by_pure_dict(state, values)
    return state
