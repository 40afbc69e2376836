"""`sparsebounds reproduce`: what every experiment owes the command line, and what the command line does with it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run, strict
from matplotlib.image import imread
from rich.console import Console

from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.reproduce.run import EXPERIMENTS, default_folder, find, planned, reproduce
from sparsebounds.experiments.shared.files import plain, to_json
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.rows import RowFile, read_rows

ROOT = Path(__file__).resolve().parents[3]


@dataclasses.dataclass(frozen=True)
class Counting:
    """A config of an experiment that costs nothing."""

    rows: int = 2
    names: tuple[str, ...] = ("a", "b")


def count(config: Counting, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    assert json.loads((folder / "config.json").read_text())["config"] == plain(config)
    rows = RowFile(folder / "rows.csv", ("step",), keep=resume)
    for step in range(config.rows):
        if not rows.group(step):
            rows.put([{"step": step, "value": 0.1 * step, "note": ""}])
    return {"total": rows.frame()["value"].sum()}


def picture(rows: pd.DataFrame, path: Path) -> None:
    path.write_text(f"{len(rows)} rows")


def say(console: Console, found: dict[str, Any]) -> None:
    console.print(f"total {found['total']}")


COUNTING = Experiment(
    name="counting",
    summary="counts",
    presets={"quick": Counting(), "cpu": Counting(rows=3)},
    minutes={"quick": 0.5, "cpu": None},
    run=count,
    figure=picture,
    show=say,
    plan=lambda config: [f"count to {config.rows}"],
)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """The command line knows an experiment more."""
    monkeypatch.setitem(EXPERIMENTS, "counting", COUNTING)
    return COUNTING


@pytest.mark.parametrize("name", sorted(EXPERIMENTS))
def test_what_an_experiment_owes(name: str) -> None:
    experiment = find(name)
    assert experiment.name == name
    assert {"quick", "cpu"} <= set(experiment.presets) <= {"quick", "cpu", "paper"}
    assert set(experiment.minutes) <= set(experiment.presets)
    assert all(minutes is None or minutes > 0 for minutes in experiment.minutes.values())
    if name in ("sparsity", "topology", "dynamic", "lottery", "compositional"):
        quick, cpu = experiment.minutes["quick"], experiment.minutes["cpu"]
        assert quick and cpu and quick <= 2 and cpu <= (45 if name == "sparsity" else 20)
    for preset, config in experiment.presets.items():
        assert dataclasses.is_dataclass(config) and config.__dataclass_params__.frozen  # type: ignore[attr-defined]
        hash(config)
        assert json.loads(to_json(config)) == plain(config)
        document = planned(experiment, preset, default_folder(name, preset))
        assert document["plan"] and all(isinstance(line, str) and line for line in document["plan"])
        assert strict(to_json(document))["config"] == plain(config)


def committed() -> list[Path]:
    """Folders of results that an experiment has written."""
    found = []
    for path in sorted((ROOT / "results").glob("*/config.json")):
        if json.loads(path.read_text(encoding="utf-8")).get("experiment") in EXPERIMENTS:
            found.append(path.parent)
    return found


@pytest.mark.parametrize("folder", committed(), ids=lambda folder: folder.name)
def test_committed_results_are_those_of_a_preset(folder: Path) -> None:
    """Whoever runs the command that the results stand for gets what is committed, and no certificate fails."""
    config = strict((folder / "config.json").read_text(encoding="utf-8"))
    experiment = find(config["experiment"])
    assert folder.name == default_folder(experiment.name, config["preset"]).name
    assert config["config"] == plain(experiment.presets[config["preset"]])
    rows = read_rows(folder / "rows.csv")
    assert len(rows) and (folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    if {"guarantee", "value", "test_error"} <= set(rows.columns):
        certified = rows[(rows["guarantee"] == "certificate") & rows["value"].notna()]
        assert len(certified) and (certified["value"] >= certified["test_error"]).all()


@pytest.mark.parametrize("folder", committed(), ids=lambda folder: folder.name)
def test_committed_figures_are_those_of_the_rows(folder: Path, tmp_path: Path) -> None:
    """A figure drawn by other code or from other rows differs in whole panels, not in the edges of letters."""
    config = strict((folder / "config.json").read_text(encoding="utf-8"))
    find(config["experiment"]).figure(read_rows(folder / "rows.csv"), tmp_path / "figure.png")
    drawn, there = imread(tmp_path / "figure.png"), imread(folder / "figure.png")
    assert drawn.shape == there.shape and np.abs(drawn - there).mean() < 1e-3


def test_run_writes_everything(tmp_path: Path) -> None:
    found = reproduce(COUNTING, "quick", tmp_path / "new")
    assert found == {"total": pytest.approx(0.1), "folder": str(tmp_path / "new")}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["config.json", "figure.png", "rows.csv"]
    assert (tmp_path / "new" / "figure.png").read_text() == "2 rows"
    config = strict((tmp_path / "new" / "config.json").read_text())
    assert config["config"] == {"rows": 2, "names": ["a", "b"]}
    assert config["experiment"] == "counting" and config["preset"] == "quick" and config["versions"]["jax"]


def test_resume_keeps_rows_and_anew_does_not(tmp_path: Path) -> None:
    reproduce(COUNTING, "quick", tmp_path)
    marked = (tmp_path / "rows.csv").read_text().replace("0.1,", "7.0,")
    (tmp_path / "rows.csv").write_text(marked)
    assert reproduce(COUNTING, "quick", tmp_path, resume=True)["total"] == 7.0
    assert reproduce(COUNTING, "quick", tmp_path)["total"] == pytest.approx(0.1)


def test_a_run_that_fails_at_once_leaves_nothing_behind(tmp_path: Path) -> None:
    """Data that are missing must neither cost the results that are there nor leave a config without rows."""

    def fail(*arguments: Any, **options: Any) -> None:
        raise Problem("no data")

    failing = dataclasses.replace(COUNTING, run=fail)
    with pytest.raises(Problem, match="no data"):
        reproduce(failing, "quick", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    reproduce(COUNTING, "quick", tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(Problem, match="no data"):
        reproduce(failing, "cpu", tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_resume_needs_the_same_config(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="nothing to resume in"):
        reproduce(COUNTING, "quick", tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    reproduce(COUNTING, "quick", tmp_path)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(Problem, match="had rows = 2, now it is 3: use the same preset"):
        reproduce(COUNTING, "cpu", tmp_path, resume=True)
    assert (tmp_path / "config.json").read_bytes() == before
    (tmp_path / "config.json").write_text('{"experiment": "other", "config": {}}')
    with pytest.raises(Problem, match="holds a run of other"):
        reproduce(COUNTING, "quick", tmp_path, resume=True)
    (tmp_path / "config.json").write_text("[]")
    with pytest.raises(Problem, match="nothing to resume"):
        reproduce(COUNTING, "quick", tmp_path, resume=True)


def test_rows_survive_writing_and_reading(tmp_path: Path) -> None:
    """Every digit, NaN, empty texts: a file that is gone on with is the file of an uninterrupted run."""
    rows = RowFile(tmp_path / "rows.csv", ("network", "epoch"), keep=False)
    first = [{"network": "a", "epoch": 0, "value": 0.1 + 0.2, "note": ""}]
    rows.put(first)
    rows.put([{"network": "a", "epoch": 1, "value": float("nan"), "note": "none, it says"}])
    written = (tmp_path / "rows.csv").read_bytes()
    again = RowFile(tmp_path / "rows.csv", ("network", "epoch"), keep=True)
    assert again.group("a", 0) == first
    again.put(again.group("a", 1))
    assert (tmp_path / "rows.csv").read_bytes() == written
    assert read_rows(tmp_path / "rows.csv")["note"].tolist() == ["", "none, it says"]
    for wrong in ([], [{"network": "a", "epoch": 0}, {"network": "b", "epoch": 0}]):
        with pytest.raises(ValueError, match="needed rows of one group"):
            again.put(wrong)


def test_no_rows_to_draw(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="run the experiment first"):
        read_rows(tmp_path / "rows.csv")


def test_command(counting: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reproduce", "counting", "--preset", "quick", "--out", str(tmp_path / "a")) == 0
    out = capsys.readouterr().out
    assert "total 0.1" in out and "written to" in out
    assert run("reproduce", "counting", "--out", str(tmp_path / "b"), "--json") == 0
    found = strict(capsys.readouterr().out)
    assert found["total"] == pytest.approx(0.3) and found["folder"] == str(tmp_path / "b")
    assert (found["command"], found["format"]) == ("reproduce", 1)


def test_dry_run_writes_nothing(
    counting: Experiment, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("reproduce", "counting", "--preset", "quick", "--dry-run") == 0
    out = capsys.readouterr().out
    assert "count to 2" in out and "about 0.5 minutes" in out and "results/counting-quick" in out
    assert run("reproduce", "counting", "--dry-run", "--json") == 0
    document = strict(capsys.readouterr().out)
    assert document["plan"] == ["count to 3"] and document["minutes"] is None
    assert document["folder"] == str(Path("results") / "counting")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("figure2",), "unknown experiment 'figure2': choose from"),
        (("depth", "--preset", "paper"), "depth has no preset 'paper': choose from quick, cpu"),
        (("depth", "--preset", "paper", "--dry-run"), "depth has no preset 'paper'"),
    ],
)
def test_wrong_names_are_one_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reproduce", *arguments, "--out", str(tmp_path / "out")) == 2
    out, err = capsys.readouterr()
    assert not out and words in err and err.count("\n") == 1
    assert not (tmp_path / "out").exists()
