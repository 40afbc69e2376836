"""All ways in which a kernel of Linen can be read: which layer made it, and whether a scan or vmap has stacked it."""

import re
from collections.abc import Iterator, Mapping

Arrays = Mapping[str, tuple[int, ...]]
Axes = tuple[str, ...]
Stack = tuple[tuple[int, int], ...]
"""Axes that scans have added, the outermost first, each with its size; () for none."""
_MADE = re.compile(r"(Dense|DenseGeneral|Conv|ConvTranspose|ConvLocal)_\d+")
_CONV, _OTHER = re.compile(r"(?i)conv"), re.compile(r"(?i)trans|deconv|up|local|lstm|gru|conv_?t(\W|_|\d|$)")
_ATTENTION = ("query", "key", "value", "out")


def readings(module: str, beside: Mapping[str, Arrays]) -> set[Axes]:
    """The roles that a module's kernel can have.

    What a scan stacks, it stacks together: where some reading of all modules of a scope agrees on the stack, only those
    are left.

    Args:
        module: its name.
        beside: the arrays of all modules in its scope, by module and name, its own among them.

    Example:
        >>> conv = {"kernel": (3, 3, 2, 4)}
        >>> len(readings("Conv_0", {"Conv_0": conv}))               # (3, 3) windows, or stacks of 3, 2 or 4 layers
        5
        >>> readings("Conv_0", {"Conv_0": conv, "BatchNorm_0": {"scale": (4,)}})
        {('window', 'window', 'in', 'out')}
    """
    own = beside[module]
    stacks = [stack for stack in _stacks(own["kernel"]) if _module_readings(module, own, stack)]
    others = {name: arrays for name, arrays in beside.items() if {"kernel", "scale", "embedding"} & arrays.keys()}
    if not module.startswith(("Vmap", "Scan")) and (_sure(module, own) or len(own["kernel"]) <= 4):
        agreed = [stack for stack in stacks if all(_agrees(name, arrays, stack) for name, arrays in others.items())]
        stacks = agreed or stacks
    return {axes for stack in stacks for axes in _module_readings(module, own, stack)}


def attention(module: str, beside: Mapping[str, Arrays]) -> set[Axes]:
    """The roles where a module is one of an attention's four, which fit each other; empty where it is not.

    Example:
        >>> four = {name: {"kernel": (3, 8, 2, 4)} for name in ("query", "key", "value")}
        >>> attention("out", {**four, "out": {"kernel": (3, 2, 4, 8)}})
        {('stack', 'in', 'in', 'out')}
    """
    if module not in _ATTENTION or any("kernel" not in beside.get(name, {}) for name in _ATTENTION):
        return set()
    axes = ("in", "in", "out") if module == "out" else ("in", "out", "out")
    stacks = (stack for stack in _stacks(beside["query"]["kernel"]) if len(stack) <= 1)
    return {_with_stack(axes, stack) for stack in stacks if _is_attention(beside, stack)}


def _is_attention(beside: Mapping[str, Arrays], stack: Stack) -> bool:
    found = [_without(beside[name]["kernel"], stack) for name in _ATTENTION]
    if any(shape is None or len(shape) != 3 for shape in found):
        return False
    query, key, value, out = (shape or () for shape in found)
    return query[1:] == key[1:] and query[1] == value[1] == out[0] and out[1] == value[2]


def _stacks(kernel: tuple[int, ...]) -> Iterator[Stack]:
    """No stack, one on any axis, or two in front."""
    yield ()
    if len(kernel) > 2:
        yield from (((axis, size),) for axis, size in enumerate(kernel))
    if len(kernel) > 3:
        yield ((0, kernel[0]), (0, kernel[1]))


def _without(shape: tuple[int, ...] | None, stack: Stack) -> tuple[int, ...] | None:
    """A shape without its stacks, or None where they are not there."""
    for axis, size in stack:
        if shape is None or axis >= len(shape) or shape[axis] != size:
            return None
        shape = (*shape[:axis], *shape[axis + 1 :])
    return shape


def _with_stack(axes: Axes, stack: Stack) -> Axes:
    for axis, _ in reversed(stack):
        axes = (*axes[:axis], "stack", *axes[axis:])
    return axes


def _agrees(name: str, arrays: Arrays, stack: Stack) -> bool:
    """Whether a module can have these stacks."""
    if "kernel" in arrays:
        return "einsum" in name.lower() or bool(_module_readings(name, arrays, stack))
    norm = "scale" in arrays
    shape = _without(arrays["scale" if norm else "embedding"], stack)
    return shape is not None and (len(shape) == 1 if norm else len(shape) == 2)


def _module_readings(name: str, arrays: Arrays, stack: Stack) -> set[Axes]:
    kernel, bias = _without(arrays["kernel"], stack), arrays.get("bias")
    one = None if bias is None else _without(bias, stack)
    if kernel is None or len(kernel) < 2 or (bias is not None and one is None):
        return set()
    return {_with_stack(axes, stack) for axes, wanted in _layer_readings(name, kernel) if one in (None, wanted)}


def _sure(name: str, arrays: Arrays) -> bool:
    return bool(_MADE.fullmatch(name)) or "bias" in arrays


def _layer_readings(name: str, kernel: tuple[int, ...]) -> Iterator[tuple[Axes, tuple[int, ...]]]:
    """Roles of an unstacked kernel, and the shape of the bias that goes with them."""
    made = _MADE.fullmatch(name)
    conv = _CONV.search(name) and not _OTHER.search(name)
    kinds = {made[1]} if made else {"Conv"} if conv else {"Dense", "DenseGeneral", "Conv", "ConvTranspose"}
    count = len(kernel)
    window = ("window",) * (count - 2)
    if count == 2 and kinds & {"Dense", "DenseGeneral"}:
        yield ("in", "out"), kernel[1:]
    if kinds & {"Conv", "ConvTranspose"} and count > 2:
        yield (*window, "in", "out"), kernel[-1:]
    if "ConvTranspose" in kinds and count > 2:
        yield (*window, "out", "in"), (kernel[-2],)
    if "ConvLocal" in kinds and count > 2:
        yield ("group",) * (count - 2) + ("in", "out"), (*kernel[:-2], kernel[-1])
    if made and made[1] == "DenseGeneral" and count > 2:  # batch_dims
        yield ("group",) * (count - 2) + ("in", "out"), (*kernel[:-2], kernel[-1])
    if "DenseGeneral" in kinds and count > 2:
        yield from ((("in",) * read + ("out",) * (count - read), kernel[read:]) for read in range(1, count))
