"""What the layers of Flax NNX make: roles and sizes of their kernels and biases, before any vmap or scan."""

from collections.abc import Callable
from typing import Any

from flax import nnx

Shape = tuple[int | None, ...]
Made = tuple[tuple[str, ...] | str, Shape]
"""Roles of a kernel's axes, or "bias"; and sizes, None where any will do."""


def made_by(layer: Any) -> dict[str, Made]:
    """What a layer makes, by attribute; empty for modules that are none of Flax's layers with kernels.

    Example:
        >>> made_by(nnx.LinearGeneral(8, (2, 4), rngs=nnx.Rngs(0)))
        {'kernel': (('in', 'out', 'out'), (8, 2, 4)), 'bias': ('bias', (2, 4))}
    """
    return next((make(layer) for kind, make in _LAYERS if isinstance(layer, kind)), {})


def gains_of(layer: Any) -> tuple[str, ...]:
    """The attributes of a normalisation or activation that are gains; () for other modules."""
    return next((names for kind, names in _GAINS if isinstance(layer, kind)), ())


def why_unknown(layer: Any) -> str:
    """Why a layer of Flax does not say what its kernel is; "" where it does or is none."""
    if isinstance(layer, nnx.Einsum) and einsum_roles(layer.einsum_str) is None:
        return f"the equation {layer.einsum_str!r} names no inputs and outputs of it"
    if isinstance(layer, nnx.Conv | nnx.ConvTranspose) and layer.mask is not None:
        return "the layer multiplies it by a mask of its own: multiply the kernel by that, and set the layer's to None"
    return ""


def einsum_roles(equation: str | None) -> tuple[str, ...] | None:
    """Roles of the second operand's axes; None where a letter of it is summed by itself or stands twice, or for "...".

    A letter of all three is a group, one of both operands alone is read, one of the kernel and the result is written.

    Example:
        >>> einsum_roles("nta,hab->nthb"), einsum_roles("nhta,hab->nthb")
        (('out', 'in', 'out'), ('group', 'in', 'out'))
    """
    operands, _, result = (equation or "").replace(" ", "").partition("->")
    data, _, kernel = operands.partition(",")
    roles = {(True, True): "group", (True, False): "in", (False, True): "out"}
    axes = tuple(roles.get((letter in data, letter in result), "") for letter in kernel)
    fine = all(axes) and len(set(kernel)) == len(kernel) and "." not in kernel and "in" in axes and "out" in axes
    return axes if fine else None


def _linear(layer: Any) -> dict[str, Made]:
    return {
        "kernel": (("in", "out"), (layer.in_features, layer.out_features)),
        "bias": ("bias", (layer.out_features,)),
    }


def _linear_general(layer: Any) -> dict[str, Made]:
    batch, read, written = tuple(layer.batch_axis.values()), tuple(layer.in_features), tuple(layer.out_features)
    axes = ("group",) * len(batch) + ("in",) * len(read) + ("out",) * len(written)
    return {"kernel": (axes, (*batch, *read, *written)), "bias": ("bias", (*batch, *written))}


def _conv(layer: Any) -> dict[str, Made]:
    # A transposed convolution may store (window, out, in).
    channels = ("out", "in") if getattr(layer, "transpose_kernel", False) else ("in", "out")
    axes = ("window",) * len(layer.kernel_size) + channels
    return {"kernel": (axes, tuple(layer.kernel_shape)), "bias": ("bias", (layer.out_features,))}


def _embed(layer: Any) -> dict[str, Made]:
    return {"embedding": (("in", "out"), (layer.num_embeddings, layer.features))}


def _lora(layer: Any) -> dict[str, Made]:
    return {
        "lora_a": (("in", "out"), (layer.in_features, None)),
        "lora_b": (("in", "out"), (None, layer.out_features)),
    }


def _einsum(layer: Any) -> dict[str, Made]:
    bias: dict[str, Made] = {"bias": ("bias", tuple(layer.bias_shape or ()))}
    axes = einsum_roles(layer.einsum_str)
    return {"kernel": (axes, tuple(layer.kernel_shape)), **bias} if axes else bias


_LAYERS: tuple[tuple[type, Callable[[Any], dict[str, Made]]], ...] = (
    (nnx.Linear, _linear),
    (nnx.LinearGeneral, _linear_general),
    (nnx.Einsum, _einsum),
    (nnx.Conv, _conv),
    (nnx.ConvTranspose, _conv),
    (nnx.Embed, _embed),
    (nnx.LoRA, _lora),
)
_GAINS: tuple[tuple[type | tuple[type, ...], tuple[str, ...]], ...] = (
    ((nnx.BatchNorm, nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.InstanceNorm), ("scale",)),
    (nnx.WeightNorm, ("scales",)),
    (nnx.PReLU, ("negative_slope",)),
)
