"""What `sparsebounds correlate` depends on: its options. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


@dataclass(frozen=True)
class CorrelateOptions:
    """Which sweep, and what the scatter shows."""

    folder: Annotated[Path, Argument(metavar="FOLDER", help="The folder of a sweep.")]
    scatter: Annotated[
        str | None, Option(metavar="QUANTITY", help="Drawn against the gap.", show_default="the best")
    ] = None
    colour: Annotated[
        str | None, Option(metavar="HYPERPARAMETER", help="Of its points.", show_default="what moves the gap most")
    ] = None
    where: Annotated[
        str | None, Option(metavar="CONDITION", help="Only networks of which it holds: \"sparsity != 'dense'\".")
    ] = None
    out: Annotated[
        Path | None, Option(help="Write there, with all cells as one file.", show_default="the folder itself")
    ] = None
    against: Annotated[
        str | None,
        Option(metavar="QUANTITY", help="Also the difference of each Ψ from this one's.", show_default="none"),
    ] = None
