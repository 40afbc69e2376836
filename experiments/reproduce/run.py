"""All experiments by name, and how one is run: config.json before, figure.png after; or only what it would do."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console

from sparsebounds.experiments.reproduce.architectures.study import ARCHITECTURES
from sparsebounds.experiments.reproduce.certificates.pareto import PARETO
from sparsebounds.experiments.reproduce.certificates.study import CERTIFICATES
from sparsebounds.experiments.reproduce.compositional.study import COMPOSITIONAL
from sparsebounds.experiments.reproduce.conv.family import DEPTH, WIDTH
from sparsebounds.experiments.reproduce.conv.figure1 import FIGURE1
from sparsebounds.experiments.reproduce.distance.study import DISTANCE
from sparsebounds.experiments.reproduce.dynamic.study import DYNAMIC
from sparsebounds.experiments.reproduce.lottery.study import LOTTERY
from sparsebounds.experiments.reproduce.registry import Experiment, preset_of
from sparsebounds.experiments.reproduce.sparsity.study import SPARSITY
from sparsebounds.experiments.reproduce.topology.study import TOPOLOGY
from sparsebounds.experiments.shared.files import plain, prepare_folder, to_json, versions, write_files
from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.shared.rows import read_rows

STUDIES = (
    FIGURE1,
    DEPTH,
    WIDTH,
    LOTTERY,
    COMPOSITIONAL,
    SPARSITY,
    DYNAMIC,
    TOPOLOGY,
    CERTIFICATES,
    DISTANCE,
    PARETO,
    ARCHITECTURES,
)
EXPERIMENTS: dict[str, Experiment] = {study.name: study for study in STUDIES}
"""NAME of `sparsebounds reproduce NAME` → experiment."""
COMMITTED = "cpu"
"""The preset whose results are committed, in results/NAME."""


def find(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        Problem: no such experiment; the message lists those there are.

    Example:
        >>> find("figure1").name
        'figure1'
    """
    if name not in EXPERIMENTS:
        raise unknown("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def default_folder(name: str, preset: str) -> Path:
    """Where results go without --out.

    Example:
        >>> str(default_folder("depth", "cpu")), str(default_folder("depth", "quick"))
        ('results/depth', 'results/depth-quick')
    """
    return Path("results") / (name if preset == COMMITTED else f"{name}-{preset}")


def planned(experiment: Experiment, preset: str, folder: Path) -> dict[str, Any]:
    """What a run would do, how long it takes and where it writes; nothing is trained.

    Raises:
        Problem: no such preset.
    """
    config = preset_of(experiment, preset)
    return {
        "experiment": experiment.name,
        "summary": experiment.summary,
        "preset": preset,
        "config": plain(config),
        "plan": experiment.plan(config),
        "minutes": experiment.minutes.get(preset),
        "folder": str(folder),
    }


def show_plan(console: Console, document: dict[str, Any]) -> None:
    """What `reproduce --dry-run` says to people."""
    minutes = document["minutes"]
    time = "not measured" if minutes is None else f"about {minutes:g} minutes on two cores"
    console.print(f"{document['experiment']}, preset {document['preset']}: {document['summary']}")
    for line in document["plan"]:
        console.print(f"  {line}")
    console.print(f"time: {time}; results: {document['folder']}")


def reproduce(
    experiment: Experiment, preset: str, folder: Path, *,
    resume: bool = False, progress: bool = True, data_dir: Path | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Run a preset and leave config.json, rows.csv and figure.png in the folder.

    Args:
        experiment: from `find`.
        preset: one of its presets.
        folder: of the results; made if it is not there.
        resume: go on with what the folder holds; without it everything is done anew.
        progress: show progress bars.
        data_dir: folder of the data files; None: $SPARSEBOUNDS_DATA.

    Returns:
        What the experiment's `run` returned, and the folder.

    Raises:
        Problem: no such preset, a folder that cannot be written, or one with a run of another config.
    """
    config = preset_of(experiment, preset)
    described = {
        "experiment": experiment.name,
        "preset": preset,
        "config": plain(config),
        "versions": versions(),
    }
    if resume:
        _check_resumed(folder / "config.json", described)
    before = _results(folder)
    prepare_folder(folder)
    write_files(folder, {"config.json": to_json(described)})
    try:
        found = experiment.run(config, folder, resume=resume, progress=progress, data_dir=data_dir)
    except Problem:
        _put_back(folder, before)
        raise
    draw(experiment, folder)
    return {**found, "folder": str(folder)}


def _results(folder: Path) -> dict[str, bytes]:
    """config.json and rows.csv as they are."""
    paths = (folder / name for name in ("config.json", "rows.csv"))
    return {path.name: path.read_bytes() for path in paths if path.is_file()}


def _put_back(folder: Path, before: dict[str, bytes]) -> None:
    """After a run that wrote no row: the config that belongs to the rows that are there, or none, and no new folder."""
    now = _results(folder)
    if now.get("rows.csv") != before.get("rows.csv"):
        return
    if "config.json" in before:
        write_files(folder, {"config.json": before["config.json"]})
        return
    (folder / "config.json").unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


def draw(experiment: Experiment, folder: Path) -> None:
    """The figure again, from rows.csv alone."""
    experiment.figure(read_rows(folder / "rows.csv"), folder / "figure.png")


def _check_resumed(place: Path, described: dict[str, Any]) -> None:
    try:
        before = json.loads(place.read_text(encoding="utf-8"))
        old = before["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Problem(f"nothing to resume in {place.parent}: leave out --resume, or give the run's --out") from error
    if before.get("experiment") != described["experiment"]:
        raise Problem(f"{place.parent} holds a run of {before.get('experiment')}: give the --out of the run")
    now = described["config"]
    for name in {**now, **old}:
        if old.get(name) != now.get(name):
            raise Problem(
                f"the run in {place.parent} had {name} = {old.get(name)}, now it is {now.get(name)}: "
                "use the same preset, or leave out --resume to start anew"
            )
