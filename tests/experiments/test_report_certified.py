"""The report's certificate by distance: first in the table, in the verdict, its draw kept."""

import json

import numpy as np
import pandas as pd
import pytest
from command_line import run

from sparsebounds import bounds
from sparsebounds.experiments.report import certified
from sparsebounds.experiments.shared.distance.recipe import RECIPES, Recipe

SMALL = ("--arch", "mlp", "--width", "8", "--depth", "1", "--no-tree", "--epochs", "1")


@pytest.fixture
def short(monkeypatch) -> None:
    monkeypatch.setitem(RECIPES, "report", Recipe(1, 1, 1, (1, 1), (300, 100, 60, 100), (1.0,), 1, rate=1e-2))


def test_the_row_and_the_verdict(short, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert run("report", *SMALL, "--out", str(out)) == 0
    said = capsys.readouterr().out
    rows = pd.read_csv(out / "rows.csv")
    row = rows[rows["bound"] == certified.BOUND].iloc[0]
    assert row["guarantee"] == "certificate" and row["test_error"] < row["value"] < 1
    table = said.partition("───")[2].splitlines()[1:]
    assert table[0].split()[0] == "distance" and "held-out bound of the frozen reference" in " ".join(said.split())
    verdict = " ".join(said.split()).rpartition("mlp: with probability 99.9 %")[2]
    assert (
        verdict.startswith(" a network of this kind")
        and "informative; norms of the layers alone say nothing" in verdict
    )
    terms = [one for one in json.loads((out / "terms.json").read_text("utf-8")) if one["bound"] == certified.BOUND]
    assert terms[0]["terms"]["m"] == 719 and terms[0]["value"] == pytest.approx(row["value"])
    drawn = bounds.Draw.load(next((out / "checkpoints").glob("mlp*draw*.npz")))
    assert f"{drawn.fingerprint}" == terms[0]["terms"]["fingerprint of the weights"]

    assert run("report", *SMALL, "--out", str(out)) == 0  # the same configuration: never drawn again
    again = pd.read_csv(out / "rows.csv")
    assert again[again["bound"] == certified.BOUND].iloc[0]["value"] == row["value"]


def test_too_few_images_leave_the_reason(tmp_path) -> None:
    assert run("report", *SMALL, "--train", "20", "--batch-size", "10", "--out", str(tmp_path / "out")) == 0
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    row = rows[rows["bound"] == certified.BOUND].iloc[0]
    assert np.isnan(row["value"]) and "no sample of class" in row["note"]


def test_without_it(tmp_path) -> None:
    assert run("report", *SMALL, "--no-certificate", "--out", str(tmp_path / "out")) == 0
    assert certified.BOUND not in set(pd.read_csv(tmp_path / "out" / "rows.csv")["bound"])
