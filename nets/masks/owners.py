"""Roles of axes from the layer that owns a parameter: Flax NNX's layers, and any module that says so itself.

A module of your own says what its parameters are by a method: `def layouts(self): return {"w": "in out"}`.
"""

import math
from collections.abc import Callable, Iterator
from itertools import combinations
from typing import Any

from flax import nnx

from sparsebounds.nets.masks.layout import Layout

Shape = tuple[int | None, ...]
Kernel = tuple[tuple[str, ...], Shape]
"""Roles and sizes of a kernel that no vmap or scan has stacked; None where any size will do."""


def by_owner(model: nnx.Module) -> dict[str, Layout | None]:
    """The layout of every `nnx.Param` by path; None where the module that owns it is of an unknown kind.

    Example:
        >>> found = by_owner(nnx.LinearGeneral(8, (2, 4), rngs=nnx.Rngs(0)))
        >>> found["kernel"].axes, found["bias"].kind
        (('in', 'out', 'out'), 'bias')
    """
    shapes = {_name(path): tuple(leaf.shape) for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    return {path: _of(*found, shapes[path]) for path, found in owners(model).items()}


def owners(model: nnx.Module) -> dict[str, tuple[Any, str]]:
    """The module that owns every `nnx.Param`, and the name of its attribute, by path.

    Example:
        >>> module, attribute = owners(nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0))))["layers.0.kernel"]
        >>> type(module).__name__, attribute
        ('Linear', 'kernel')
    """
    return {_name(path): _owner(model, path) for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _owner(model: nnx.Module, path: tuple[Any, ...]) -> tuple[Any, str]:
    """The innermost module on a path, containers aside, and the name of the attribute that holds the parameter."""
    here: Any = model
    owner, attribute = model, str(path[0])
    for key, following in zip(path, (*path[1:], ""), strict=True):
        here = getattr(here, key) if isinstance(key, str) and hasattr(here, key) else here[key]
        if isinstance(here, nnx.Module) and not isinstance(here, nnx.List | nnx.Dict):
            owner, attribute = here, str(following)
    return owner, attribute


def _of(owner: Any, attribute: str, shape: tuple[int, ...]) -> Layout | None:
    if callable(getattr(owner, "layouts", None)):
        return _declared(owner, attribute, shape)
    if isinstance(owner, _NORMS):
        return Layout("bias" if attribute == "bias" else "gain")
    for kind, kernels in _KERNELS:
        if isinstance(owner, kind) and attribute == "bias":
            return Layout("bias")
        if isinstance(owner, kind) and (found := kernels(owner).get(attribute)):
            return _stacked(type(owner).__name__, *found, shape, groups=getattr(owner, "feature_group_count", 1))
    if isinstance(owner, nnx.Einsum) and attribute == "kernel":
        return Layout("unknown", reason=f"the equation {owner.einsum_str!r} names no inputs and outputs of it")
    return None


def _declared(owner: Any, attribute: str, shape: tuple[int, ...]) -> Layout | None:
    """What `owner.layouts()` says, axes in front of those it names being stacks."""
    if (text := owner.layouts().get(attribute)) is None:
        return Layout("bias" if attribute == "bias" else "gain") if len(shape) <= 1 else None
    layout = Layout.of(text)
    return layout if not layout.axes else _stacked(type(owner).__name__, layout.axes, (None,) * len(layout.axes), shape)


def _linear(layer: Any) -> dict[str, Kernel]:
    return {"kernel": (("in", "out"), (layer.in_features, layer.out_features))}


def _linear_general(layer: Any) -> dict[str, Kernel]:
    batch, read, written = tuple(layer.batch_axis.values()), tuple(layer.in_features), tuple(layer.out_features)
    axes = ("group",) * len(batch) + ("in",) * len(read) + ("out",) * len(written)
    return {"kernel": (axes, (*batch, *read, *written))}


def _conv(layer: Any) -> dict[str, Kernel]:
    return {"kernel": (("window",) * len(layer.kernel_size) + ("in", "out"), tuple(layer.kernel_shape))}


def _conv_transpose(layer: Any) -> dict[str, Kernel]:
    channels = ("out", "in") if layer.transpose_kernel else ("in", "out")
    return {"kernel": (("window",) * len(layer.kernel_size) + channels, tuple(layer.kernel_shape))}


def _embed(layer: Any) -> dict[str, Kernel]:
    return {"embedding": (("in", "out"), (layer.num_embeddings, layer.features))}


def _lora(layer: Any) -> dict[str, Kernel]:
    return {
        "lora_a": (("in", "out"), (layer.in_features, None)),
        "lora_b": (("in", "out"), (None, layer.out_features)),
    }


def _einsum(layer: Any) -> dict[str, Kernel]:
    axes = einsum_roles(layer.einsum_str)
    return {"kernel": (axes, tuple(layer.kernel_shape))} if axes else {}


def einsum_roles(equation: str) -> tuple[str, ...] | None:
    """Roles of the second operand's axes; None where a letter of it is summed by itself or stands twice, or for "...".

    A letter of all three is a group, one of both operands alone is read, one of the kernel and the result is written.

    Example:
        >>> einsum_roles("nta,hab->nthb"), einsum_roles("nhta,hab->nthb")
        (('out', 'in', 'out'), ('group', 'in', 'out'))
    """
    operands, _, result = equation.replace(" ", "").partition("->")
    data, _, kernel = operands.partition(",")
    roles = {(True, True): "group", (True, False): "in", (False, True): "out"}
    axes = tuple(roles.get((letter in data, letter in result), "") for letter in kernel)
    fine = all(axes) and len(set(kernel)) == len(kernel) and "." not in kernel and "in" in axes and "out" in axes
    return axes if fine else None


_NORMS = (nnx.BatchNorm, nnx.LayerNorm, nnx.RMSNorm, nnx.GroupNorm, nnx.InstanceNorm, nnx.WeightNorm, nnx.PReLU)
_KERNELS: tuple[tuple[type, Callable[[Any], dict[str, Kernel]]], ...] = (
    (nnx.Linear, _linear),
    (nnx.LinearGeneral, _linear_general),
    (nnx.Einsum, _einsum),
    (nnx.Conv, _conv),
    (nnx.ConvTranspose, _conv_transpose),
    (nnx.Embed, _embed),
    (nnx.LoRA, _lora),
)


def _stacked(owner: str, axes: tuple[str, ...], natural: Shape, shape: tuple[int, ...], groups: int = 1) -> Layout:
    """The roles, and a stack for every axis that vmap or scan added: in front, or where the sizes leave one choice."""
    extra = len(shape) - len(axes)
    if not extra:
        return Layout("kernel", axes, groups)
    places = list(_places(extra, natural, shape)) if extra >= 0 else []
    front = tuple(range(extra))
    if len(places) == 1 or front in places:
        chosen = front if front in places else places[0]
        rest = iter(axes)
        return Layout("kernel", tuple("stack" if i in chosen else next(rest) for i in range(len(shape))), groups)
    wanted = " × ".join("any" if size is None else str(size) for size in natural)
    return Layout("unknown", reason=f"{owner} makes kernels of {wanted}")


def _places(extra: int, natural: Shape, shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Every choice of added axes that leaves the sizes the layer made."""
    if math.comb(len(shape), extra) > 1000:
        return
    for added in combinations(range(len(shape)), extra):
        rest = [size for axis, size in enumerate(shape) if axis not in added]
        if all(known is None or known == size for known, size in zip(natural, rest, strict=True)):
            yield added
