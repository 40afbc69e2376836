"""Bounds as files: CSV with every digit, LaTeX with booktabs and values rounded upwards, a page."""

from pathlib import Path
from typing import Any

import pandas as pd

from sparsebounds import bounds
from sparsebounds.experiments.shared.files import prepare_folder, write_files
from sparsebounds.experiments.shared.rows import to_csv

COLUMNS = ("network", "bound", "nodes", "value", "guarantee", "verdict", "margin_error", "complexity", "confidence")


def write_tables(frame: pd.DataFrame, *, csv: Path | None = None, latex: Path | None = None) -> list[Path]:
    """Write what was asked for.

    Args:
        frame: rows of `bounds.tables`, of one network or several.
        csv, latex: files; None: not asked for.

    Returns:
        The files that were written.

    Raises:
        Problem: a file that cannot be written.
    """
    wanted = [(place, text) for place, text in ((csv, to_csv), (latex, latex_table)) if place is not None]
    return [_written(place, text(frame)) for place, text in wanted]


def write_page(shown: Any, title: str, html: Path | None) -> list[Path]:
    """The page of `bounds.page`, if a file for it was named; returned and raised as in `write_tables`."""
    return [] if html is None else [_written(html, bounds.page(shown, title=title))]


def latex_table(frame: pd.DataFrame) -> str:
    """`bounds.to_latex` with the columns that tell networks and forms apart, and the package that it needs."""
    columns = [name for name in COLUMNS if name in frame]
    return f"% \\usepackage{{booktabs}}\n{bounds.to_latex(frame, columns=columns)}\n"


def _written(place: Path, text: str) -> Path:
    prepare_folder(place.parent)
    write_files(place.parent, {place.name: text})
    return place
