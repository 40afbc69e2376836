"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else; see docs/json.md.")]
Csv = Annotated[Path | None, typer.Option("--csv", help="Also write the table there, every digit.", show_default=False)]
Latex = Annotated[
    Path | None, typer.Option("--latex", help="Also write it there for LaTeX (booktabs).", show_default=False)
]
