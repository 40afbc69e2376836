"""The commands about many networks: `sparsebounds sweep` and `sparsebounds correlate`. Imports stay inside them."""

import sys

import typer

from sparsebounds.experiments.correlate.options import CorrelateOptions
from sparsebounds.experiments.shared.arguments import Json
from sparsebounds.experiments.shared.files import document_of, to_json
from sparsebounds.experiments.shared.program import human_output, say
from sparsebounds.experiments.sweep.options import SweepOptions


def sweep(options: SweepOptions, as_json: Json = False) -> None:
    """Train and measure a grid of networks.

    On Dask; a Parquet file per network.
    """
    with human_output(as_json) as console:
        from sparsebounds.experiments.sweep.run import run, show

        try:
            document = run(options, progress=not as_json)
        except KeyboardInterrupt:
            say("interrupted: the cells that were done stay, --resume goes on from them")
            raise
        if not as_json:
            show(console, document)
    if as_json:
        sys.stdout.write(to_json(document_of("sweep", **document)))
    if document["failed"]:
        raise typer.Exit(1)


def correlate(options: CorrelateOptions, as_json: Json = False) -> None:
    """Rank bounds and measures on a sweep.

    By how well each orders the gaps of the networks.
    """
    with human_output(as_json) as console:
        from sparsebounds.experiments.correlate.run import run, show

        document = run(options, progress=not as_json)
        if not as_json:
            show(console, document)
    if as_json:
        sys.stdout.write(to_json(document_of("correlate", **document)))
