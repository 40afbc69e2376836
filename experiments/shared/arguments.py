"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from sparsebounds.experiments.shared.extras import require
from sparsebounds.experiments.shared.problems import Problem

DataDir = Annotated[Path | None, typer.Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else; see docs/json.md.")]


def _file(place: Path | None) -> Path | None:
    """Before any work: what is to be written is no folder."""
    if place is not None and place.is_dir():
        raise Problem(f"{place} is a folder: give the name of a file in it")
    return place


def _page(place: Path | None) -> Path | None:
    """Before any work: the file, and the extra that a page needs."""
    if place is not None:
        require("page")
    return _file(place)


Csv = Annotated[
    Path | None,
    typer.Option("--csv", callback=_file, help="Also write the table there, every digit.", show_default=False),
]
Latex = Annotated[
    Path | None,
    typer.Option("--latex", callback=_file, help="Also write it there for LaTeX (booktabs).", show_default=False),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", callback=_page, help="Also write a page there: one HTML file.", show_default=False),
]
