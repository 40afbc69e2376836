"""Where the rows of a monitor go: a CSV file, a writer of TensorBoard, or a function."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

COLUMNS = ("step", "seconds", "name", "value", "capacity", "guarantee", "m", "note")
Row = dict[str, Any]
"""A value for each of `COLUMNS`."""
Writer = Callable[[list[Row]], None]
"""Takes the rows of one look."""


def writers_of(to: Any) -> list[Writer]:
    """What `monitor` takes as `to`.

    Args:
        to: None; a path of a CSV file; an object with `add_scalar(tag, value, step)`, as SummaryWriter of PyTorch and
            of tensorboardX, or `scalar(tag, value, step)`, as that of Flax; a function of a row; or several of these.

    Raises:
        ValueError: anything else; a file that holds something else than such rows, or cannot be written.
    """
    if to is None:
        return []
    several = isinstance(to, Iterable) and not isinstance(to, str | os.PathLike)
    return [_writer(one) for one in (to if several else (to,))]


def _writer(one: Any) -> Writer:
    if isinstance(one, str | os.PathLike):
        return csv_file(Path(one))
    scalar = getattr(one, "add_scalar", None) or getattr(one, "scalar", None)
    if scalar is not None:
        return _to_tensorboard(scalar)
    if callable(one):
        return _each(one)
    raise ValueError(
        f"to has a {type(one).__name__}; needed the path of a CSV file, a writer of TensorBoard (add_scalar or "
        "scalar), or a function of a row"
    )


def csv_file(path: Path) -> Writer:
    """Rows are added to the file, whole looks at a time; one that has rows of this kind already is gone on with."""
    head = ",".join(COLUMNS)
    try:
        with path.open("a+", encoding="utf-8", newline="") as file:
            file.seek(0)
            found = file.readline().rstrip("\r\n")
            if not found:
                file.write(f"{head}\n")
    except OSError as error:
        raise ValueError(f"cannot write {path} ({error.strerror}); give another file") from error
    if found not in ("", head):
        raise ValueError(f"{path} starts with {found[:60]!r}, and is no log of a monitor; give another file")

    def write(rows: list[Row]) -> None:
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="\n").writerows(rows)
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(text.getvalue())

    return write


def _each(function: Callable[[Row], Any]) -> Writer:
    def write(rows: list[Row]) -> None:
        for row in rows:
            function(dict(row))

    return write


def _to_tensorboard(scalar: Callable[[str, float, int], Any]) -> Writer:
    def write(rows: list[Row]) -> None:
        for row in rows:
            for number in ("value", "capacity"):
                if math.isfinite(row[number]):
                    scalar(f"{number}/{row['name']}", row[number], row["step"])

    return write
