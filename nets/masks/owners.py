"""What a parameter is, from the NNX module that owns it: a layer of Flax, or any module that says so itself.

A module of your own says what its parameters are by a method: `def layouts(self): return {"w": "in out"}`. It may name
parameters of its children too, as in "inner.w"; "stack* in out" allows for stacks in front, as of `nnx.vmap`.
"""

from collections.abc import Mapping
from typing import Any

from flax import nnx
from flax.nnx import bridge

from sparsebounds.nets.masks.flax_layers import gains_of, made_by, why_unknown
from sparsebounds.nets.masks.layout import Layout
from sparsebounds.nets.masks.names import POSITIONS, never_pruned, under_positions
from sparsebounds.nets.masks.stacks import places_of_stacks
from sparsebounds.nets.masks.tied import Holder, agreed, holders

Shapes = Mapping[str, tuple[int, ...]]
FRONT = "stack* "
OWN = (
    "{kind} is a module of its own: let it say so by a method layouts(), as in "
    'def layouts(self): return {{"{name}": "in out"}}'
)


def by_owner(model: nnx.Module) -> dict[str, Layout | None]:
    """The layout of every `nnx.Param` by path; None for those of Linen's modules under `nnx.bridge.ToNNX`.

    Raises:
        ValueError: a method `layouts()` that names what is no parameter.

    Example:
        >>> found = by_owner(nnx.LinearGeneral(8, (2, 4), rngs=nnx.Rngs(0)))
        >>> found["kernel"].axes, found["bias"].kind
        (('in', 'out', 'out'), 'bias')
    """
    shapes = {_name(path): tuple(leaf.shape) for path, leaf in nnx.to_flat_state(nnx.state(model, nnx.Param))}
    owned = owners(model)
    held = holders(model, owned)
    found = {}
    for path, places in held.items():
        found[path] = agreed(
            [(place, _of(path, place, module, name, owned, shapes), _is_own(module)) for place, module, name in places]
        )
    return found | _declared(model, owned, held, shapes)


def owners(model: nnx.Module) -> dict[str, tuple[Any, str]]:
    """The module that owns every `nnx.Param`, and the name of its attribute, by path.

    Example:
        >>> module, attribute = owners(nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0))))["layers.0.kernel"]
        >>> type(module).__name__, attribute
        ('Linear', 'kernel')
    """
    return {_name(path): _chain(model, path)[-1] for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param))}


def wrappers(model: nnx.Module, kinds: tuple[type, ...]) -> dict[str, Any]:
    """The innermost module of these kinds around a parameter, for those that have one, by path."""
    found = {}
    for path, _ in nnx.to_flat_state(nnx.state(model, nnx.Param)):
        if around := [module for module, _ in _chain(model, path)[:-1] if isinstance(module, kinds)]:
            found[_name(path)] = around[-1]
    return found


def _name(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def _chain(model: nnx.Module, path: tuple[Any, ...]) -> list[tuple[Any, str]]:
    """The modules on a path, containers aside, each with the name of the attribute that leads on."""
    here: Any = model
    chain = [(model, str(path[0]))]
    for key, following in zip(path, (*path[1:], ""), strict=True):
        keyed = isinstance(here, Mapping | list | tuple) or not isinstance(key, str) or not hasattr(here, key)
        here = here[key] if keyed else getattr(here, key)
        if isinstance(here, nnx.Module) and not isinstance(here, nnx.List | nnx.Dict):
            chain.append((here, str(following)))
    return chain


def _is_own(module: Any) -> bool:
    """Whether it is no layer of Flax, so that it says nothing of a parameter that a layer makes."""
    return not (made_by(module) or gains_of(module) or isinstance(module, bridge.ToNNX))


def _of(path: str, place: str, owner: Any, attribute: str, owned: Mapping[str, Any], shapes: Shapes) -> Layout | None:
    """As the layer of Flax makes it that holds it at this place; None for a module of Linen."""
    shape, made = shapes[path], made_by(owner)
    if isinstance(owner, bridge.ToNNX):
        return None
    if attribute in gains_of(owner) or (attribute == "bias" and (made or gains_of(owner))):
        return Layout("bias" if attribute == "bias" else "gain")
    if attribute == "kernel" and (reason := why_unknown(owner)):
        return Layout("unknown", reason=reason)
    if len(shape) <= 1 or attribute == "bias" or never_pruned(place):
        return Layout("bias" if attribute == "bias" else "gain")
    if under_positions(place):
        return Layout("unknown", reason=POSITIONS)
    if attribute not in made:
        return Layout("unknown", reason=OWN.format(kind=type(owner).__name__, name=attribute))
    return _stacked(path, owner, attribute, owned, shapes)


def _stacked(path: str, owner: Any, attribute: str, owned: Mapping[str, Any], shapes: Shapes) -> Layout:
    """The roles that the layer gave, and a stack for every axis that vmap or scan added, if sizes leave one place."""
    made, groups = made_by(owner), getattr(owner, "feature_group_count", 1)
    axes, sizes = made[attribute]
    shape, roles = shapes[path], tuple(axes)
    if len(shape) == len(roles):
        return Layout("kernel", roles, groups)
    beside = {name: other for other, (module, name) in owned.items() if module is owner and name in made}
    beside[attribute] = path
    places = places_of_stacks(
        attribute, {name: made[name][1] for name in beside}, {name: shapes[other] for name, other in beside.items()}
    )
    readings = [_with_stacks(roles, added, len(shape)) for added in places]
    if len(readings) == 1:
        return Layout("kernel", readings[0], groups)
    if readings:
        said = ", or ".join(repr(" ".join(reading)) for reading in readings)
        return Layout("unknown", reason=f"its sizes leave a choice where the stack is: {said}")
    wanted = " × ".join("any" if size is None else str(size) for size in sizes)
    return Layout("unknown", reason=f"{type(owner).__name__} makes kernels of {wanted}")


def _with_stacks(axes: tuple[str, ...], added: tuple[int, ...], count: int) -> tuple[str, ...]:
    rest = iter(axes)
    return tuple("stack" if axis in added else next(rest) for axis in range(count))


def _declared(
    model: nnx.Module, owned: Mapping[str, tuple[Any, str]], held: Mapping[str, list[Holder]], shapes: Shapes
) -> dict[str, Layout]:
    """What methods `layouts()` say; of two that name the same parameter the outer one's word counts."""
    modules = [(_name(path), module) for path, module in nnx.iter_modules(model) if hasattr(module, "layouts")]
    found: dict[str, Layout] = {}
    for scope, module in sorted(modules, key=lambda pair: -pair[0].count(".") - bool(pair[0])):
        if not callable(module.layouts):
            continue
        for key, text in module.layouts().items():
            full = f"{scope}.{key}" if scope else key
            named = [p for p in owned if p == full or (p.startswith(f"{full}.") and owned[p][0] is module)]
            named = named or [p for p, places in held.items() if any(place == full for place, *_ in places)]
            if not named and getattr(module, key, "") is not None:
                there = [p.removeprefix(f"{scope}.") for p in owned if not scope or p.startswith(f"{scope}.")]
                raise ValueError(f"{type(module).__name__}.layouts() names {key}, which is no parameter of "
                                 f"{scope or 'the model'}; those are {', '.join(there)}")  # fmt: skip
            found |= {path: _said(type(module).__name__, text, shapes[path]) for path in named}
    return found


def _said(kind: str, text: str, shape: tuple[int, ...]) -> Layout:
    layout = Layout.of(text.removeprefix(FRONT))
    extra = len(shape) - len(layout.axes)
    if layout.kind != "kernel" or not extra:
        return layout
    if extra > 0 and text.startswith(FRONT):
        return Layout("kernel", ("stack",) * extra + layout.axes, layout.groups)
    more = f'; if these are stacks in front, say "{FRONT}{text}"' if extra > 0 else ""
    return Layout("unknown", reason=f"{kind}.layouts() says {text!r}, which names {len(layout.axes)} axes{more}")
