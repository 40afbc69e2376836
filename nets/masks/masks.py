"""Masks: booleans beside the parameters of any Flax model, and an optimiser that keeps their zeros.

A mask tree has the paths and shapes of the parameters: an NNX model's `nnx.Param`s, or a Linen `params` dict.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

Tree = Any


def with_leaves(tree: Tree, values: dict[str, Any]) -> Tree:
    """A nested dict with the arrays named in `values` put in place of its own.

    Example:
        >>> with_leaves({"a": 2, "b": {"kernel": 1}}, {"b.kernel": 5})
        {'a': 2, 'b': {'kernel': 5}}
    """
    return jax.tree_util.tree_map_with_path(lambda path, leaf: values.get(name(path), leaf), tree)


def parameters(model: Any) -> Tree:
    """The parameters as a plain nested dict: of an `nnx.Module`, an `nnx.State`, or a Linen dict as it is."""
    if isinstance(model, nnx.Module):
        model = nnx.state(model, nnx.Param)
    return nnx.to_pure_dict(model) if isinstance(model, nnx.State) else model


def is_weight(path: str, leaf: Any) -> bool:
    """Whether a parameter is one that masks thin out by default: two axes or more, and no bias."""
    return np.ndim(leaf) >= 2 and path.rsplit(".", 1)[-1] != "bias"


def random_mask(model: Any, density: float, seed: int = 0, select: Callable[[str, Any], bool] = is_weight) -> Tree:
    """A mask that keeps round(density · size) entries of every selected parameter and all of the others.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        density: share kept, 0 to 1.
        seed: of the draw, which uses nothing else: the mask is fixed before any data is seen.
        select: (path, array) -> whether to thin out; by default kernels, v and blocks, not biases and gains.

    Returns:
        Nested dict of boolean arrays.

    Raises:
        ValueError: density outside 0..1.

    Example:
        >>> mask = random_mask({"kernel": jnp.ones((4, 5)), "bias": jnp.ones(5)}, density=0.1)
        >>> int(mask["kernel"].sum()), int(mask["bias"].sum())
        (2, 5)
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density is {density}; need a number from 0 to 1")
    rng = np.random.default_rng(seed)

    def draw(path: Any, leaf: Any) -> jax.Array:
        keep = np.ones(np.shape(leaf), bool)
        if select(name(path), leaf):
            keep = rng.permuted(np.arange(keep.size) < round(density * keep.size)).reshape(keep.shape)
        return jnp.asarray(keep)

    return jax.tree_util.tree_map_with_path(draw, parameters(model))


def check(model: Any, masks: Tree) -> None:
    """Raise a ValueError that names the first path at which masks and parameters do not fit."""
    wanted, given = leaves(parameters(model)), leaves(parameters(masks))
    for path in sorted(wanted.keys() | given.keys()):
        if path not in given:
            raise ValueError(f"masks lack {path}; give one boolean array per parameter")
        if path not in wanted:
            raise ValueError(f"masks have {path}, which is no parameter; its parameters are {', '.join(wanted)}")
        mask, weight = given[path], wanted[path]
        if np.shape(mask) != np.shape(weight):
            raise ValueError(f"the mask of {path} has shape {np.shape(mask)}; need {np.shape(weight)}")
        if jnp.asarray(mask).dtype != bool:
            raise ValueError(f"the mask of {path} has type {jnp.asarray(mask).dtype}; need booleans")


def apply(model: Any, masks: Tree) -> Any:
    """Parameters with masked entries set to zero; an `nnx.Module` is changed in place and returned.

    Raises:
        ValueError: masks that do not fit, as `check` says.

    Example:
        >>> apply({"kernel": jnp.ones(3)}, {"kernel": jnp.array([True, False, True])})["kernel"].tolist()
        [1.0, 0.0, 1.0]
    """
    check(model, masks)
    masked = zeroed(parameters(model), parameters(masks))
    if isinstance(model, nnx.Module):
        set_parameters(model, masked)
        return model
    if isinstance(model, nnx.State):
        state = jax.tree.map(lambda leaf: leaf, model)
        nnx.replace_by_pure_dict(state, masked)
        return state
    return masked


def set_parameters(model: nnx.Module, values: Tree) -> None:
    """Give an `nnx.Module` the parameters in a nested dict."""
    state = nnx.state(model, nnx.Param)
    nnx.replace_by_pure_dict(state, values)
    nnx.update(model, state)


def keep_zeros(tx: optax.GradientTransformation, masks: Tree) -> optax.GradientTransformation:
    """An optimiser that leaves masked weights at exactly zero, provided they start there (`apply`).

    Gradients are masked before `tx`, so that its momentum never learns of them, and updates after it, so
    that nothing it adds reaches them. With weight normalisation, mask v: a zero of v is a zero of g·v/‖v‖.

    Args:
        tx: any optax optimiser.
        masks: nested dict of booleans with the paths of the parameters.

    Raises:
        ValueError: on `init`: masks that do not fit the parameters, as `check` says.

    Example:
        >>> tx = keep_zeros(optax.sgd(0.1, momentum=0.9), {"w": jnp.array([True, False])})
        >>> w = {"w": jnp.array([1.0, 0.0])}
        >>> tx.update({"w": jnp.ones(2)}, tx.init(w), w)[0]["w"].tolist()
        [-0.10000000149011612, 0.0]
    """
    keep = parameters(masks)

    def init(params: Tree) -> Any:
        check(params, keep)
        return tx.init(params)

    def update(updates: Tree, state: Any, params: Tree = None) -> tuple[Tree, Any]:
        updates, state = tx.update(zeroed(updates, keep), state, params)
        return zeroed(updates, keep), state

    return optax.GradientTransformation(init, update)


def density(masks: Tree, select: Callable[[str, Any], bool] = is_weight) -> float:
    """The share of selected entries that a mask keeps.

    Example:
        >>> density({"kernel": jnp.array([[True, False]]), "bias": jnp.array([True])})
        0.5
    """
    chosen = [np.asarray(leaf) for path, leaf in leaves(parameters(masks)).items() if select(path, leaf)]
    total = sum(leaf.size for leaf in chosen)
    return sum(int(leaf.sum()) for leaf in chosen) / total if total else 1.0


def fingerprint(masks: Tree) -> str:
    """A short name for exactly these masks: what a continued training compares."""
    digest = hashlib.sha256()
    for path, leaf in leaves(parameters(masks)).items():
        mask = np.asarray(leaf)
        digest.update(f"{path} {mask.shape} ".encode() + np.packbits(mask).tobytes())
    return digest.hexdigest()[:16]


def zeroed(values: Tree, masks: Tree) -> Tree:
    """`values` where `masks` is true and zero elsewhere, leaf by leaf."""
    # `where`, not a product: strict promotion refuses bool times float, and NaN · 0 is NaN.
    return jax.tree.map(lambda value, keep: jnp.where(keep, value, jnp.zeros_like(value)), values, masks)


def leaves(tree: Tree) -> dict[str, Any]:
    """The arrays of a nested dict by path, as in `conv1.kernel`, in the order JAX keeps them.

    Example:
        >>> leaves({"b": {"kernel": 1}, "a": 2})
        {'a': 2, 'b.kernel': 1}
    """
    return {name(path): leaf for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}


def name(path: Any) -> str:
    """A path of JAX's tree functions as text: its keys with dots between them."""
    return ".".join(str(getattr(entry, "key", getattr(entry, "idx", entry))) for entry in path)
