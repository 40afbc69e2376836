"""Tables for people, printed with rich."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console

from sparsebounds.bounds.verdicts import verdict_of
from sparsebounds.experiments.shared.screen import Grid, Words


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


def number_up(value: float) -> str:
    """Four digits, rounded up: a bound is never shown smaller than it is.

    Example:
        >>> number_up(0.018211), number_up(1.0), number_up(123456.7), number_up(float("nan"))
        ('0.01822', '1', '123457', '–')
    """
    if not math.isfinite(value) or value == 0:
        return number(value)
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 3)
    step = min(step, 1.0) if abs(value) < 1e6 else step
    return number(math.ceil(value / step - 1e-9) * step)


def grid(
    title: str,
    columns: Iterable[str],
    rows: Iterable[Iterable[str]],
    left: int = 1,
    gap: int = 1,
    drop: Iterable[str] = (),
) -> Grid:
    """A plain table that fits the screen, see `Grid`: the first `left` columns hold words, `drop` go first."""
    return Grid(title, tuple(columns), [tuple(row) for row in rows], left, gap, tuple(drop))


DROP = ("γ", "confidence", "complexity", "margin", "nodes")
"""Columns of bounds in the order in which they go where the screen is narrow; bound, value, guarantee, verdict stay."""


def show_table(console: Console, frame: pd.DataFrame, title: str, first: str = "") -> None:
    """`show_tables`; then what the rows say of themselves, and both errors."""
    show_tables(console, frame, title, first)
    show_notes(console, frame)
    show_errors(console, frame)


def show_tables(console: Console, frame: pd.DataFrame, title: str, first: str = "") -> None:
    """Rows of `bounds.tables`, a table for each network, the smallest value first.

    Args:
        console: where to.
        frame: the rows.
        title: of the table; where there are several, each has its network before it.
        first: a bound that stands above all others.
    """
    for name, rows in frame.groupby("network", sort=False) if "network" in frame else [("", frame)]:
        found = rows[rows["value"].notna()].sort_values("value", kind="stable")
        found = found.sort_values("bound", kind="stable", key=lambda column: column != first)
        console.print(_bounds(f"{name}, {title}" if name else title, found))


def _bounds(title: str, frame: pd.DataFrame) -> Grid:
    words = [name for name in ("bound", "nodes") if name in frame]
    parts = ["margin_error", "complexity", "confidence", "gamma"]
    cells = [
        [*(row[name] for name in words), number_up(row["value"]), row["guarantee"]]
        + [verdict_of(row["value"], row["guarantee"]), *(number(row[name]) for name in parts)]
        for row in frame.to_dict(orient="records")
    ]
    heads = [*words, "value", "guarantee", "verdict", "margin", "complexity", "confidence", "γ"]
    return grid(title, heads, cells, left=len(words), gap=2, drop=DROP)


def show_notes(console: Console, frame: pd.DataFrame) -> None:
    """What the rows say of themselves: first those with a number, then why the others have none."""
    covered = frame["value"].notna()
    for note in _notes(frame[covered]) + _notes(frame[~covered]):
        console.print(Words(note, 1), style="dim")


def show_what_if(console: Console, frame: pd.DataFrame) -> None:
    """Rows of `--what-if`: each bound as it is and after the change."""
    numbers = ["value now", "value", "complexity now", "complexity"]
    cells = [
        [row["what if"], row["bound"], *(number(row[name]) for name in numbers), row["guarantee"]]
        for row in frame.to_dict(orient="records")
    ]
    console.print(grid("what if", ["what if", "bound", *numbers, "guarantee"], cells, left=2, gap=2))


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
        console.print(f"{name}: {text}" if by == "network" else text)
