"""The table of bounds as it prints itself: what matters first, and only the columns that fit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable

import pandas as pd

FIRST = ("bound", "value", "guarantee", "verdict")
"""Columns that are always shown; the others follow in their order as long as they fit."""
LONG = ("source", "note")
"""Columns of sentences: in the frame, and not in what is printed."""


class BoundTable(pd.DataFrame):
    """A DataFrame whose rows are bounds. It prints bound, value, guarantee and verdict, and what fits beside them.

    Example:
        >>> row = {"bound": "golowich", "value": 1.0413, "guarantee": "certificate", "verdict": "vacuous", "note": ""}
        >>> BoundTable([row])
              bound  value   guarantee verdict
        0  golowich  1.042 certificate vacuous
    """

    @property
    def _constructor(self) -> Callable[..., BoundTable]:
        return BoundTable

    def __repr__(self) -> str:
        if not set(FIRST) <= set(self.columns):
            return super().__repr__()
        width = shutil.get_terminal_size().columns
        plain = pd.DataFrame(self)
        shown = list(FIRST)
        for name in plain.columns:
            if name not in (*FIRST, *LONG):
                shown.append(name)
                if _width(_text(plain[shown])) > width:
                    return _text(plain[shown[:-1]])
        return _text(plain[shown])


def _text(frame: pd.DataFrame) -> str:
    formats = {"value": _upwards}
    return frame.to_string(line_width=None, float_format=lambda x: f"{x:.4g}", formatters=formats, max_rows=None)


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


def _upwards(value: float) -> str:
    """Four digits, never below the value."""
    if not math.isfinite(value) or value == 0:
        return "NaN" if value != value else f"{value:g}"
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    return f"{math.ceil(value / step - 1e-9) * step:.4g}"
