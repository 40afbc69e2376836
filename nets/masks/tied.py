"""Parameters that several modules hold: all their places, and what they are where the modules agree."""

from collections.abc import Mapping, Sequence
from typing import Any

from flax import nnx

from sparsebounds.nets.masks.layout import Layout

Holder = tuple[str, Any, str]
"""A path, the module it ends in, and the name of the attribute there."""


def holders(model: nnx.Module, owned: Mapping[str, tuple[Any, str]]) -> dict[str, list[Holder]]:
    """Every module that keeps a parameter as an attribute of its own, by the parameter's path, its owner first.

    Args:
        model: the network.
        owned: path → module and attribute, of every parameter once, as NNX counts them.

    Example:
        >>> first, second = (nnx.Linear(2, 2, use_bias=False, rngs=nnx.Rngs(0)) for _ in "ab")
        >>> second.kernel = first.kernel
        >>> net = nnx.Sequential(first, second)
        >>> [path for path, *_ in holders(net, {"layers.0.kernel": (first, "kernel")})["layers.0.kernel"]]
        ['layers.0.kernel', 'layers.1.kernel']
    """
    found: dict[str, list[Holder]] = {path: [(path, *owner)] for path, owner in owned.items()}
    places = {id(vars(module).get(name)): path for path, (module, name) in owned.items() if name in vars(module)}
    for above, module in nnx.iter_modules(model):
        for name, value in vars(module).items():
            path = places.get(id(value), "") if isinstance(value, nnx.Variable) else ""
            if path and not (owned[path][0] is module and owned[path][1] == name):
                found[path].append((".".join(map(str, (*above, name))), module, name))
    return found


def agreed(readings: Sequence[tuple[str, Layout | None, bool]]) -> Layout | None:
    """What a parameter is that modules read so.

    Args:
        readings: of every holder its path, what is said of it there, and whether this is a module of its own, which is
            asked only where no layer of Flax speaks.

    Returns:
        What all that speak say; unknown where they differ.

    Example:
        >>> first, second = Layout.of("in out"), Layout.of("out in")
        >>> agreed([("a.w", first, False), ("b.w", second, False)]).reason
        "layers share it that read it differently: a.w as 'in out', b.w as 'out in'"
    """
    speaking = [(path, said) for path, said, own in readings if not own] or [readings[0][:2]]
    first = speaking[0][1]
    unknown = next((said for _, said in speaking if said is not None and said.kind == "unknown"), None)
    if unknown is not None or first is None or all(said == first for _, said in speaking):
        return unknown or first
    words = ", ".join(f"{path} as {_words(said)!r}" for path, said in speaking)
    return Layout("unknown", reason=f"layers share it that read it differently: {words}")


def _words(said: Layout | None) -> str:
    return " ".join(said.axes) or said.kind if said else "a module of Linen"
