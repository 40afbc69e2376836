"""`sparsebounds audit`: what it prints and writes, and how it ends."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from sparsebounds import bounds
from sparsebounds.bounds.audit import Row, closest
from sparsebounds.bounds.bound import Bound, declare
from sparsebounds.experiments.audit import Audit, AuditConfig, document, run, show
from sparsebounds.experiments.cli import main

COMMITTED = Path(__file__).resolve().parents[2] / "results" / "audit"


def status(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stop:
        main(["audit", *arguments])
    return stop.value.code


def test_one_bound_as_json(capsys):
    assert status("--bound", "held_out", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    statement, *slips = found["statements"]
    assert [(slip["violated"], slip["violation_expected"]) for slip in slips] == [(False, False), (True, True)] * 2
    assert found["failed"] == 0 and not statement["violated"]
    assert 0.999 < statement["ratio"] <= 1 + 1e-9 and statement["slack"] == pytest.approx(1 / statement["ratio"])
    assert set(statement["twins_caught"]) == {"one error fewer", "δ doubled"}


def test_for_people_and_on_disk(capsys, tmp_path):
    assert status("--bound", "held_out", "--out", str(tmp_path / "audit")) == 0
    shown = capsys.readouterr().out
    assert "held_out" in shown and "No bound that should hold is violated." in shown
    rows = pd.read_csv(tmp_path / "audit" / "rows.csv")
    assert len(rows) == 9 and (rows["violated"] == rows["violation_expected"]).all()
    assert "Closest ratios" in (tmp_path / "audit" / "table.txt").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "audit" / "config.json").read_text(encoding="utf-8"))["names"] == ["held_out"]


def test_twins_inside_the_slack_are_listed_with_it():
    rows = [Row("b", "s", "c", 0.4, 1.0, 0.0, False, (("half of it", 2.0), ("a tenth", 10.0)))]
    result = Audit(AuditConfig(), rows, closest(rows))
    (statement,) = document(result)["statements"]
    assert statement["twins_caught"] == ("a tenth",)
    assert statement["twins_inside_the_slack"] == [{"twin": "half of it", "slack": 2.5}]
    console = Console(record=True, file=io.StringIO(), width=100)
    show(console, result)
    assert ["b", "s:", "half", "of", "it", "2.5"] in [line.split() for line in console.export_text().splitlines()]


def test_a_violation_ends_with_status_one(monkeypatch, capsys):
    @declare(summary="too small", guarantee="certificate", assumes=(), source="nowhere")
    def liar(graph, sample, *, delta):
        return Bound(0.1, 0.0, 0.1, 0.0, 1.0, delta, "certificate", {"nothing": 0})

    monkeypatch.setitem(bounds.BOUNDS, "liar", liar)
    assert status("--bound", "liar") == 1
    shown = capsys.readouterr().out
    assert "VIOLATED" in shown and "A bound is violated." in shown


@pytest.mark.parametrize(("option", "value"), [("--bound", "galant"), ("--preset", "slow")])
def test_a_wrong_name_is_one_line(option, value, capsys):
    assert status(option, value) == 2
    said = capsys.readouterr()
    assert said.out == "" and value in said.err and len(said.err.splitlines()) == 1


def test_a_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert status("--bound", "held_out", "--out", str(tmp_path / "file")) == 2
    assert "--out" in capsys.readouterr().err


def test_the_committed_table_covers_every_certificate():
    rows = pd.read_csv(COMMITTED / "rows.csv")
    certificates = {name for name, b in bounds.BOUNDS.items() if b.declaration.guarantee == "certificate"}
    assert certificates <= set(rows["bound"])
    assert not rows.loc[~rows["violation_expected"], "violated"].any()
    assert rows.loc[rows["bound"] == "galanti_published", "violated"].any()
    slips = rows["statement"].str.endswith(", unchecked")
    assert slips.sum() == 11 and rows.loc[slips, "violated"].all() and rows.loc[slips, "violation_expected"].all()


def test_the_same_twice():
    first, second = (run(AuditConfig(names=("held_out",))).rows for _ in range(2))
    assert first == second
