"""Tables of bounds as CSV and as LaTeX: bounds are rounded upwards, whatever the number of digits."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds.bounds.printed import in_column

LATEX_COLUMNS = ("network", "bound", "value", "margin_error", "complexity", "confidence", "gamma", "guarantee")
HEADS = {"margin_error": "margin", "gamma": r"$\gamma$", "train_error": "train error", "test_error": "test error"}
ESCAPES = {
    **{c: rf"\{c}" for c in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"γ": r"$\gamma$", "δ": r"$\delta$", "∞": r"$\infty$", "√": r"$\surd$", "×": r"$\times$", "·": r"$\cdot$"},
    **{"≤": r"$\le$", "≥": r"$\ge$", "−": r"$-$", "–": "--", "<": r"\textless{}", ">": r"\textgreater{}", "\n": " "},
}


def to_csv(table: pd.DataFrame, path: str | os.PathLike[str] | None = None, *, digits: int = 6) -> str:
    """A table of bounds as CSV, every upper bound rounded up.

    Args:
        table: of `bounds.table`, or any table with such columns.
        path: a file to write; None: only return the text.
        digits: significant digits of every number.

    Returns:
        The text, UTF-8 where it is written; an empty cell where there is no number, inf where there is no bound.

    Example:
        >>> frame = pd.DataFrame({"bound": ["occam"], "value": [0.12345678], "test_error": [0.0]})
        >>> print(to_csv(frame, digits=3), end="")
        bound,value,test_error
        occam,0.124,0
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(table.columns)
    for row in table.to_dict(orient="records"):
        writer.writerow([_csv_cell(str(name), value, digits) for name, value in row.items()])
    return _written(buffer.getvalue(), path)


def to_latex(
    table: pd.DataFrame,
    path: str | os.PathLike[str] | None = None,
    *,
    columns: Iterable[str] | None = None,
    digits: int = 4,
    caption: str = "",
) -> str:
    r"""A table of bounds as LaTeX for the package booktabs, every upper bound rounded up.

    Args:
        table: of `bounds.table`, or any table with such columns.
        path: a file to write; None: only return the text.
        columns: which, in this order; None: bound, value, its three parts, γ and the guarantee.
        digits: significant digits of every number.
        caption: if given, the table floats and has this caption.

    Returns:
        A `tabular`, or a `table` around it; network by network, the smallest value first; rows without a number are
        left out and named in a comment.

    Raises:
        ValueError: a column that the table does not have.

    Example:
        >>> frame = pd.DataFrame({"bound": ["path_norm"], "value": [1.00001], "guarantee": ["certificate"]})
        >>> print(to_latex(frame))
        \begin{tabular}{lrl}
          \toprule
          bound & value & guarantee \\
          \midrule
          path\_norm & 1.001 & certificate \\
          \bottomrule
        \end{tabular}
    """
    chosen = [name for name in LATEX_COLUMNS if name in table] if columns is None else list(columns)
    missing = [name for name in chosen if name not in table]
    if missing:
        raise ValueError(f"the table has no column {missing[0]!r}; it has {', '.join(map(str, table.columns))}")
    rows = table
    left_out: list[str] = []
    if "value" in table:
        rows = table[table["value"].notna()].sort_values("value", kind="stable")
        if "network" in table:
            places = {name: place for place, name in enumerate(table["network"].unique())}
            rows = rows.sort_values("network", kind="stable", key=lambda names: names.map(places))
        left_out = table.loc[table["value"].isna(), "bound"].tolist() if "bound" in table else []
    kinds = "".join("r" if pd.api.types.is_numeric_dtype(table[name]) else "l" for name in chosen)
    lines = [rf"\begin{{tabular}}{{{kinds}}}", r"  \toprule"]
    lines += [_latex_row(HEADS.get(name) or escaped(name) for name in chosen), r"  \midrule"]
    cells = [row[name] for row in rows.to_dict(orient="records") for name in chosen]
    shown = [_latex_cell(name, value, digits) for name, value in zip(chosen * len(rows), cells, strict=True)]
    lines += [_latex_row(shown[i : i + len(chosen)]) for i in range(0, len(shown), len(chosen))]
    lines += [r"  \bottomrule", r"\end{tabular}"]
    lines += [f"% no number: {' '.join(', '.join(map(str, left_out)).split())}"] if left_out else []
    if caption:
        lines = [r"\begin{table}", r"\centering", rf"\caption{{{escaped(caption)}}}", *lines, r"\end{table}"]
    text = "\n".join(lines)
    return _written(text + "\n", path)[:-1]


def escaped(text: str) -> str:
    r"""Text with all characters that mean something to LaTeX escaped.

    Example:
        >>> escaped("50 % of a_b")
        '50 \\% of a\\_b'
    """
    return "".join(ESCAPES.get(character, character) for character in str(text))


def _csv_cell(name: str, value: Any, digits: int) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return repr(value) if math.isinf(value) else in_column(name, value, digits)
    return str(value)


def _latex_cell(name: str, value: Any, digits: int) -> str:
    return escaped(in_column(name, value, digits) if isinstance(value, float) else str(value))


def _latex_row(cells: Iterable[str]) -> str:
    return f"  {' & '.join(cells)} \\\\"


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        Path(path).write_text(text, encoding="utf-8", newline="\n")
    return text
