"""Arrays of a tree by the paths of their leaves."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np


def named(tree: Any) -> dict[str, np.ndarray]:
    """A tree of arrays by the paths of its leaves.

    Example:
        >>> sorted(named({"dense": [np.zeros(2), np.zeros(3)]}))
        ['dense.0', 'dense.1']
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {name_of(path): np.asarray(leaf) for path, leaf in leaves}


def name_of(path: tuple[Any, ...]) -> str:
    """The keys of a path, joined by dots; the box that Flax puts around an array is left out."""
    keys = [str(getattr(key, "key", getattr(key, "name", getattr(key, "idx", key)))) for key in path]
    return ".".join(keys[:-1] if len(keys) > 1 and keys[-1] in ("value", "raw_value") else keys)


def plain(name: str) -> str:
    """The name that a file has, as `name_of` writes it."""
    return name.replace("/", ".").removesuffix(".value").removesuffix(".raw_value")
