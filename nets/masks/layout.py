"""What a parameter array is: a kernel, with a role for every axis, or a gain or bias, which masks leave whole."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

ROLES = ("stack", "group", "window", "in", "out")
_GROUPS, _NORM = re.compile(r"groups=([1-9]\d*)"), re.compile(r"norm of (\w+)")


@dataclass(frozen=True)
class Layout:
    """What the axes of an array are.

    Roles of a kernel's axes: "stack" runs over layers that `nnx.vmap` or a scan keeps in one array; "group" over
    parts of one layer that read and write units of their own; "window" over places of a convolution's window; "in" over
    the units that are read and "out" over those that are written, one axis or several (heads).

    Args:
        kind: "kernel", "gain", "bias" or "unknown".
        axes: a role for every axis of a kernel; () otherwise.
        groups: of a grouped convolution, whose kernel has in = channels/groups; 0 where nothing says how many.
        norm_of: of the gain g of a weight normalisation g·v/‖v‖, the name of the v beside it.
        reason: why it is not known.

    Example:
        >>> Layout.of("in out out").along("out")
        (1, 2)
    """

    kind: str
    axes: tuple[str, ...] = ()
    groups: int = 1
    norm_of: str = ""
    reason: str = ""

    @classmethod
    def of(cls, text: str) -> "Layout":
        """From words: a role for every axis of a kernel, or "gain", "bias", or "norm of v".

        A grouped convolution ends with its number of groups, as in "window in out groups=4".

        Raises:
            ValueError: a word that is no role, or a kernel that reads or writes nothing.

        Example:
            >>> Layout.of("window in out groups=4").groups, Layout.of("norm of v").kind
            (4, 'gain')
        """
        if text in ("gain", "bias"):
            return cls(text)
        if named := _NORM.fullmatch(text):
            return cls("gain", norm_of=named[1])
        *words, last = text.split() or [""]
        counted = _GROUPS.fullmatch(last)
        axes = tuple(words) if counted else (*words, last)
        if wrong := [axis for axis in axes if axis not in ROLES]:
            raise ValueError(f"{wrong[0]!r} in the layout {text!r} is no role; choose from {', '.join(ROLES)}, or give "
                             '"gain", "bias" or "norm of v" alone')  # fmt: skip
        if "in" not in axes or "out" not in axes:
            raise ValueError(f"the layout {text!r} lacks an axis that is read or written; need one in, one out")
        return cls("kernel", axes, int(counted[1]) if counted else 1)

    def along(self, *roles: str) -> tuple[int, ...]:
        """The axes with one of these roles, in order."""
        return tuple(place for place, role in enumerate(self.axes) if role in roles)

    def one(self) -> "Layout":
        """The same without stacks: of one of the layers in the array."""
        return replace(self, axes=tuple(role for role in self.axes if role != "stack"))

    def sizes(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Of one group of one layer: every size of the window, the number of units read, and of units written.

        Example:
            >>> Layout.of("window window in out").sizes((3, 3, 8, 16)), Layout.of("in out out").sizes((8, 2, 4))
            ((3, 3, 8, 16), (8, 8))
        """
        window, read, written = (tuple(shape[axis] for axis in self.along(role)) for role in ("window", "in", "out"))
        return (*window, math.prod(read), math.prod(written))


Layouts = Mapping[str, Layout]


def tables(kernel: Any, layout: Layout) -> Any:
    """A kernel as matrices (stacks and groups, inputs, outputs), inputs in the order in which it stores them.

    Example:
        >>> tables(np.zeros((3, 3, 8, 16)), Layout.of("window window in out")).shape
        (1, 72, 16)
    """
    order = _order(layout)
    shape = [kernel.shape[axis] for axis in order]
    parts, read = len(layout.along("stack", "group")), len(layout.along("window", "in"))
    sizes = shape[:parts], shape[parts : parts + read], shape[parts + read :]
    return kernel.transpose(order).reshape([math.prod(size) for size in sizes])


def from_tables(matrices: Any, shape: tuple[int, ...], layout: Layout) -> Any:
    """The inverse of `tables`.

    Example:
        >>> layout, kernel = Layout.of("out in out"), np.arange(24).reshape(2, 3, 4)
        >>> bool((from_tables(tables(kernel, layout), kernel.shape, layout) == kernel).all())
        True
    """
    order = _order(layout)
    return matrices.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))


def _order(layout: Layout) -> tuple[int, ...]:
    return (*layout.along("stack", "group"), *layout.along("window", "in"), *layout.along("out"))
