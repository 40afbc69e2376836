"""Masks: booleans beside the parameters of any Flax model, and an optimiser that keeps their zeros.

A mask tree has the paths and shapes of the parameters: an NNX model's `nnx.Param`s, or a Linen `params` dict.
"""

import hashlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sparsebounds.nets.masks.kernel_paths import Given, Select, kernels
from sparsebounds.nets.masks.trees import leaves, parameters, set_parameters, to_zero, with_leaves, zeroed

Tree = Any


def random_mask(
    model: Any, density: float, seed: int = 0, select: Select | None = None, *, layout: Given = None
) -> Tree:
    """A mask that keeps round(density · size) entries of every kernel and all of the other parameters.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        density: share kept, 0 to 1.
        seed: of the draw, which uses nothing else: the mask is fixed before any data is seen.
        select: (path, array) -> whether to thin out; by default kernels, not biases and gains.
        layout: for a model whose kernels cannot be told by themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays.

    Raises:
        ValueError: density outside 0..1; an array of which nothing says whether it is a kernel.

    Example:
        >>> mask = random_mask({"kernel": jnp.ones((4, 5)), "bias": jnp.ones(5)}, density=0.1)
        >>> int(mask["kernel"].sum()), int(mask["bias"].sum())
        (2, 5)
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density is {density}; need a number from 0 to 1")
    rng = np.random.default_rng(seed)
    found = leaves(parameters(model))
    chosen = _selected(model, select, layout)
    keep = {path: np.ones(np.shape(leaf), bool) for path, leaf in found.items()}
    drawn = {path: rng.permuted(np.arange(keep[path].size) < round(density * keep[path].size)) for path in chosen}
    keep |= {path: flat.reshape(keep[path].shape) for path, flat in drawn.items()}
    return with_leaves(parameters(model), {path: jnp.asarray(mask) for path, mask in keep.items()})


def _selected(tree: Any, select: Select | None, layout: Given) -> list[str]:
    """Paths of the kernels, or of what is selected, whatever it is."""
    if select is None:
        return list(kernels(tree, layout))
    return [path for path, leaf in leaves(parameters(tree)).items() if select(path, leaf)]


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


def check_zeros(model: Any, masks: Tree) -> None:
    """Masks fit, as `check` says, and what they take away is zero; parameters under tracing are not looked at.

    Raises:
        ValueError: they do not, or a masked weight is not zero; the message names the first path.

    Example:
        >>> check_zeros({"w": jnp.array([1.0, 2.0])}, {"w": jnp.array([True, False])})
        Traceback (most recent call last):
            ...
        ValueError: w has weights that are masked and not zero; apply the masks first: nets.masks.apply(model, masks)
    """
    check(model, masks)
    kept = leaves(parameters(masks))
    for path, leaf in leaves(parameters(model)).items():
        if isinstance(leaf, jax.core.Tracer | jax.ShapeDtypeStruct):
            continue
        if np.asarray(leaf)[~np.asarray(kept[path])].any():
            raise ValueError(f"{path} has weights that are masked and not zero; apply the masks first: "
                             "nets.masks.apply(model, masks)")  # fmt: skip


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


def keep_zeros(tx: optax.GradientTransformation, masks: Tree) -> optax.GradientTransformationExtraArgs:
    """An optimiser that leaves masked weights, which start at zero (`apply`), there exactly.

    Gradients are masked before `tx`, and updates after it, so that nothing it adds reaches them. What it remembers of
    masked weights is zero wherever it makes each entry of its memory from that entry of the gradient, as momentum and
    Adam do; transformations that mix entries or add noise (`optax.centralize`, `add_noise`) before a momentum fill it,
    and the weights stay zero all the same. Where `init` is compiled it cannot look whether they start there, and the
    first update that is given the parameters takes them there. With weight normalisation, mask v: a zero of v is a
    zero of g·v/‖v‖.

    Args:
        tx: any optax optimiser; what it asks for beside gradients (`value`, …) is passed on.
        masks: nested dict of booleans with the paths of the parameters. Parameters and gradients may be a dict or,
            as in `nnx.Optimizer(model, keep_zeros(tx, masks), wrt=nnx.Param)`, a state.

    Raises:
        ValueError: on `init`: masks that do not fit the parameters, as `check` says, or masked weights that are not
            zero (as far as their values are known).

    Example:
        >>> tx = keep_zeros(optax.sgd(0.1, momentum=0.9), {"w": jnp.array([True, False])})
        >>> w = {"w": jnp.array([1.0, 0.0])}
        >>> tx.update({"w": jnp.ones(2)}, tx.init(w), w)[0]["w"].tolist()
        [-0.10000000149011612, 0.0]
    """
    keep, inner = parameters(masks), optax.with_extra_args_support(tx)

    def init(params: Tree) -> Any:
        check_zeros(params, keep)
        return inner.init(params)

    def update(updates: Tree, state: Any, params: Tree = None, **more: Any) -> tuple[Tree, Any]:
        if "grad" in more:
            more = {**more, "grad": zeroed(more["grad"], keep)}
        updates, state = inner.update(zeroed(updates, keep), state, params, **more)
        return to_zero(updates, params, keep), state

    return optax.GradientTransformationExtraArgs(init, update)


def density(masks: Tree, select: Select | None = None, *, layout: Given = None) -> float:
    """The share of entries that a mask keeps, of its kernels or of what is selected.

    Args:
        masks: nested dict of booleans.
        select: (path, mask) -> whether it counts; by default kernels, not biases and gains.
        layout: the module that the masks belong to, or path → roles, as for `nets.masks.layouts`.

    Example:
        >>> density({"kernel": jnp.array([[True, False]]), "bias": jnp.array([True])})
        0.5
    """
    found = leaves(parameters(masks))
    chosen = [np.asarray(found[path]) for path in _selected(masks, select, layout)]
    total = sum(leaf.size for leaf in chosen)
    return sum(int(leaf.sum()) for leaf in chosen) / total if total else 1.0


def fingerprint(masks: Tree) -> str:
    """A short name for exactly these masks: what a continued training compares."""
    digest = hashlib.sha256()
    for path, leaf in leaves(parameters(masks)).items():
        mask = np.asarray(leaf)
        digest.update(f"{path} {mask.shape} ".encode() + np.packbits(mask).tobytes())
    return digest.hexdigest()[:16]
