"""SynFlow: pruning at initialisation without data, by the flow of a network with absolute weights."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets.models import weight_norm
from sparsebounds.nets.models.functional import frozen
from sparsebounds.nets.prune.magnitudes import applied
from sparsebounds.nets.prune.select import values
from sparsebounds.nets.prune.sensitivity import in_rounds

Tree = Any


def synflow(
    model: nnx.Module,
    density: float,
    *,
    in_shape: tuple[int, ...] | None = None,
    rounds: int = 100,
    floor: int = 0,
    layout: masking.Given = None,
) -> Tree:
    """Keep the largest |w| · ∂R/∂|w|, R = 1ᵀ f_{|w|}(1), in 100 rounds.

    R is the sum of the scores of the network with absolute weights and without biases on an image of ones. In a
    chain of layers the scores of every layer sum to R, and those into a hidden unit equal those out of it, so no
    layer is emptied while others are full. Running means of batch norm are shifts as biases are, and count as zero.

    Args:
        model: an `nnx.Module` from images to scores, as it starts; with batch norm or dropout in evaluation mode.
        density: share of the weights kept, above 0 and at most 1.
        in_shape: of one image; default `model.in_shape` where the model has it.
        rounds: after round k of n the density is d^{k/n}.
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: density outside (0, 1], rounds below 1, a layer pruned to nothing, no in_shape, a kernel whose axes
            are not known, batch norm or dropout in training mode.

    Example:
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> mask = synflow(MLP((4, 8, 3), rngs=nnx.Rngs(0)), 0.25, in_shape=(4,))
        >>> sum(int(mask[layer]["kernel"].sum()) for layer in mask)
        14

    Source: Tanaka, Kunin, Yamins, Ganguli, NeurIPS 2020.
    """
    score, layers = _score(model, _shape(model, in_shape)), masking.Layers.of(model, layout)
    # R is a product over layers: float32 overflows or underflows in deep networks.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return in_rounds(model, layers, density, score, rounds=rounds, floor=floor)


def synflow_scores(
    model: nnx.Module, *, in_shape: tuple[int, ...] | None = None, layout: masking.Given = None
) -> dict[str, np.ndarray]:
    """|w| · ∂R/∂|w| of every weight, by path, in float64: see `synflow`.

    Example:
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> scores = synflow_scores(MLP((4, 8, 3), rngs=nnx.Rngs(0)), in_shape=(4,))
        >>> bool(np.isclose(scores["dense1.kernel"].sum(), scores["dense2.kernel"].sum()))
        True
    """
    score, layers = _score(model, _shape(model, in_shape)), masking.Layers.of(model, layout)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return layers.whole(values(layers, jax.jit(score)(applied(model))))


def _shape(model: Any, in_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    found = in_shape if in_shape is not None else getattr(model, "in_shape", None)
    if found is None:
        raise ValueError(f"{type(model).__name__} does not say what an image is; give in_shape, as in (28, 28, 1)")
    return tuple(found)


def _score(model: nnx.Module, in_shape: tuple[int, ...]) -> Callable[[Tree], Tree]:
    _, others, apply = frozen(model)

    def still(path: Any, leaf: jax.Array) -> jax.Array:
        return jnp.zeros_like(leaf) if _last(path) == "mean" else leaf

    def flow(kernels: Tree) -> jax.Array:
        unmoved = jax.tree_util.tree_map_with_path(still, others)
        return jnp.sum(apply(weight_norm.undone(kernels), unmoved, jnp.ones((1, *in_shape), jnp.float64)))

    def positive(path: Any, leaf: jax.Array) -> jax.Array:
        wide = leaf.astype(jnp.float64)
        return jnp.zeros_like(wide) if _last(path) == "bias" else jnp.abs(wide)

    def score(kernels: Tree) -> Tree:
        absolute = jax.tree_util.tree_map_with_path(positive, kernels)
        return jax.tree.map(jnp.multiply, absolute, jax.grad(flow)(absolute))

    return score


def _last(path: Any) -> str:
    return masking.name(path).rsplit(".", 1)[-1]
