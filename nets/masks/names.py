"""Roles of axes where only names and shapes are known: Linen's parameters, or a state without its modules.

A kernel of two axes is (in, out). With more axes its bias tells: a bias has the stacks and the outputs of its kernel.
Where that leaves a choice, the layers beside it show whether they are stacked, and names that Linen gives by itself
(`Conv_0`, `query`) what they are. What is left after that is unknown: a guess would be a wrong mask.
"""

import re
from collections.abc import Iterator, Mapping

from sparsebounds.nets.masks.layout import Layout

Shapes = Mapping[str, tuple[int, ...]]
_GAINS = re.compile(
    r"(?i)(^|[_/])(scales?|gains?|gamma|beta|g|temperature|slope|alpha|cls|(cls|class|mask|register)_tokens?|ls\d*)(_?\d+)?$"
    r"|pos(ition(al)?)?_?(emb|enc)"
)
_CONVOLUTION, _TRANSPOSED = re.compile(r"(?i)conv"), re.compile(r"(?i)transpose|deconv")
_LOCAL, _EINSUM = re.compile(r"(?i)local"), re.compile(r"(?i)einsum")


def by_name(shapes: Shapes) -> dict[str, Layout]:
    """The layout of every parameter of a nested dict, by path.

    Args:
        shapes: by path, as in `block.conv.kernel`.

    Example:
        >>> by_name({"query.kernel": (8, 2, 4), "query.bias": (2, 4)})["query.kernel"].axes
        ('in', 'out', 'out')
        >>> by_name({"dense.kernel": (3, 6, 6), "dense.bias": (3, 6)})["dense.kernel"].axes
        ('stack', 'in', 'out')
        >>> by_name({"a.kernel": (3, 6, 6)})["a.kernel"].reason
        'several layers make a kernel of this shape, and no bias tells which'
    """
    scopes: dict[str, dict[str, tuple[int, ...]]] = {}
    for path, shape in shapes.items():
        parent, _, name = path.rpartition(".")
        scopes.setdefault(parent, {})[name] = shape
    depths = {parent: depth for parent, own in scopes.items() if (depth := _own_depth(parent, own)) is not None}
    found = {}
    for path in shapes:
        parent, _, name = path.rpartition(".")
        found[path] = _of(parent, name, scopes, depths)
    return found


def _of(parent: str, name: str, scopes: Mapping[str, Shapes], depths: Mapping[str, int]) -> Layout:
    own = scopes[parent]
    shape = own[name]
    if name == "bias":
        return Layout("bias")
    if len(shape) <= 1 or _GAINS.search(name):
        return Layout("gain")
    if name == "v" and "g" in own:  # this package's weight normalisation, `nets.models.weight_norm`
        return Layout("kernel", ("window",) * (len(shape) - 2) + ("in", "out"))
    if re.fullmatch(r"block\d+", name) and len(shape) == 4:  # of `nets.LocalNet`
        return Layout("kernel", ("group", "window", "in", "out"))
    if name in ("embedding", "lora_a", "lora_b"):
        return Layout("kernel", ("stack",) * (len(shape) - 2) + ("in", "out"))
    if name != "kernel":
        return Layout("unknown", reason="its name is none of Flax's")
    return _kernel(parent, shape, own.get("bias"), scopes, depths)


def _kernel(
    parent: str, shape: tuple[int, ...], bias: tuple[int, ...] | None, scopes: Mapping[str, Shapes],
    depths: Mapping[str, int],
) -> Layout:  # fmt: skip
    module = parent.rsplit(".", 1)[-1]
    if _EINSUM.search(module):
        return Layout("unknown", reason="its equation is not among the parameters")
    if len(shape) == 2:
        return Layout("kernel", ("in", "out"))
    if bias is not None:
        choices = list(_readings(parent, shape, bias))
        if len(choices) > 1 and (depth := _depth_nearby(parent, depths)) is not None:
            choices = [axes for axes in choices if axes.count("stack") == depth]
        if len(choices) == 1:  # a convolution that shares no weights has a kernel for every place, in one layer
            one = ("group" if role == "stack" and _LOCAL.search(module) else role for role in choices[0])
            return Layout("kernel", tuple(one))
        return Layout("unknown", reason=f"its bias of shape {bias} fits {'several layers' if choices else 'none'}")
    if (depth := depths.get(parent, _depth_nearby(parent, depths))) is not None:
        if axes := _by_module_name(parent, len(shape) - depth, scopes):
            return Layout("kernel", ("stack",) * depth + axes)
    return Layout("unknown", reason="several layers make a kernel of this shape, and no bias tells which")


def _readings(parent: str, shape: tuple[int, ...], bias: tuple[int, ...]) -> Iterator[tuple[str, ...]]:
    """All ways to read a kernel whose bias has its stacks and its outputs."""
    module = parent.rsplit(".", 1)[-1]
    for stacks in range(len(bias)):
        outs = len(bias) - stacks
        middle = len(shape) - len(bias)
        front = ("stack",) * stacks
        if bias[:stacks] != shape[:stacks] or middle < 1:
            continue
        several_in = module == "out" or outs > 1
        if bias[stacks:] == shape[len(shape) - outs :]:
            read = ("in",) * middle if several_in else ("window",) * (middle - 1) + ("in",)
            yield front + read + ("out",) * outs
        # A transposed convolution may store (window, out, in); with as many inputs as outputs only its name tells.
        transposed = outs == 1 and middle > 1 and bias[-1] == shape[-2]
        if transposed and (_TRANSPOSED.search(module) or shape[-2] != shape[-1]):
            yield front + ("window",) * (middle - 1) + ("out", "in")


def _own_depth(parent: str, own: Shapes) -> int | None:
    """How many stacks a module's own arrays show: of a norm by its scale, of a layer by its bias."""
    if "kernel" not in own and "scale" in own:
        return max(len(own["scale"]) - 1, 0)
    if "embedding" in own:
        return max(len(own["embedding"]) - 2, 0)
    if "kernel" in own and len(own["kernel"]) == 2:
        return 0
    if "kernel" in own and "bias" in own:
        depths = {axes.count("stack") for axes in _readings(parent, own["kernel"], own["bias"])}
        return depths.pop() if len(depths) == 1 else None
    return None


def _depth_nearby(parent: str, depths: Mapping[str, int]) -> int | None:
    """How many stacks the layers beside a module have, if all in the nearest scope that shows any agree."""
    scope = parent
    while scope:
        scope = scope.rpartition(".")[0]
        inside = f"{scope}." if scope else ""
        if near := {depth for other, depth in depths.items() if other != parent and other.startswith(inside)}:
            return near.pop() if len(near) == 1 else None
    return None


def _by_module_name(parent: str, axes: int, scopes: Mapping[str, Shapes]) -> tuple[str, ...] | None:
    """Roles of a kernel without stacks from its module's name, or None."""
    scope, _, module = parent.rpartition(".")
    attention = {f"{scope}.{name}".lstrip(".") for name in ("query", "key", "value", "out")}
    if axes == 2:
        return ("in", "out")
    if attention <= scopes.keys() and parent in attention:
        return ("in",) * (axes - 1) + ("out",) if module == "out" else ("in",) + ("out",) * (axes - 1)
    if axes > 2 and _CONVOLUTION.search(module) and not _TRANSPOSED.search(module):
        return ("window",) * (axes - 2) + ("in", "out")
    return None
