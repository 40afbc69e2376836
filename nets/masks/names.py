"""What a parameter is where only names and shapes are known: Linen's trees, or a state without its modules.

Names that Flax gives by itself (`kernel`, `scale`, `Conv_0`) say what made an array; its bias, and what lies beside it,
whether it is a stack (`readings`). What two readings fit is unknown: a guess would be a wrong mask.
"""

import re
from collections.abc import Mapping

from sparsebounds.nets.masks.layout import Layout
from sparsebounds.nets.masks.readings import Arrays, Axes, attention, readings

Shapes = Mapping[str, tuple[int, ...]]
_POSITION = re.compile(
    r"(?i)^((abs|rel|learned)_?)?pos\d*$|^(abs|rel)_?pos_|^wpe$"
    r"|(^|_)position(al|s)?(_?\d+)?$|(^|_)(pos|position(al|s)?)_?(emb|enc|bias|tab|\d|_?param)"
)
_PERHAPS = re.compile(r"(?i)(^|_)(abs|rel)?_?pos(ition(al|s)?)?(_|$|emb|enc|\d)")
_TOKEN = re.compile(r"(?i)^(cls|class|mask|register|dist)_tokens?$")
_SCALE = re.compile(r"(?i)^layer_?scale(_?\d+)?$")
POSITIONS = "its module may be one of positions and this their table: say 'gain', or 'in out' for a kernel"
_LOCAL = re.compile(r"local\d+")


def by_name(shapes: Shapes) -> dict[str, Layout]:
    """The layout of every parameter of a nested dict, by path.

    A convolution's groups are not in its shape: `groups` is 0 then.

    Args:
        shapes: by path, as in `block.conv.kernel`.

    Example:
        >>> by_name({"query.kernel": (8, 2, 4), "query.bias": (2, 4)})["query.kernel"].axes
        ('in', 'out', 'out')
        >>> by_name({"dense.kernel": (3, 6, 6), "dense.bias": (3, 6)})["dense.kernel"].axes
        ('stack', 'in', 'out')
        >>> by_name({"Dense_0.kernel": (3, 6, 6)})["Dense_0.kernel"].reason
        "it may be 'in out stack', 'in stack out', 'stack in out'"
    """
    scopes: dict[str, dict[str, tuple[int, ...]]] = {}
    for path, shape in shapes.items():
        parent, _, name = path.rpartition(".")
        scopes.setdefault(parent, {})[name] = shape
    return {path: _of(path, scopes) for path in shapes}


def never_pruned(path: str) -> bool:
    """Whether names say that an array is a table of positions, a learned token or a layer scale.

    Example:
        >>> never_pruned("wpe.embedding"), never_pruned("pos_embedding"), never_pruned("position_net.kernel")
        (True, True, False)
    """
    return is_shift(path) or bool(_SCALE.search(path.rpartition(".")[2]))


def is_shift(path: str) -> bool:
    """Whether names say that an array is added: a table of positions or a learned token.

    Example:
        >>> is_shift("net.cls_token"), is_shift("layer_scale")
        (True, False)
    """
    *above, name = path.split(".")
    found = _TOKEN.search(name) or _POSITION.search(name)
    return bool(found or (name == "embedding" and _POSITION.search(_last(above))))


def under_positions(path: str) -> bool:
    """Whether an `embedding` lies below a module whose name may speak of positions, so that it may be their table.

    Example:
        >>> under_positions("pos_tagger.words.embedding"), under_positions("words.embedding")
        (True, False)
    """
    *above, name = path.split(".")
    return name == "embedding" and not is_shift(path) and any(_PERHAPS.search(one) for one in above)


def _last(above: list[str]) -> str:
    """The innermost module with a name; a list has numbers."""
    return next((one for one in reversed(above) if not one.isdigit()), "")


def _of(path: str, scopes: Mapping[str, Arrays]) -> Layout:
    parent, _, name = path.rpartition(".")
    own = scopes[parent]
    shape = own[name]
    if name == "bias":
        return Layout("bias")
    if name == "g" and (pair := _pair(own)):
        return Layout("gain", norm_of="v", reason=pair)
    if len(shape) <= 1 or never_pruned(path) or (name == "scale" and own.keys() <= {"scale", "bias"}):
        return Layout("gain")
    if name == "v" and _pair(own):
        return Layout("kernel", ("window",) * (len(shape) - 2) + ("in", "out"))
    if under_positions(path):
        return Layout("unknown", reason=POSITIONS)
    if name in ("embedding", "lora_a", "lora_b") and len(shape) == 2:
        return Layout("kernel", ("in", "out"))
    if _is_local(parent, name, shape):
        return Layout("kernel", ("group", "window", "in", "out"))
    return _kernel(parent, scopes) if name == "kernel" else Layout("unknown", reason="its name is none of Flax's")


def _pair(own: Arrays) -> str:
    """Why v beside g may be a weight normalisation, of a dense layer or one of this package; "" if it cannot."""
    if not {"v", "g"} <= own.keys() or len(own["v"]) not in (2, 4) or own["g"] not in ((), own["v"][-1:]):
        return ""
    return "beside v it may be the g of a weight normalisation g·v/‖v‖, or a gain"


def _is_local(parent: str, name: str, shape: tuple[int, ...]) -> bool:
    """Whether it is of `nets.LocalNet`: block3 of local1 holds the nodes that read 3 others."""
    local = _LOCAL.fullmatch(parent.rpartition(".")[2])
    return bool(local) and len(shape) == 4 and name == f"block{shape[1]}"


def _kernel(parent: str, scopes: Mapping[str, Arrays]) -> Layout:
    scope, _, module = parent.rpartition(".")
    if "einsum" in module.lower():
        return Layout("unknown", reason="its equation is not among the parameters")
    if len(scopes[parent]["kernel"]) == 2:
        return Layout("kernel", ("in", "out"))
    beside = {module: scopes[parent]} | {
        name.rpartition(".")[2]: own for name, own in scopes.items() if _is_child(name, scope)
    }
    found: set[Axes] = attention(module, beside) or readings(module, beside)
    if len(found) == 1:
        axes = found.pop()
        return Layout("kernel", axes, groups=0 if "window" in axes else 1)
    if not found:
        return Layout("unknown", reason=f"no layer of Flax makes it beside a bias of {scopes[parent].get('bias')}")
    said = ", ".join(sorted(repr(" ".join(axes)) for axes in found))
    return Layout("unknown", reason=f"it may be {said}")


def _is_child(name: str, scope: str) -> bool:
    return bool(name) and name.rpartition(".")[0] == scope
