"""What the commands print at 60, 80 and 120 columns: no word and no number is ever broken, and lines fit."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rich.text import Text

from sparsebounds import bounds
from sparsebounds.bounds.audit import run as audit_run
from sparsebounds.bounds.audit.contract import Finding
from sparsebounds.bounds.audit.overall import closest
from sparsebounds.experiments import audit, check_bound, listing
from sparsebounds.experiments.certify import certify
from sparsebounds.experiments.certify.distance import document
from sparsebounds.experiments.evaluate.options import EvaluateConfig
from sparsebounds.experiments.evaluate.show import show_evaluation
from sparsebounds.experiments.report.report import Report
from sparsebounds.experiments.report.show import show_report
from sparsebounds.experiments.reproduce.architectures.study import counts
from sparsebounds.experiments.reproduce.compositional.summary import summary as compositional
from sparsebounds.experiments.reproduce.conv.summary import summary as conv
from sparsebounds.experiments.reproduce.dynamic.summary import summary as dynamic
from sparsebounds.experiments.reproduce.lottery.summary import summary as lottery
from sparsebounds.experiments.reproduce.run import EXPERIMENTS, planned, show_plan
from sparsebounds.experiments.reproduce.sparsity.summary import summary as sparsity
from sparsebounds.experiments.reproduce.topology.summary import summary as topology
from sparsebounds.experiments.shared.rows import read_rows
from sparsebounds.experiments.shared.screen import Screen, Words
from sparsebounds.experiments.shared.tables import DROP, grid, show_table

RESULTS = Path(__file__).resolve().parents[2] / "results"
WIDTHS = (60, 80, 120)
Show = Callable[[Screen], None]


def printed(show: Show, width: int) -> str:
    stream = io.StringIO()
    show(Screen(file=stream, width=width))
    return stream.getvalue()


def check(show: Show) -> None:
    """At every width the words are words of the widest print, and a line is too long only if it is one word."""
    whole = {*printed(show, 5000).split(), *"at this width without".split()}
    for width in WIDTHS:
        text = printed(show, width)
        lost = {word for word in text.split() if not {word, word.rstrip(",:")} & whole and set(word) != {"─"}}
        assert not lost
        assert not [line for line in text.splitlines() if len(line) > width and len(line.split()) > 1]


def rows_of(name: str) -> pd.DataFrame:
    return read_rows(RESULTS / name / "rows.csv")


def frame() -> pd.DataFrame:
    """Of a small network, with everything that a table can hold."""
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(60, 4)).astype(np.float32), rng.normal(size=(4, 3)).astype(np.float32)
    return bounds.table(lambda v: v @ w, x, (x @ w).argmax(axis=1), x, (x @ w).argmax(axis=1), repetitions="natural")


SUMMARIES: dict[str, Callable[[pd.DataFrame], dict[str, Any]]] = {
    "figure1": conv, "depth": conv, "width": conv, "lottery": lottery, "compositional": compositional,
    "sparsity": sparsity, "dynamic": dynamic, "topology": topology,
    "certificates": lambda rows: {"rows": rows.to_dict(orient="records")},
    "distance": lambda rows: {"rows": rows.to_dict(orient="records")},
    "pareto": lambda rows: {"rows": rows.to_dict(orient="records")},
    "architectures": lambda rows: {"counts": counts(rows), "rows": len(bounds.BOUNDS)},
}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if (RESULTS / name / "rows.csv").exists()])
def test_reproduce(name: str) -> None:
    found = SUMMARIES[name](rows_of(name))
    check(lambda screen: EXPERIMENTS[name].show(screen, found))
    check(lambda screen: show_plan(screen, planned(EXPERIMENTS[name], "quick", Path("results") / f"{name}-quick")))


@pytest.mark.parametrize("kind", listing.KINDS)
def test_list(kind: str) -> None:
    rows = listing.rows_of(kind, EXPERIMENTS.values())
    check(lambda screen: listing.show(screen, kind, rows))


def test_evaluate() -> None:
    table = frame()
    config = EvaluateConfig("a/rather/long/path/to/a/network/of/somebody/model.py:function", Path("x.npz"))
    check(lambda screen: show_evaluation(screen, config, table, None))
    narrow = printed(lambda screen: show_evaluation(screen, config, table, None), 60)
    for head in ("bound", "value", "guarantee", "verdict"):
        assert f" {head}" in narrow.split("───")[0]
    assert "at this width without margin, complexity, confidence, γ" in narrow


@pytest.mark.parametrize("everything", [False, True])
def test_report(everything: bool) -> None:
    place = RESULTS / "examples" / "report"
    report = Report(json.loads((place / "config.json").read_text("utf-8")), rows_of("examples/report"), [])
    check(lambda screen: show_report(screen, report, Path("results/report-digits"), everything=everything))
    text = printed(lambda screen: show_report(screen, report, Path("results/report-digits")), 80)
    tables = [line.split()[0] for line in text.splitlines() if line.split()[1:3] == ["digits:", "1437"]]
    assert tables == ["conv,", "tree,"]
    first = next(line.split()[0] for line in text.splitlines()[4:] if line.startswith(" "))
    assert first == "distance"
    last = " ".join(text.split()).rpartition("tree: with probability 99.9 %")[2]
    assert "of new images: informative; norms of the layers alone say nothing: smallest" in last and len(last) < 200


def test_certify() -> None:
    runs = sorted((RESULTS / "distance" / "runs").glob("*/certificate.json"))
    found = json.loads(runs[0].read_text(encoding="utf-8"))
    check(lambda screen: document.show(screen, found))


def test_certify_in_a_class() -> None:
    found = {
        "task": "mnist10-filters", "form": "boxes", "seed": 0, "delta": 1e-3, "value": 0.17, "test_error": 0.02,
        "ramp": 0.1, "complexity": 0.05, "confidence": 0.02, "m": 55000, "labels_used": True,
        "limits": {"ramp": 0.6, "complexity": 0.3, "confidence": 0.1, "ramp per class": {"3": 0.04},
                   "complexity per split of the classes": {"0 1 2 against 3 4 5": 0.01},
                   "complexity if all up to this layer were fixed": {"input": 0.05, "filters": 0.02},
                   "positions": [{"position": "(3, 4)", "share": 0.02}]},
        "space": {"name": "MNIST", "version": 2, "hash": "0123456789abcdef"}, "terms": {"nats: configuration": 12.3},
        "held_out": {"test images": {"of": 10000, "value": 0.03}}, "left_out": {"images": 5000},
    }  # fmt: skip
    check(lambda screen: certify.show(screen, found))


def test_audit_and_check_bound() -> None:
    row = audit_run.Row("held_out", "certificate", "by heart, 1000000 points, m = 100000", 0.5, 0.4, 0.0, False,
                        (("half the complexity", 2.0), ("without the union", 1.1)))  # fmt: skip
    found = audit.Audit(audit.AuditConfig(), [row], closest([row]))
    check(lambda screen: audit.show(screen, found))
    kept = [Finding("a certificate is not below the true error of random labels", "two layers: certifies 0.1")]
    checked = check_bound.Checked("mine", "a-package 1.0", kept, closest([row]), True)
    check(lambda screen: check_bound.show(screen, checked))


def test_a_table_of_bounds_prints_what_matters(monkeypatch: pytest.MonkeyPatch) -> None:
    table = frame()
    whole = {
        str(word)
        for word in [*table.columns, *table["bound"], *table["guarantee"], *" ".join(table["verdict"]).split()]
    }
    for width in WIDTHS:
        monkeypatch.setenv("COLUMNS", str(width))
        lines = repr(table).splitlines()
        assert max(map(len, lines)) <= width and len(lines) == len(table) + 1
        assert lines[0].split()[:4] == ["bound", "value", "guarantee", "verdict"]
        assert all(set(line.split()) & set(table["bound"]) for line in lines[1:])
        assert {word for word in repr(table).split() if word.isalpha()} <= whole | {"NaN", "nan", "inf"}


def test_columns_go_in_the_order_that_is_stated() -> None:
    table = frame()
    for width in WIDTHS:
        text = printed(lambda screen: show_table(screen, table, "t"), width)
        heads = next(line for line in text.splitlines() if line.startswith(" bound")).split()
        gone = [name for name in DROP if name in ("γ", "confidence", "complexity", "margin") and name not in heads]
        assert gone == [name for name in DROP if name != "nodes"][: len(gone)]


def test_what_does_not_fit_at_all_is_shown_row_by_row() -> None:
    shown = printed(lambda screen: screen.print(grid("t", ("a", "b"), [("x" * 70, "y" * 70)])), 60)
    assert [line.strip() for line in shown.splitlines()[2:4]] == ["x" * 70, "b: " + "y" * 70] or "y" * 70 in shown


def test_text_is_no_markup() -> None:
    assert printed(lambda screen: screen.print("a [bold]name[/bold] of [red]somebody"), 60).startswith("a [bold]name")
    assert printed(lambda screen: screen.print(Words(Text("x y"), 1)), 60) == " x y\n"
