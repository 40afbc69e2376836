"""Tables for people, printed with rich."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def number(value: Any, digits: int = 4) -> str:
    """A number as people read it: few digits, powers of ten only where they are needed.

    Example:
        >>> number(0.018214), number(1234567.0), number(float("nan")), number(3), number([0.5, 2.0])
        ('0.01821', '1.235e+06', '–', '3', '0.5 2')
    """
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, Sequence | np.ndarray):
        return " ".join(number(item, digits) for item in value)
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if 10**digits <= abs(value) < 1e6 else f"{value:.{digits}g}"


def grid(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], left: int = 1, gap: int = 1) -> Table:
    """A plain table; the first `left` columns hold words, the others numbers; `gap` blanks between them."""
    table = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", padding=(0, gap - 1, 0, 0)
    )
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def show_table(console: Console, frame: pd.DataFrame, title: str, first: str = "") -> None:
    """Rows of `bounds.tables`, the smallest value of each network first, and the reason where there is no number.

    Args:
        console: where to.
        frame: the rows.
        title: of the table.
        first: a bound that stands above all others.
    """
    words = [name for name in ("network", "bound", "nodes") if name in frame]
    parts = ["value", "margin_error", "complexity", "confidence", "gamma"]
    found = frame[frame["value"].notna()].sort_values("value", kind="stable")
    found = found.sort_values("bound", kind="stable", key=lambda column: column != first)
    if "network" in frame:
        found = found.sort_values("network", kind="stable", key=lambda c: c.map(list(frame["network"]).index))
    cells = [
        [row[name] for name in words] + [number(row[name]) for name in parts] + [row["guarantee"]]
        for row in found.to_dict(orient="records")
    ]
    heads = [*words, "value", "margin", "complexity", "confidence", "γ", "guarantee"]
    console.print(grid(title, heads, cells, left=len(words)))
    for note in _notes(found) + _notes(frame[frame["value"].isna()]):
        console.print(Padding(Text(note), (0, 0, 0, 1)), style="dim")
    show_errors(console, frame)


def show_what_if(console: Console, frame: pd.DataFrame) -> None:
    """Rows of `--what-if`: each bound as it is and after the change."""
    numbers = ["value now", "value", "complexity now", "complexity"]
    cells = [
        [row["what if"], row["bound"], *(number(row[name]) for name in numbers), row["guarantee"]]
        for row in frame.to_dict(orient="records")
    ]
    console.print(grid("what if", ["what if", "bound", *numbers, "guarantee"], cells, left=2))


def _notes(frame: pd.DataFrame) -> list[str]:
    """Every note once, after the bounds that it speaks of."""
    names: dict[str, list[str]] = {}
    for row in frame.itertuples():
        if row.note and row.bound not in names.setdefault(row.note, []):
            names[row.note].append(row.bound)
    return [f"{', '.join(bounds)}: {note}" for note, bounds in names.items()]


def show_errors(console: Console, frame: pd.DataFrame) -> None:
    """Train error, test error and gap of every network in the table, one line each."""
    by = "network" if "network" in frame else "train_error"
    for name, rows in frame.groupby(by, sort=False):
        row = rows.iloc[0]
        text = f"train error {row['train_error']:.2%}"
        if not math.isnan(row["test_error"]):
            text += f", test error {row['test_error']:.2%} ± {row['test_error_se']:.2%}, gap {row['gap']:+.2%}"
        console.print(f"{name}: {text}" if by == "network" else text, highlight=False)
