"""Any object of this package as dictionaries, lists, numbers and texts, for JSON and for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def plain(value: Any) -> Any:
    """What json.dumps takes: a dataclass is a dictionary with its class's name under "type", an array a list.

    Args:
        value: numbers, texts, arrays, tuples, mappings, dataclasses and whatever these are made of. A function is
            its name; so is anything else, in the words of `str`.

    Example:
        >>> plain({"a": np.arange(3), "b": (np.float64(0.5), None)})
        {'a': [0, 1, 2], 'b': [0.5, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        shown = (field.name for field in fields(value) if field.init)
        return {"type": type(value).__name__} | {name: plain(getattr(value, name)) for name in shown}
    return getattr(value, "__name__", None) or str(value)
