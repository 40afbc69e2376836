"""Tables for people, printed with rich."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

SHORT = {"position": "positions", "group": "groups", "scalar": "scalars"}


def number(value: Any, digits: int = 4) -> str:
    """A number as people read it: few digits, powers of ten only where they are needed.

    Example:
        >>> number(0.018214), number(1234567.0), number(float("nan")), number(3)
        ('0.01821', '1.235e+06', '–', '3')
    """
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | np.integer):
        return str(value)
    if math.isnan(value):
        return "–"
    return f"{value:.{digits}g}"


def show_declarations(console: Console, rows: Sequence[Mapping[str, Any]]) -> None:
    """Every bound with its guarantee, assumptions and source."""
    table = Table(box=box.SIMPLE_HEAD, title="bounds")
    for column in ("bound", "guarantee", "assumes", "source"):
        table.add_column(column, overflow="fold", no_wrap=column == "bound")
    for row in rows:
        table.add_row(row["bound"], row["guarantee"], "; ".join(row["assumes"]), row["source"])
    console.print(table)
