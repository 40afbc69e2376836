"""The README shows what the commands print: its table is the committed run, its code is a doctest of its own."""

import io
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from sparsebounds.experiments.cli import WIDTH
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.report.report import final_rows
from sparsebounds.experiments.report.show import report_title
from sparsebounds.experiments.shared.tables import show_table

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results" / "report-digits"


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_the_table_is_that_of_the_committed_run() -> None:
    rows = pd.read_csv(RESULTS / "rows.csv", keep_default_na=True).fillna({"note": ""})
    config = json.loads((RESULTS / "config.json").read_text(encoding="utf-8"))
    printed = io.StringIO()
    show_table(Console(file=printed, width=WIDTH), final_rows(rows), report_title(config), first="distance")
    shown = lines(printed.getvalue())
    assert len(shown) >= 10
    missing = [line for line in shown if line not in lines(README)]
    assert not missing


def test_the_committed_run_is_the_default_one() -> None:
    config = json.loads((RESULTS / "config.json").read_text(encoding="utf-8"))
    default = ReportConfig()
    assert config["options"] == {name: getattr(default, name) for name in config["options"]}


@pytest.mark.parametrize("command", ["report", "test"])
def test_the_commands_are_targets_of_the_makefile(command: str) -> None:
    assert f"make {command}" in README
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


def test_what_the_readme_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    named = re.findall(r"`((?:bounds|nets|experiments|tests|results|benchmarks)/[\w./-]*)`", README)
    assert len(links) >= 2 and len(named) >= 5
    assert not [path for path in links + named if "://" not in path and not (ROOT / path).exists()]


def test_the_readme_has_code_that_runs() -> None:
    assert README.count(">>> ") >= 8
