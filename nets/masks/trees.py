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
    """A path of JAX's tree functions as text: its keys with dots between them."""
    return ".".join(str(getattr(entry, "key", getattr(entry, "idx", entry))) for entry in path)


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
