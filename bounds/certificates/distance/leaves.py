"""Weights as a flat dictionary from the name of a leaf to its array, whatever tree they came in."""

from __future__ import annotations

import hashlib
from typing import Any

import jax
import numpy as np

FLOATS = (np.float32, np.float64)
Leaves = dict[str, np.ndarray]


def named_leaves(tree: Any, what: str) -> Leaves:
    """The leaves of a pytree by name, in its order.

    Args:
        tree: of arrays and numbers; a Flax state too.
        what: its name in messages.

    Returns:
        Name such as "conv.kernel" → array, not copied.

    Raises:
        ValueError: no leaves, a leaf that is no array of numbers, two of one name.

    Example:
        >>> {name: leaf.shape for name, leaf in named_leaves({"b": np.ones(2), "a": [1.0]}, "mean").items()}
        {'a.0': (), 'b': (2,)}
    """
    found: Leaves = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator=".").removesuffix(".value") or "weights"
        kind = getattr(leaf, "dtype", None)
        if kind is not None and jax.dtypes.issubdtype(kind, jax.dtypes.prng_key):
            raise ValueError(f"the leaf {name} of the {what} is a random key; give the weights alone (nnx.Param)")
        array = np.asarray(leaf)
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":
            raise ValueError(f"the leaf {name} of the {what} is {array.dtype}; needed an array of numbers")
        if name in found:
            raise ValueError(f"two leaves of the {what} are called {name}; needed different names")
        found[name] = array
    if not found:
        raise ValueError(f"the {what} has no leaves; needed a tree of arrays")
    return found


def matched(tree: Any, like: Leaves, what: str, *, scalars: bool = False) -> Leaves:
    """The leaves of a tree that must be built like the reference.

    Args:
        tree: as `named_leaves` takes it; with `scalars` also one number for all leaves, or numbers for some.
        like: leaves of the reference.
        what: the tree's name in messages.
        scalars: whether a number may stand for a leaf.

    Raises:
        ValueError: another structure, or other shapes; the first leaf is named.
    """
    found = named_leaves(tree, what)
    if scalars and isinstance(tree, int | float | np.number):
        found = dict.fromkeys(like, np.asarray(tree))
    if set(found) != set(like):
        odd = sorted(set(found) ^ set(like))[0]
        where = "is missing in" if odd in like else "stands only in"
        raise ValueError(f"the leaf {odd} {where} the {what}; needed the tree of the reference")
    for name, leaf in found.items():
        if leaf.shape != like[name].shape and not (scalars and leaf.shape == ()):
            came, needed = leaf.shape, like[name].shape
            raise ValueError(f"the leaf {name} of the {what} has shape {came}; the reference has {needed}")
    return {name: found[name] for name in like}


def rebuilt(tree: Any, leaves: Leaves) -> Any:
    """The tree again, with these leaves in place of its own."""
    names, structure = list(named_leaves(tree, "tree")), jax.tree.structure(tree)
    return jax.tree.unflatten(structure, [leaves[name] for name in names])


def nested(leaves: Leaves) -> Any:
    """Nested dictionaries by the parts of the names: what a file can give back without the user's classes.

    Example:
        >>> nested({"conv.kernel": 1, "conv.bias": 2})
        {'conv': {'kernel': 1, 'bias': 2}}
    """
    tree: dict[str, Any] = {}
    for name, leaf in leaves.items():
        *parents, last = name.split(".")
        node = tree
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = leaf
    return tree


def fingerprint(leaves: Leaves) -> str:
    """Of names, shapes, types and bytes, in the order of the names: 32 hexadecimal digits.

    Example:
        >>> a, b = {"w": np.zeros(2, np.float32)}, {"w": np.array([0.0, -0.0], np.float32)}
        >>> fingerprint(a) == fingerprint(dict(a)), fingerprint(a) == fingerprint(b)
        (True, False)
    """
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(leaves):
        leaf = np.ascontiguousarray(leaves[name])
        digest.update(f"{name} {leaf.dtype.str} {leaf.shape}\n".encode())
        digest.update(leaf.view(np.uint8).reshape(-1).data if leaf.size else b"")
    return digest.hexdigest()
