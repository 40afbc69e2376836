"""The command line. The heavy imports are inside the commands: `--help` answers at once, and Ctrl-C works."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.many import correlate, sweep
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.shared import values
from sparsebounds.experiments.shared.arguments import Csv, DataDir, Html, Json, Latex
from sparsebounds.experiments.shared.extras import missing
from sparsebounds.experiments.shared.files import document_of, to_json
from sparsebounds.experiments.shared.options import with_options
from sparsebounds.experiments.shared.problems import unknown
from sparsebounds.experiments.shared.program import (
    DEBUG,
    ended,
    human_output,
    say,
    stages,
    versions_line,
    without_teardown,
)

app = typer.Typer(
    help="Generalization bounds of trained networks, itemised.",
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=False,
)


def _version(asked: bool) -> None:
    if asked:
        print(versions_line())
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Of this program and its parts.")
    ] = False,
    debug: Annotated[
        bool, typer.Option(DEBUG, help="Show the full traceback of an error, of your own code too; anywhere.")
    ] = False,
) -> None:
    """Generalization bounds of trained networks, itemised."""


@app.command("list")
def list_all(
    kind: Annotated[
        str | None,
        typer.Argument(help="bounds, layers, sparsifiers or experiments.", show_default="all; with --json bounds"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Bounds, layers, sparsifiers, experiments."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.listing import KINDS, rows_of, show

        if kind is not None and kind not in KINDS:
            raise unknown("kind", kind, KINDS)
        for name in KINDS if kind is None and not as_json else [kind or "bounds"]:
            rows = rows_of(name, _experiments(asked=kind is not None) if name == "experiments" else ())
            if not as_json:
                show(console, name, rows)
    if as_json:
        sys.stdout.write(to_json(document_of("list", kind=kind or "bounds", rows=rows)))


def _experiments(asked: bool) -> list[Any]:
    """Those there are; without the extra that their figures need none, unless they were asked for."""
    try:
        from sparsebounds.experiments.reproduce.run import EXPERIMENTS
    except ImportError as error:
        if asked or missing(error) is None:
            raise
        say(f"experiments are not listed: {missing(error)}")
        return []
    return list(EXPERIMENTS.values())


@app.command()
@with_options
def evaluate(
    config: EvaluateConfig,
    out: Annotated[
        Path | None, typer.Option(help="Also write rows.csv and config.json into this folder.", show_default=False)
    ] = None,
    csv: Csv = None,
    latex: Latex = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Bounds of your own model and data."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.evaluate.evaluate import evaluate, what_if, write
        from sparsebounds.experiments.evaluate.show import show_evaluation
        from sparsebounds.experiments.shared.outputs import write_page, write_tables
        from sparsebounds.experiments.shared.user_model import beside

        with beside(config.target), stages(console, f"{config.target}: reading, measuring, bounding"):
            frame = evaluate(config)
            changed = what_if(config, frame) if config.what_if else None
        if said := frame.attrs["said"]:
            say(said)
        written = write(config, frame, out) + write_tables(frame, csv=csv, latex=latex)
        written += write_page(frame, config.target, html)
        if not as_json:
            show_evaluation(console, config, frame, changed)
            if written:
                console.print(f"written: {', '.join(map(str, written))}")
    if as_json:
        more = {} if changed is None else {"what if": changed.to_dict(orient="records")}
        sys.stdout.write(to_json(document_of("evaluate", rows=frame.to_dict(orient="records"), said=said, **more)))


@app.command()
@with_options
def report(
    config: ReportConfig,
    out: Annotated[Path | None, typer.Option(show_default="results/report-DATASET")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    factors: Annotated[bool, typer.Option("--factors", help="Also print every factor and every note.")] = False,
    csv: Csv = None,
    latex: Latex = None,
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Train two networks; print their bounds."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.report.page import sections
        from sparsebounds.experiments.report.report import run
        from sparsebounds.experiments.report.show import report_title, show_report
        from sparsebounds.experiments.shared.outputs import write_page, write_tables

        folder = out or Path("results") / f"report-{config.dataset}"
        try:
            result = run(config, folder, resume=resume, progress=not as_json)
        except KeyboardInterrupt:
            say(f"interrupted: the checkpoints stay in {folder / 'checkpoints'}, --resume goes on from them")
            raise
        written = write_tables(result.last_rows(), csv=csv, latex=latex)
        written += write_page(sections(result), report_title(result.config), html)
        if not as_json:
            show_report(console, result, folder, written, everything=factors)
    if as_json:
        found = {"config": result.config, "rows": result.rows.to_dict(orient="records"), "terms": result.terms()}
        sys.stdout.write(to_json(document_of("report", **found, folder=str(folder))))


@app.command()
def reproduce(
    name: Annotated[str, typer.Argument(help=f"{values.one_of(values.EXPERIMENTS)}.")],
    preset: Annotated[str, typer.Option(help="quick, cpu, or paper where there is one.")] = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, and how long.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run of the same preset.")] = False,
    out: Annotated[Path | None, typer.Option(show_default="results/NAME, or results/NAME-PRESET")] = None,
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Redo a figure or table of a paper."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.reproduce import run as running

        experiment = running.find(name)
        folder = out or running.default_folder(name, preset)
        if dry_run:
            document = running.planned(experiment, preset, folder)
            if not as_json:
                running.show_plan(console, document)
        else:
            try:
                document = running.reproduce(
                    experiment, preset, folder, resume=resume, progress=not as_json, data_dir=data_dir
                )
            except KeyboardInterrupt:
                say(f"interrupted: what was done stays in {folder}, --resume goes on from there")
                raise
            if not as_json:
                experiment.show(console, document)
                console.print(f"written to {folder}: config.json, rows.csv, figure.png")
    if as_json:
        sys.stdout.write(to_json(document_of("reproduce", **document)))


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
    """Train your network with a certificate.

    It is trained near a reference, drawn once, and certified; or a built-in task is, with --task.
    """
    with human_output(as_json) as console:
        from sparsebounds.experiments.certify import certify as in_a_class
        from sparsebounds.experiments.certify.distance import document, run
        from sparsebounds.experiments.shared.files import prepare_folder, write_files
        from sparsebounds.experiments.shared.user_model import beside

        if run.is_by_distance(options):
            folder = out or run.default_folder(options)
            prepare_folder(folder)
            with beside(options.target), stages(console, f"certify {options.task or options.target}") as tell:
                found = run.run(options, folder, data_dir, tell=tell)
            if not as_json:
                document.show(console, found)
            console.print(f"written to {folder}: certificate.json, network.safetensors, figure.png")
        else:
            in_a_class.task_of(options)  # what is unknown is said before a folder is made
            in_a_class.form_of(options)
            if out is not None:
                prepare_folder(out)
            with stages(console, f"certify {options.task}"):
                found = in_a_class.certify(options, data_dir)
            if out is not None:
                write_files(out, {"certificate.json": to_json(found)})
            if not as_json:
                in_a_class.show(console, found)
    if as_json:
        sys.stdout.write(to_json(document_of("certify", **found)))


app.command()(with_options(sweep))
app.command()(with_options(correlate))


@app.command()
def audit(
    bound: Annotated[list[str] | None, typer.Option(help=f"Only this; repeatable: {', '.join(values.BOUNDS)}.")] = None,
    preset: Annotated[str, typer.Option(help="quick (about a minute) or full (several).")] = "quick",
    out: Annotated[Path | None, typer.Option(help="Also write rows.csv and the table there.")] = None,
    as_json: Json = False,
) -> None:
    """Try to break the bounds by search.

    On small networks; exit status 1 if one breaks.
    """
    with human_output(as_json) as console:
        from sparsebounds.experiments.audit import AuditConfig, document, run, show

        with stages(console, "audit") as tell:
            result = run(AuditConfig(preset, tuple(bound or ())), out, tell=lambda name: tell(f"audit: {name}"))
        if not as_json:
            show(console, result)
    if as_json:
        sys.stdout.write(to_json(document_of("audit", **document(result))))
    if result.failed:
        raise typer.Exit(1)


@app.command("check-bound")
def check(
    name: Annotated[str, typer.Argument(help="Of a bound, of another package for instance; sparsebounds list.")],
    as_json: Json = False,
) -> None:
    """Test and audit a bound from outside."""
    with human_output(as_json) as console:
        from sparsebounds.experiments.check_bound import check_bound, document, show

        with stages(console, f"{name}: check") as tell:
            checked = check_bound(name, tell=tell)
        if not as_json:
            show(console, checked)
    if as_json:
        sys.stdout.write(to_json(document_of("check-bound", **document(checked))))
    if not checked.passed:
        raise typer.Exit(1)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit: 0 done, 2 something the user can put right, 130 interrupted.

    Args:
        arguments: without the program's name; `sys.argv[1:]` by default.
    """
    given = sys.argv[1:] if arguments is None else arguments
    debug = DEBUG in given
    words = [word for word in given if word != DEBUG] or ["--help"]
    run: Any = lambda: app(words, prog_name="sparsebounds", standalone_mode=False)  # noqa: E731
    sys.exit(ended(run, debug=debug))


def entry() -> None:
    """The program itself."""
    without_teardown(main)
