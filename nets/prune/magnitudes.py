"""Pruning by the size of the trained weights, at once; rewinding what is left to where it started."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets.prune.select import Scope, Scores, best, check_density, sizes

Tree = Any


def magnitude(
    model: Any,
    density: float,
    *,
    scope: Scope = "global",
    floor: int = 0,
    within: Tree = None,
    layout: masking.Given = None,
) -> Tree:
    """Keep the largest |w|.

    Of a weight-normalised layer w is the kernel it applies, g·v/‖v‖, so that layers compare. For pruning in small
    steps while the network trains see `nets.grow.Gradual`.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        density: share of the weights kept, above 0 and at most 1.
        scope: "global" (one threshold) or "layer" (the same density in every layer).
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.
        within: masks; weights outside them do not come back, and they keep as many as the density asks for.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: density outside (0, 1], a layer pruned to nothing, weights that are no numbers, an array of two axes
            or more of which nothing says whether it is a kernel, masks that keep fewer weights than asked for, kernels
            under `nnx.SpectralNorm` or `nnx.WeightNorm`, whose stored weights are not those applied.

    Example:
        >>> mask = magnitude({"a": {"kernel": np.array([[3.0, -4.0]])}, "b": {"kernel": np.array([[1.0, 2.0]])}}, 0.75)
        >>> mask["a"]["kernel"].tolist(), mask["b"]["kernel"].tolist()
        ([[True, True]], [[False, True]])

    Source: Han, Pool, Tran, Dally, NeurIPS 2015 [as usually recalled].
    """
    check_density(density)
    layers = masking.Layers.of(model, layout)
    masking.check_stored(model, layout)
    scores = inside(sizes(layers, masking.applied(model, layout)), layers, model, within)
    _check_enough(scores, density, scope)
    return layers.masks(model, best(scores, density, scope=scope, floor=floor))


def _check_enough(scores: Scores, density: float, scope: Scope) -> None:
    """No more weights are asked for than may stay."""
    open_ = {name: int((leaf > -np.inf).sum()) for name, leaf in scores.items()}
    asked = {name: round(density * leaf.size) for name, leaf in scores.items()}
    if scope == "global":
        total = round(density * sum(leaf.size for leaf in scores.values()))
        open_, asked = {"within": sum(open_.values())}, {"within": total}
    for name, count in asked.items():
        if count > open_[name]:
            where = "" if name == "within" else f" in {name}"
            raise ValueError(f"density {density} asks for {count} weights{where}, and the masks given as within keep "
                             f"{open_[name]}; lower the density")  # fmt: skip


def inside(scores: Scores, layers: masking.Layers, model: Any, masks: Tree) -> dict[str, Any]:
    """Scores by layer, −inf outside the masks."""
    if masks is None:
        return dict(scores)
    masking.check(model, masks)
    given = layers.parts(masks)
    return {name: np.where(np.asarray(given[name]), leaf, -np.inf) for name, leaf in scores.items()}


def rewind(model: Any, initial: Any, masks: Tree) -> Any:
    """Give a model the weights it had before training, where the masks keep them, and zero elsewhere.

    Args:
        model: an `nnx.Module`, changed in place, or parameters: a state, dict, or any tree of JAX.
        initial: parameters of an early step: a model, state or dict of the same shapes.
        masks: what was found after training.

    Returns:
        The model; for parameters new ones.

    Raises:
        ValueError: masks or initial parameters that do not fit the model; the message names the first path.

    Example:
        >>> start, mask = {"w": np.array([1.0, 2.0])}, {"w": np.array([True, False])}
        >>> rewind({"w": np.array([7.0, 8.0])}, start, mask)["w"].tolist()
        [1.0, 0.0]

    Source: Frankle, Carbin, ICLR 2019; to an early step instead of the first: Frankle et al., ICML 2020.
    """
    masking.check(model, masks)
    _check_initial(model, initial)
    start = masking.apply(masking.parameters(initial), masks)
    if isinstance(model, nnx.Module):
        masking.set_parameters(model, start)
        return model
    return masking.like(start, model)


def _check_initial(model: Any, initial: Any) -> None:
    wanted, given = (masking.leaves(masking.parameters(tree)) for tree in (model, initial))
    for path in sorted(wanted.keys() | given.keys()):
        shapes = [np.shape(tree[path]) if path in tree else None for tree in (given, wanted)]
        if shapes[0] != shapes[1]:
            there, here = ("no such parameter" if shape is None else f"shape {shape}" for shape in shapes)
            raise ValueError(f"the initial parameters do not fit the model at {path}: {there} there, {here} here")


def lottery_ticket(
    model: nnx.Module,
    train: Callable[[Any, Tree], Any],
    density: float,
    *,
    rounds: int = 5,
    scope: Scope = "global",
    floor: int = 0,
    layout: masking.Given = None,
) -> Tree:
    """Train, prune a share of the weights, rewind the rest to the start, and again.

    After round k of n the density is d^{k/n}. The model is left rewound under the last masks: train it once more.

    Args:
        model: an `nnx.Module` at the start of its training.
        train: train(model, masks) trains it in place and keeps masked weights at zero.
        density: share of the weights kept at the end.
        rounds: how many times it is trained.
        scope, floor, layout: as for `magnitude`.

    Returns:
        The masks.

    Raises:
        ValueError: as `magnitude`; rounds below 1; parameters without their module, which cannot be rewound in place.

    Source: iterative magnitude pruning of Frankle, Carbin, ICLR 2019.
    """
    check_density(density)
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; need at least 1")
    if not isinstance(model, nnx.Module):
        raise ValueError(f"the model is a {type(model).__name__}; need an nnx.Module, which is trained and rewound in "
                         "place. For parameters alone write the rounds with magnitude(within=) and rewind")  # fmt: skip
    initial = jax.tree.map(np.array, masking.parameters(model))
    masks: Tree = jax.tree.map(lambda leaf: jax.numpy.ones(leaf.shape, bool), initial)
    for done in range(1, rounds + 1):
        train(model, masks)
        share = density ** (done / rounds)
        masks = magnitude(model, share, scope=scope, floor=floor, within=masks, layout=layout)
        rewind(model, initial, masks)
    return masks
