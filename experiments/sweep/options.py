"""What `sparsebounds sweep` depends on: its options. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option


@dataclass(frozen=True)
class SweepOptions:
    """Which sweep, where it runs and where its cells go."""

    target: Annotated[str, Argument(metavar="CONFIG.toml|NAME", help="A TOML file, or quick, study or sharpness.")]
    out: Annotated[Path | None, Option(help="Folder of the cells.", show_default="results/sweep-NAME")] = None
    scheduler: Annotated[
        str | None, Option(metavar="tcp://HOST:PORT", help="An existing Dask cluster.", show_default="one started here")
    ] = None
    workers: Annotated[
        int | None, Option(min=1, help="Processes of the cluster started here.", show_default="one per core")
    ] = None
    resume: Annotated[bool, Option("--resume", help="Go on: skip what is done, retry what failed.")] = False
    yes: Annotated[bool, Option("--yes", help="Also a grid of more than 100000 cells.")] = False
    data_dir: Annotated[Path | None, Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")] = None
    hub: Annotated[bool, Option("--hub", help="Fetch the data sets over the network (extra hub).")] = False
