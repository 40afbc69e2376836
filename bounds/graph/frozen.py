"""Arrays that nobody may write to any more: what was computed from them is kept."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")


def frozen(found: T) -> T:
    """The same object, every array of NumPy in it unwritable.

    Args:
        found: arrays, tuples, lists and dictionaries of them, and dataclasses whose fields are such; anything else is
            left, the memory of a graph too: what is in it may lead back to the graph, and was frozen when it came in.

    Example:
        >>> a = frozen((np.zeros(2), {"b": [np.ones(3)]}))
        >>> a[0][0] = 1.0
        Traceback (most recent call last):
        ...
        ValueError: assignment destination is read-only
        >>> a[1]["b"][0].flags.writeable
        False
    """
    waiting: list[Any] = [found]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        if isinstance(part, np.ndarray):
            part.setflags(write=False)
        elif isinstance(part, tuple | list):
            waiting += part
        elif type(part) is dict:
            waiting += part.values()
        elif is_dataclass(part) and not isinstance(part, type):
            waiting += (getattr(part, field.name) for field in fields(part))
    return found
