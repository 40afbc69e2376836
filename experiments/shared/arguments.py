"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from sparsebounds.experiments.shared.extras import require

DataDir = Annotated[Path | None, typer.Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else; see docs/json.md.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Also write the table there, every digit.", show_default=False)]
Latex = Annotated[
    Path | None, typer.Option("--latex", help="Also write it there for LaTeX (booktabs).", show_default=False)
]


def _with_extra(html: Path | None) -> Path | None:
    """Before any work."""
    if html is not None:
        require("page")
    return html


Html = Annotated[
    Path | None,
    typer.Option("--html", callback=_with_extra, help="Also write a page there: one HTML file.", show_default=False),
]
