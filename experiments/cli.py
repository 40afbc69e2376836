"""The command line. The heavy imports are inside the commands: `--help` answers at once, and Ctrl-C works."""

import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.correlate.options import CorrelateOptions
from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.shared.console import human_output, needs
from sparsebounds.experiments.shared.files import to_json
from sparsebounds.experiments.shared.options import with_options
from sparsebounds.experiments.shared.problems import Problem, one_line, unknown
from sparsebounds.experiments.sweep.options import SweepOptions

app = typer.Typer(
    help="Generalization bounds of trained networks, itemised.",
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)
INTERRUPTED = 130
DataDir = Annotated[Path | None, typer.Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else.")]


@app.command("list")
def list_all(
    kind: Annotated[
        str | None, typer.Argument(help="bounds, sparsifiers or experiments.", show_default="all; with --json bounds")
    ] = None,
    as_json: Json = False,
) -> None:
    """Bounds, what each guarantees and assumes; ways to sparsify a network; experiments. With their sources."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.listing import KINDS, rows_of, show
        from sparsebounds.experiments.reproduce.run import EXPERIMENTS

        if kind is not None and kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        for name in KINDS if kind is None and not as_json else [kind or "bounds"]:
            rows = rows_of(name, EXPERIMENTS.values())
            if not as_json:
                show(console, name, rows)
    if as_json:
        sys.stdout.write(to_json(rows))


@app.command()
@with_options
def evaluate(config: EvaluateConfig, as_json: Json = False) -> None:
    """Bounds of your own model on your own data."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.evaluate.evaluate import evaluate, what_delta_means, what_if
        from sparsebounds.experiments.shared.tables import show_table, show_what_if

        frame = evaluate(config)
        changed = what_if(config, frame) if config.what_if else None
        if not as_json:
            show_table(console, frame, title=config.target)
            console.print(what_delta_means(config, frame))
            if changed is not None:
                show_what_if(console, changed)
    if as_json:
        rows = frame.to_dict(orient="records")
        document = rows if changed is None else {"rows": rows, "what if": changed.to_dict(orient="records")}
        sys.stdout.write(to_json(document))


@app.command()
@with_options
def report(
    config: ReportConfig,
    out: Annotated[Path | None, typer.Option(show_default="results/report-DATASET")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    as_json: Json = False,
) -> None:
    """Train a network in front of you; print and save its bounds, every factor itemised."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.report.report import run
        from sparsebounds.experiments.report.show import show_report

        folder = out or Path("results") / f"report-{config.dataset}"
        try:
            result = run(config, folder, resume=resume, progress=not as_json)
        except KeyboardInterrupt:
            _say(f"interrupted: the checkpoints stay in {folder / 'checkpoints'}, --resume goes on from them")
            raise
        if not as_json:
            show_report(console, result, folder)
    if as_json:
        document = {"config": result.config, "rows": result.rows.to_dict(orient="records")}
        sys.stdout.write(to_json({**document, "terms": result.terms(), "folder": str(folder)}))


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help="figure1, depth, width, …; an unknown name lists them all.")],
    preset: Annotated[str, typer.Option(help="quick, cpu, or paper where there is one.")] = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and how long.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run of the same preset.")] = False,
    out: Annotated[Path | None, typer.Option(show_default="results/NAME, or results/NAME-PRESET")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Redo a figure or table of a paper: train, evaluate, draw."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.reproduce import run as running

        experiment = running.find(name)
        folder = out or running.default_folder(name, preset)
        if dry_run:
            document = running.planned(experiment, preset, folder)
            if not as_json:
                show_plan(console, document)
        else:
            try:
                document = running.reproduce(
                    experiment, preset, folder, resume=resume, progress=not as_json, data_dir=data_dir
                )
            except KeyboardInterrupt:
                _say(f"interrupted: what was done stays in {folder}, --resume goes on from there")
                raise
            if not as_json:
                experiment.show(console, document)
                console.print(f"written to {folder}: config.json, rows.csv, figure.png", highlight=False)
    if as_json:
        sys.stdout.write(to_json(document))


def show_plan(console: Console, document: dict[str, Any]) -> None:
    """What `reproduce --dry-run` says to people."""
    minutes = document["minutes"]
    time = "not measured" if minutes is None else f"about {minutes:g} minutes on two cores"
    console.print(f"{document['experiment']}, preset {document['preset']}: {document['summary']}", highlight=False)
    for line in document["plan"]:
        console.print(f"  {line}", highlight=False)
    console.print(f"time: {time}; results: {document['folder']}", highlight=False)


@app.command()
@with_options
def certify(
    options: CertifyOptions,
    data_dir: DataDir = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of what is written.", show_default="results/certify-NAME by distance")
    ] = None,
    as_json: Json = False,
) -> None:
    """One number that holds: your own network trained near a reference, or a built-in task, and its certificate."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.certify import certify as in_a_class
        from sparsebounds.experiments.certify.distance import document, run
        from sparsebounds.experiments.shared.files import prepare_folder, write_files

        if run.is_by_distance(options):
            folder = out or run.default_folder(options)
            prepare_folder(folder)
            with console.status(f"certify {options.task or options.target}") as status:
                found = run.run(options, folder, data_dir, tell=lambda text: status.update(text))
            if not as_json:
                document.show(console, found)
            console.print(f"written to {folder}: certificate.json, network.safetensors, figure.png", highlight=False)
        else:
            in_a_class.task_of(options)  # what is unknown is said before a folder is made
            in_a_class.form_of(options)
            if out is not None:
                prepare_folder(out)
            with console.status(f"certify {options.task}"):
                found = in_a_class.certify(options, data_dir)
            if out is not None:
                write_files(out, {"certificate.json": to_json(found)})
            if not as_json:
                in_a_class.show(console, found)
    if as_json:
        sys.stdout.write(to_json(found))


@app.command()
@with_options
def sweep(options: SweepOptions, as_json: Json = False) -> None:
    """Train a grid of networks on Dask, and measure each: a Parquet file per network."""
    with human_output(as_json) as console:
        needs("sweep", "dask", "distributed", "pyarrow")
        from sparsebounds.experiments.sweep.run import run, show

        try:
            document = run(options, progress=not as_json)
        except KeyboardInterrupt:
            _say("interrupted: the cells that were done stay, --resume goes on from them")
            raise
        if not as_json:
            show(console, document)
    if as_json:
        sys.stdout.write(to_json(document))
    if document["failed"]:
        raise typer.Exit(1)


@app.command()
@with_options
def correlate(options: CorrelateOptions, as_json: Json = False) -> None:
    """Rank every bound and measure of a sweep by how well it orders the networks' gaps."""
    with human_output(as_json) as console:
        needs("sweep", "pyarrow")
        from sparsebounds.experiments.correlate.run import run, show

        document = run(options, progress=not as_json)
        if not as_json:
            show(console, document)
    if as_json:
        sys.stdout.write(to_json(document))


@app.command()
def audit(
    bound: Annotated[list[str] | None, typer.Option(help="Only this bound; may be repeated.")] = None,
    preset: Annotated[str, typer.Option(help="quick (about a minute) or full (several).")] = "quick",
    out: Annotated[Path | None, typer.Option(help="Also write rows.csv and the table there.")] = None,
    as_json: Json = False,
) -> None:
    """Try to break the bounds by search on small networks; exit status 1 if one breaks."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.audit import AuditConfig, document, run, show

        with console.status("audit") as status:
            config = AuditConfig(preset, tuple(bound or ()))
            result = run(config, out, tell=lambda name: status.update(f"audit: {name}"))
        if not as_json:
            show(console, result)
    if as_json:
        sys.stdout.write(to_json(document(result)))
    if result.failed:
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 something the user can put right, 130 interrupted.

    Args:
        arguments: without the program's name; `sys.argv[1:]` by default.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        status: Any = app(arguments or ["--help"], prog_name="sparsebounds", standalone_mode=False)
    except typer.exceptions.TyperException as error:
        status = _complain(error.format_message())
    except Problem as error:
        status = _complain(one_line(error))
    except KeyboardInterrupt:
        status = INTERRUPTED
    sys.exit(status if isinstance(status, int) else 0)


def entry() -> None:
    """The program itself: `main`, and after Ctrl-C an end without teardown.

    Orbax writes in threads. Left to the interpreter's teardown, one in the middle of a checkpoint would print pages
    of tracebacks; a half-written checkpoint has not been renamed yet and does not count.
    """
    sys.unraisablehook = _interrupt_again
    try:
        main()
    except SystemExit as stop:
        if stop.code == INTERRUPTED:
            sys.stderr.flush()
            os._exit(INTERRUPTED)
        raise


def _interrupt_again(lost: Any) -> None:
    """Deliver a Ctrl-C once more that Python dropped: it fell into a callback, such as JAX's of the collector."""
    if lost.exc_type is KeyboardInterrupt:
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.1, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(lost)


def _complain(message: str) -> int:
    _say(message)
    return 2


def _say(message: str) -> None:
    print(f"sparsebounds: {' '.join(message.split())}", file=sys.stderr)
