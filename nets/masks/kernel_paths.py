"""Which parameters of a model are kernels, and what their axes are: from its modules, from names, or from the user."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax import nnx

from sparsebounds.nets.masks.layout import Layout, Layouts
from sparsebounds.nets.masks.names import by_name
from sparsebounds.nets.masks.owners import by_owner
from sparsebounds.nets.masks.trees import leaves, parameters

Given = nnx.Module | Mapping[str, str | Layout] | None
"""What a caller says of axes: the module whose parameters or masks these are, or path → words as of `Layout.of`."""
Select = Callable[[str, Any], bool]


def layouts(tree: Any, layout: Given = None) -> dict[str, Layout]:
    """What every parameter is: a kernel with the roles of its axes, a gain, a bias, or unknown.

    Args:
        tree: an `nnx.Module`, whose layers say what they own; an `nnx.State` or dict of parameters or masks, of which
            only names and shapes are known.
        layout: the module that a dict belongs to, or path → roles, as in {"w": "in out", "table": "gain"}; also
            "window in out groups=4", and for weight normalisation g·v/‖v‖ {"v": "in out", "g": "norm of v"}.

    Returns:
        path → Layout.

    Raises:
        ValueError: a path in `layout` that is no parameter, words that do not fit its axes, a module that does not have
            all parameters of the tree, or whose method `layouts()` names what is none.

    Example:
        >>> found = layouts(nnx.Linear(3, 2, rngs=nnx.Rngs(0)))
        >>> found["kernel"].axes, found["bias"].kind
        (('in', 'out'), 'bias')
    """
    shapes = {path: tuple(np.shape(leaf)) for path, leaf in leaves(parameters(tree)).items()}
    found: dict[str, Layout] = by_name(shapes)
    for module in (tree, layout):
        if isinstance(module, nnx.Module):
            _check_owned(module, shapes)
            found |= {path: own for path, own in by_owner(module).items() if own is not None and path in shapes}
    if layout is not None and not isinstance(layout, nnx.Module):
        found |= {path: _given(path, said, shapes) for path, said in layout.items()}
    return found


def _check_owned(module: nnx.Module, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """All that is described belongs to the module."""
    owned = {path: tuple(np.shape(leaf)) for path, leaf in leaves(parameters(module)).items()}
    for path, shape in shapes.items():
        if path not in owned:
            raise ValueError(f"{type(module).__name__} has no parameter {path}, those are {', '.join(owned)}; give the "
                             "whole tree, or as layout= the very module that it belongs to")  # fmt: skip
        if shape != owned[path]:
            raise ValueError(f"{path} has shape {shape}, and {owned[path]} in the {type(module).__name__} given for it")


def _given(path: str, said: str | Layout, shapes: Mapping[str, tuple[int, ...]]) -> Layout:
    if path not in shapes:
        raise ValueError(f"layout names {path}, which is no parameter; those are {', '.join(shapes)}")
    own = said if isinstance(said, Layout) else Layout.of(said)
    if own.kind == "kernel" and len(own.axes) != len(shapes[path]):
        raise ValueError(f"the layout of {path} names {len(own.axes)} axes, its shape is {shapes[path]}")
    return own


def kernels(tree: Any, layout: Given = None, *, select: Select | None = None) -> dict[str, Layout]:
    """The kernels among the parameters, by path in the tree's order: what masks thin out.

    Args:
        tree, layout: as for `layouts`.
        select: (path, array) -> whether it counts; None: all kernels.

    Raises:
        ValueError: an array of two axes or more of which nothing says what they are, or a selected one that is no
            kernel; the message names its path.

    Example:
        >>> kernels({"w": np.ones((3, 2))}, {"w": "in out"})["w"].axes
        ('in', 'out')
    """
    found, arrays = layouts(tree, layout), leaves(parameters(tree))
    chosen = {path: found[path] for path, leaf in arrays.items() if select is None or select(path, leaf)}
    for path, own in chosen.items():
        if own.kind == "unknown":
            raise ValueError(unknown(path, tuple(np.shape(arrays[path])), own))
        if select is not None and own.kind != "kernel":
            raise ValueError(f"{path} is selected and is a {own.kind}, no kernel; give its axes as layout={{'{path}': "
                             "'in out'}")  # fmt: skip
    return {path: own for path, own in chosen.items() if own.kind == "kernel"}


def unknown(path: str, shape: tuple[int, ...], own: Layout) -> str:
    """Why an array is refused, and what to do."""
    return (
        f"{path} has shape {shape} and nothing says what its axes are ({own.reason}); give the nnx.Module that owns "
        f"it (beside masks: layout=model), or layout={{'{path}': '…'}} with a role for every axis (stack, group, "
        "window, in, out), or 'gain' for what is never pruned"
    )


def check_known(tree: Any, layout: Given = None) -> Layouts:
    """The kernels, as `kernels`, of which there is at least one.

    Raises:
        ValueError: as `kernels`, or there are none.
    """
    if not (found := kernels(tree, layout)):
        raise ValueError("the model has no weights to prune: none of its parameters is a kernel")
    return found
