"""Masks in and out: a .npz file, or JAX's sparse arrays."""

import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import sparse

from sparsebounds.nets.masks import trees
from sparsebounds.nets.masks.masks import check

Tree = Any


def save(path: str | Path, masks: Tree) -> None:
    """Write masks to a .npz file, one boolean array per path; written beside and then renamed.

    Raises:
        ValueError: a leaf that is not boolean.
        OSError: the file cannot be written.
    """
    found = {name: np.asarray(leaf) for name, leaf in trees.leaves(trees.parameters(masks)).items()}
    for name, leaf in found.items():
        _check_boolean(name, leaf)
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            # The prefix tells masks from other arrays, and keeps a path "file" from being NumPy's own argument.
            arrays: dict[str, Any] = {f"mask:{name}": leaf for name, leaf in found.items()}
            np.savez_compressed(file, **arrays)
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def load(path: str | Path, model: Any) -> Tree:
    """Masks of a model from a .npz file that `save` wrote.

    Args:
        path: the file.
        model: an `nnx.Module`, `nnx.State` or dict of parameters that the masks must fit.

    Returns:
        Nested dict of boolean arrays.

    Raises:
        ValueError: no such file of masks, or masks that do not fit: the message names the first path that differs.
        OSError: the file cannot be read.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(f"{folder}/masks.npz", {"w": jnp.array([True, False])})
        ...     load(f"{folder}/masks.npz", {"w": jnp.ones(2)})["w"].tolist()
        [True, False]
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            given = {key.removeprefix("mask:"): archive[key] for key in archive.files if key.startswith("mask:")}
    except OSError:
        raise
    except Exception as error:  # zipfile, zlib and NumPy each have their own
        raise ValueError(f"{path} is no .npz file of masks; write one with nets.masks.io.save") from error
    if not given:
        raise ValueError(f"{path} holds no masks; write one with nets.masks.io.save")
    params = trees.parameters(model)
    wanted = trees.leaves(params)
    for name in sorted(wanted.keys() | given.keys()):
        if name not in given or name not in wanted:
            lacks = "lacks the mask of" if name in wanted else "has a mask of"
            raise ValueError(f"{path} {lacks} {name}; the model's parameters are {', '.join(wanted)}")
    masks = trees.with_leaves(params, {name: jnp.asarray(leaf) for name, leaf in given.items()})
    check(model, masks)
    return masks


def to_bcoo(model: Any, masks: Tree) -> Tree:
    """The masked weights as `jax.experimental.sparse.BCOO` arrays; what masks leave whole stays an array.

    An active weight whose value is zero is stored too, so that the masks can be read back.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        masks: as from `nets.masks` or `nets.prune`.

    Returns:
        Nested dict; a leaf is BCOO where its mask has a zero.

    Raises:
        ValueError: masks that do not fit.

    Example:
        >>> tree = to_bcoo({"w": jnp.array([[1.0, 2.0]])}, {"w": jnp.array([[False, True]])})
        >>> tree["w"].nse, tree["w"].todense().tolist()
        (1, [[0.0, 2.0]])
    """
    check(model, masks)

    def stored(leaf: Any, mask: Any) -> Any:
        keep = np.asarray(mask)
        if keep.all():
            return jnp.asarray(leaf)
        where = np.argwhere(keep).astype(np.int32)
        values = jnp.asarray(np.asarray(leaf)[keep])
        return sparse.BCOO((values, jnp.asarray(where)), shape=keep.shape, indices_sorted=True, unique_indices=True)

    return jax.tree.map(stored, trees.parameters(model), trees.parameters(masks))


def from_bcoo(tree: Tree) -> tuple[Tree, Tree]:
    """(parameters, masks) of a nested dict with BCOO leaves: stored entries are active, arrays are whole.

    Example:
        >>> params, masks = from_bcoo({"w": sparse.BCOO.fromdense(jnp.array([[0.0, 2.0]]))})
        >>> params["w"].tolist(), masks["w"].tolist()
        ([[0.0, 2.0]], [[False, True]])
    """

    def is_sparse(leaf: Any) -> bool:
        return isinstance(leaf, sparse.BCOO)

    def mask(leaf: Any) -> jax.Array:
        if not is_sparse(leaf):
            return jnp.ones(np.shape(leaf), bool)
        if leaf.n_batch or leaf.n_dense:
            raise ValueError(
                f"a BCOO array has {leaf.n_batch} batch and {leaf.n_dense} dense axes; need none of either"
            )
        where = np.asarray(leaf.indices)
        inside = (where < np.array(leaf.shape)).all(axis=1)  # padding points outside
        keep = np.zeros(leaf.shape, bool)
        keep[tuple(where[inside].T)] = True
        return jnp.asarray(keep)

    params = jax.tree.map(lambda leaf: leaf.todense() if is_sparse(leaf) else leaf, tree, is_leaf=is_sparse)
    return params, jax.tree.map(mask, tree, is_leaf=is_sparse)


def _check_boolean(name: str, leaf: np.ndarray) -> None:
    if leaf.dtype != bool:
        raise ValueError(f"the mask of {name} has type {leaf.dtype}; need booleans")
