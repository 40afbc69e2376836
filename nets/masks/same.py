"""Whether a network without some of its channels computes what it did: both are evaluated."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets.models.functional import frozen

SAMPLES = 8


def check_same(model: nnx.Module, small: nnx.Module, x: Any, by_layer: Mapping[str, Callable[[], nnx.Module]]) -> None:
    """Both networks give the same scores, in evaluation mode and in float64 where they compute as their inputs come.

    Args:
        model: as it was.
        small: without channels of some layers.
        x: a batch of inputs; None: random ones of shape `model.in_shape`.
        by_layer: layer → a function that makes the network without the channels of this layer alone.

    Raises:
        ValueError: they do not; the message names the layer. Neither inputs nor `model.in_shape`.
    """
    inputs = _inputs(model, x)
    wanted = _scores(model, inputs)
    if not _differs(wanted, small, inputs):
        return
    for layer, make in by_layer.items():
        if said := _differs(wanted, make(), inputs):
            raise ValueError(
                f"the channels of {layer} cannot be removed: {said}. Something between {layer} and its reader makes "
                "more than 0 of 0 (sigmoid, softplus), or computes with all channels (softmax, a norm, an array of "
                "their number)"
            )
    raise ValueError(f"the channels of {', '.join(by_layer)} cannot be removed together: "
                     f"{_differs(wanted, small, inputs)}")  # fmt: skip


def _inputs(model: Any, x: Any) -> Any:
    if x is not None:
        return np.asarray(x)
    if (shape := getattr(model, "in_shape", None)) is None:
        raise ValueError(
            f"{type(model).__name__} does not say what an input is, and the smaller network is compared with it; give "
            "a batch of inputs, as in remove(model, x=images)"
        )
    return np.random.default_rng(0).normal(size=(SAMPLES, *shape))


def _scores(model: nnx.Module, x: Any) -> np.ndarray:
    copy = nnx.clone(model)
    copy.eval()
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        params, others, apply = frozen(copy)
        wide = jax.tree.map(_wide, params), jax.tree.map(_wide, others)
        return np.asarray(apply(*wide, _wide(jnp.asarray(x))))


def _wide(leaf: Any) -> Any:
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf


def _differs(wanted: np.ndarray, small: nnx.Module, x: Any) -> str:
    """What is other; "" where nothing is."""
    try:
        found = _scores(small, x)
    except Exception as error:  # whatever an array of another size meets
        return f"the smaller network fails ({type(error).__name__}: {str(error).splitlines()[0]})"
    if found.shape != wanted.shape:
        return f"the scores have shape {found.shape} in place of {wanted.shape}"
    # Rounding of float32 or below where the layers insist on it.
    unit = 1e-6 if wanted.dtype == np.float64 else 64 * float(jnp.finfo(wanted.dtype).eps)
    scale, off = float(np.abs(wanted).max(initial=0)), float(np.abs(found - wanted).max(initial=0))
    return "" if off <= unit * max(scale, 1e-30) else f"on random inputs the scores change by {off:.3g}"
