"""The table of bounds as it prints itself: what matters first, and only the columns that fit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from sparsebounds.bounds.printed import in_column

FIRST = ("bound", "value", "guarantee", "verdict")
"""Columns that are always shown; the others follow in their order as long as they fit."""
LATE = ("capacity",)
"""Columns that are no part of a bound: shown after all others."""
LONG = ("source", "note")
"""Columns of sentences: in the frame, and not in what is printed."""
NOTEBOOK = ("bound", "value", "verdict", "guarantee", "margin_error", "complexity", "confidence", "gamma", "test_error",
            "note")  # fmt: skip
"""Columns that a notebook shows; the last is the reason where there is no number."""
COLOURS = {
    "informative": "color: #14673a; background-color: #e3f4ea",
    "vacuous": "color: #8a3d12; background-color: #fbeade",
    "not covered": "color: #4a5563",
}
"""Of the value and the verdict in a styled table; readable on their own ground, light or dark around it."""


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
        others = [name for name in plain.columns if name not in (*FIRST, *LONG)]
        for name in sorted(others, key=LATE.__contains__):
            shown.append(name)
            if _width(_text(plain[shown])) > width:
                return _text(plain[shown[:-1]])
        return _text(plain[shown])

    def _repr_html_(self) -> str:
        if not set(FIRST) <= set(self.columns):
            return str(super()._repr_html_())
        plain = _for_notebooks(self)
        with pd.option_context("display.max_colwidth", None):  # a reason is read to its end
            return str(plain.to_html(index=False, formatters=_formatters(plain), na_rep="–", border=0))

    def styled(self) -> Any:
        """The table for a notebook or a report: the smallest certificate first, coloured by verdict, no reason cut off.

        Returns:
            A `pandas.io.formats.style.Styler`: `to_html()`, `to_excel(…)`, or shown by a notebook; texts are escaped,
            upper bounds rounded up. Which columns: those of `NOTEBOOK` that the table has.

        Raises:
            ValueError: columns that say which bound, its value, guarantee or verdict were taken out.
            ModuleNotFoundError: jinja2 is not installed, which Styler needs; it is in the extra [page].

        Example:
            >>> row = {"bound": "a<b", "value": 0.12341, "guarantee": "certificate", "verdict": "informative"}
            >>> "a&lt;b" in BoundTable([row]).styled().to_html(), "0.1235" in BoundTable([row]).styled().to_html()
            (True, True)
        """
        lost = [name for name in FIRST if name not in self]
        if lost:
            raise ValueError(f"the table has lost the column {lost[0]!r}; style the one that bounds.table returned")
        plain = _for_notebooks(self)
        try:
            styler = plain.style
        except (ImportError, AttributeError) as missing:  # by the version of pandas
            raise ModuleNotFoundError(
                "a styled table needs jinja2, which is not installed: pip install 'sparsebounds[page]'", name="jinja2"
            ) from missing
        styler = styler.format(_formatters(plain), escape="html", na_rep="–").hide(axis="index")
        return styler.apply(_coloured, axis=1)


def _for_notebooks(frame: pd.DataFrame) -> pd.DataFrame:
    """What is covered first, certificates before the rest, the smallest first."""
    plain = pd.DataFrame(frame)
    rank = plain["guarantee"].ne("certificate").astype(int) + 2 * plain["value"].isna()
    order = np.lexsort((plain["value"], rank))
    return plain.iloc[order][[name for name in NOTEBOOK if name in plain]].reset_index(drop=True)


def _text(frame: pd.DataFrame) -> str:
    return frame.to_string(line_width=None, formatters=_formatters(frame), max_rows=None)


def _formatters(frame: pd.DataFrame) -> dict[str, Callable[[float], str]]:
    """Four digits, upper bounds rounded up; "NaN" where there is no number, as pandas says it."""
    numbers = (name for name in frame.columns if pd.api.types.is_float_dtype(frame[name]))
    return {name: partial(_number, name) for name in numbers}


def _number(name: str, value: float) -> str:
    return in_column(name, value) if value == value else "NaN"


def _width(text: str) -> int:
    return max(map(len, text.splitlines()))


def _coloured(row: pd.Series[str]) -> list[str]:
    return [COLOURS.get(str(row["verdict"]), "") if name in ("value", "verdict") else "" for name in row.index]
