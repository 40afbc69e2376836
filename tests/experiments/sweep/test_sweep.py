"""A sweep of four cells and its correlations from end to end, on a Dask cluster inside this process."""

import contextlib
import io
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from command_line import run, strict
from distributed import LocalCluster
from sweeps import ROOT, cells_of, files

from sparsebounds import bounds
from sparsebounds.bounds.plugins import Origin, measure_of
from sparsebounds.experiments.correlate.networks import read_cells

CONFIG = """
[factors]
dataset = ["digits"]
train = [60]
width = [4]
depth = [1]
sparsity = ["dense", "random@0.5"]
learning_rate = [0.05, 0.1]
[settings]
cross_entropy = 1.5
epochs = 200
bounds = ["galanti", "held_out", "parameter_count"]
measures = ["params", "theirs", "raising"]
scalar_nodes = ["galanti"]
"""
QUANTITIES = {"galanti", "galanti (scalar)", "held_out", "parameter_count", "params", "theirs", "raising"}
SAID: dict[str, Any] = {"formula": "1", "source": "theirs", "needs": "weights"}


@bounds.declare_measure(**SAID)
def theirs(subject: bounds.Subject) -> float:
    """Number of layers."""
    return float(len(subject.weights))


@bounds.declare_measure(**SAID)
def raising(subject: bounds.Subject) -> float:
    """Nothing."""
    raise ZeroDivisionError("their fault")


class Swept(NamedTuple):
    """A finished sweep, and how to go on with it."""

    out: Path
    config: Path
    scheduler: str
    document: dict[str, Any]


def sweep(config: Path, out: Path, scheduler: str, *more: str) -> dict[str, Any]:
    """The document of `sparsebounds sweep --json`, which has to succeed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert run("sweep", str(config), "--out", str(out), "--scheduler", scheduler, "--json", *more) == 0
    return dict(strict(said.getvalue()))


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    """Four cells, measured also by two measures of another package."""
    folder = tmp_path_factory.mktemp("sweep")
    config, out = folder / "four.toml", folder / "out"
    config.write_text(CONFIG)
    local: dict[str, Any] = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with pytest.MonkeyPatch.context() as patch, LocalCluster(**local) as cluster:
        for name, found in (("theirs", theirs), ("raising", raising)):
            patch.setitem(bounds.MEASURES, name, measure_of(name, found, Origin("others", "1.0", "")))
        document = sweep(config, out, cluster.scheduler_address)
        yield Swept(out, config, cluster.scheduler_address, document)


def test_what_a_sweep_says(swept: Swept) -> None:
    said = swept.document
    assert {key: said[key] for key in ("name", "cells", "done", "computed", "broken", "failed")} == {
        "name": "four", "cells": 4, "done": 4, "computed": 4, "broken": 0, "failed": [],
    }  # fmt: skip
    assert said["folder"] == str(swept.out) and 0 < said["seconds"] < 600


def test_documents_are_as_documented(swept: Swept, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    assert run("correlate", str(swept.out), "--json") == 0
    for command, document in (("sweep", swept.document), ("correlate", strict(capsys.readouterr().out))):
        assert (document["command"], document["format"]) == (command, 1)
        assert set(document) - {"command", "format"} == set(re.findall(rf"^\| `{command}` \| `(\w+)`", page, re.M))


def test_the_folder_is_one_table(swept: Swept) -> None:
    rows = cells_of(swept.out)
    assert len(files(swept.out)) == rows["cell"].nunique() == 4
    for _, cell in rows.groupby("cell"):
        assert {name for name in cell["quantity"] if not name.startswith("topology_")} == QUANTITIES
        assert cell["reached"].all() and cell["cross_entropy"].max() <= 1.5 and cell["gap"].nunique() == 1
    of_bounds = rows[rows["kind"] == "bound"]
    assert np.isfinite(of_bounds["value"]).all() and (of_bounds["capacity"] > 0).all()
    assert set(rows.loc[rows["quantity"] == "held_out", "kind"]) == {"held out"}


def test_measures_of_another_package_take_part(swept: Swept) -> None:
    """One that raises is a row with the reason, and the cell is not lost."""
    rows = cells_of(swept.out).set_index("quantity")
    assert rows.loc["theirs", "value"].tolist() == [2.0] * 4
    assert rows.loc["raising", "value"].isna().all()
    assert set(rows.loc["raising", "note"]) == {"ZeroDivisionError: their fault"}


def test_a_finished_sweep_is_not_done_again_unasked(swept: Swept, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in files(swept.out)}
    assert run("sweep", str(swept.config), "--out", str(swept.out), "--scheduler", swept.scheduler) == 2
    assert "--resume goes on" in " ".join(capsys.readouterr().err.split())
    assert sweep(swept.config, swept.out, swept.scheduler, "--resume")["computed"] == 0
    assert {path: path.stat().st_mtime_ns for path in files(swept.out)} == before


def test_what_is_missing_is_computed_alone(swept: Swept, tmp_path: Path) -> None:
    out = shutil.copytree(swept.out, tmp_path / "out")
    gone, broken, *_ = files(out)
    gone.unlink()
    broken.write_bytes(broken.read_bytes()[:-9])
    said = sweep(swept.config, out, swept.scheduler, "--resume")
    assert (said["computed"], said["broken"], said["done"]) == (2, 1, 4)
    pd.testing.assert_frame_equal(cells_of(out), cells_of(swept.out), check_exact=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("galanti", "galant"), "unknown bound 'galant': choose from"),
        (("theirs", "thers"), "unknown measure 'thers': choose from"),
        (("theirs", "none"), "unknown measure 'none'"),
    ],
)
def test_names_are_looked_at_before_anything_starts(
    change: tuple[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong.toml").write_text(CONFIG.replace(*change))
    assert run("sweep", str(tmp_path / "wrong.toml"), "--out", str(tmp_path / "out")) == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


@pytest.fixture
def correlated(swept: Swept, tmp_path: Path) -> Path:
    """A copy of the folder, with a column of the user's own."""
    out = shutil.copytree(swept.out, tmp_path / "out")
    cells = cells_of(out).drop_duplicates("cell")
    (out / "own").mkdir()
    cells.assign(mine=2 * cells["gap"])[["cell", "mine"]].to_csv(out / "own" / "mine.csv", index=False)
    return out


def test_correlations_of_a_sweep(correlated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("correlate", str(correlated), "--json") == 0
    said = strict(capsys.readouterr().out)
    assert (said["networks"], said["short"]) == (4, 0)
    assert set(said["environments"]) == {"sparsity", "learning_rate"}
    assert said["environments"]["sparsity"] == {"environments": 2, "pairs": 2, "lone": 0}
    rows = {row["quantity"]: row for row in said["rows"]}
    assert set(rows) >= QUANTITIES
    assert rows["mine"]["kind"] == "own" and rows["mine"]["tau_gap"] == rows["mine"]["psi"] == 1
    assert rows["theirs"]["note"] == "the same for all networks: it ranks nothing"
    assert rows["raising"]["note"].startswith("defined for 0 of 4 networks") and rows["raising"]["tau_gap"] is None
    for name in ("correlations.png", "scatter.png"):
        assert (correlated / name).read_bytes().startswith(b"\x89PNG")
    assert len(pd.read_csv(correlated / "correlations.csv")) == len(rows)


def test_without_pairs_there_is_no_granulated_statistic(correlated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As after a Sobol sample: NaN, and why."""
    config = json.loads((correlated / "config.json").read_text())
    config["config"]["design"] = "sobol"
    (correlated / "config.json").write_text(json.dumps(config))
    assert run("correlate", str(correlated), "--json") == 0
    mine = next(row for row in strict(capsys.readouterr().out)["rows"] if row["quantity"] == "mine")
    assert mine["tau_gap"] == 1 and mine["psi"] is None and mine["sign_error"] is None
    assert mine["note"].startswith("no two networks differ in one hyper-parameter alone")


def test_environments_of_one_network_are_counted(correlated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files(correlated)[0].unlink()
    assert run("correlate", str(correlated), "--json") == 0
    found = strict(capsys.readouterr().out)["environments"]
    assert found["sparsity"] == found["learning_rate"] == {"environments": 1, "pairs": 1, "lone": 1}
    files(correlated)[0].unlink()
    assert run("correlate", str(correlated), "--json") == 2
    assert "needed at least 3" in " ".join(capsys.readouterr().err.split())


def test_a_part_of_the_networks_and_another_folder(
    correlated: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What --out wrote is a folder that `correlate` reads too, with the same cells."""
    cells, there = tmp_path / "cells", tmp_path / "there"
    shutil.copytree(correlated, cells, ignore=shutil.ignore_patterns("correlations.*", "scatter.png"))
    assert run("correlate", str(cells), "--out", str(there)) == 0
    assert not (cells / "correlations.csv").exists() and (there / "correlations.png").exists()
    pd.testing.assert_frame_equal(read_cells(there), read_cells(cells))
    capsys.readouterr()
    assert run("correlate", str(there), "--where", "sparsity == 'dense' or learning_rate < 0.07", "--json") == 0
    assert strict(capsys.readouterr().out)["networks"] == 3
    for where, said in (("sparsty == 1", "is no condition on the columns"), ("depth > 9", "holds for no network")):
        assert run("correlate", str(there), "--where", where) == 2
        assert said in " ".join(capsys.readouterr().err.split())
