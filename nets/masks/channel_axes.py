"""Where the channels that a network declares lie in its arrays, and whether they can be removed there."""

from collections.abc import Iterable, Mapping

from sparsebounds.nets.masks.kernel_paths import unknown
from sparsebounds.nets.masks.layout import Layout, Layouts
from sparsebounds.nets.models.channels import Channels


def channel_axis(layout: Layout, axes: int) -> int:
    """The axis of an array with so many axes that runs over the channels it owns: a kernel's outputs, else the last.

    Example:
        >>> channel_axis(Layout.of("window window out in"), 4), channel_axis(Layout("bias"), 1)
        (2, 0)
    """
    return layout.along("out")[0] if layout.kind == "kernel" else axes - 1


def check_channels(groups: Iterable[Channels], layouts: Layouts, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """What is declared of removable channels fits the arrays.

    Raises:
        ValueError: a declared array that is not there, is stacked, has its channels on several axes or in groups, or
            has another number of them; the message names its path.
    """
    for group in groups:
        if group.skip is not None:
            continue
        for path in (*group.own, group.reader):
            if path not in shapes:
                raise ValueError(f"the channels of {group.layer} name {path}, which is no parameter")
            if layouts[path].kind == "unknown":
                raise ValueError(unknown(path, shapes[path], layouts[path]))
        for path in group.own:
            _check_own(group, path, layouts[path], shapes[path])
        _check_reader(group, layouts[group.reader], shapes[group.reader])


def _check_own(group: Channels, path: str, layout: Layout, shape: tuple[int, ...]) -> None:
    if layout.kind == "kernel" and (layout.along("stack", "group") or layout.groups > 1):
        raise ValueError(f"the channels of {group.layer} cannot be removed: {path} holds a stack or groups of them")
    if layout.kind == "kernel" and len(layout.along("out")) > 1:
        raise ValueError(f"the channels of {group.layer} cannot be removed: those of {path} lie on several axes")
    if not shape or (found := shape[channel_axis(layout, len(shape))]) != group.count:
        raise ValueError(f"{group.layer} declares {group.count} channels, {path} has {found if shape else 'none'}")


def _check_reader(group: Channels, layout: Layout, shape: tuple[int, ...]) -> None:
    fits = group.axis in layout.along("in") and shape[group.axis] == group.repeat * group.count
    if layout.groups > 1 or layout.along("stack", "group"):
        raise ValueError(f"the channels of {group.layer} cannot be removed: {group.reader} reads them in groups")
    if not fits:
        raise ValueError(
            f"the channels of {group.layer} are said to be read by axis {group.axis} of {group.reader}, which has the "
            f"axes {' '.join(layout.axes)} of shape {shape}; need {group.repeat * group.count} units that are read"
        )
