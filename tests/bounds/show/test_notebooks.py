"""What objects say of themselves in a shell and in a notebook: short, whole, escaped, never below a bound."""

import html
import json
import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from shown import found, measured, trained

from sparsebounds import bounds
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.bound_table import BoundTable

HOSTILE = '<img src=x onerror="alert(1)"></td><script>alert(2)</script>'
REASON = "not covered: " + "a long reason, word by word, " * 12


@pytest.fixture(scope="module")
def table() -> BoundTable:
    f, x, y, *_ = trained()
    return bounds.table(f, x, y, names=["galanti", "occam", "held_out", "golowich", "path_norm_layered"])


def cells(text: str) -> list[list[str]]:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", text, flags=re.DOTALL)
    return [[html.unescape(one) for one in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)] for row in rows]


def test_reprs_are_one_short_line_with_what_matters() -> None:
    graph, sample, *_ = measured()
    bound = found("occam", None)
    for one in (graph, sample, bound):
        assert len(repr(one)) < 130 and "\n" not in repr(one)
    assert f"m = {sample.m}, 10 classes, inputs 8×8×1" in repr(sample)
    numbers = [float(word) for word in re.findall(r"[\d.]+(?= [=+:]|:)", repr(bound))]
    exact = (bound.value, bound.margin_error, bound.complexity, bound.confidence)
    assert all(0 <= shown - value <= 1e-3 * value for shown, value in zip(numbers, exact, strict=True))
    assert bound.verdict in repr(bound) and "δ = 0.001" in repr(bound)
    outside = replace(bound, value=float("nan"), note="not covered: layer 3 is a sine")
    assert repr(outside) == "<Bound: not covered: layer 3 is a sine>"
    assert "published, no guarantee" in repr(replace(bound, guarantee="published"))


def test_a_bound_in_a_notebook_has_every_factor_escaped() -> None:
    bound = Bound(0.5, 0.2, 0.2, 0.1, 1.0, 0.01, "certificate", {HOSTILE: HOSTILE, "value": 7.0}, HOSTILE, HOSTILE)
    text = bound._repr_html_()
    assert "<img" not in text and "<script" not in text and html.unescape(text).count(HOSTILE) == 4
    shown = cells(text)
    assert ["value", "0.5"] in shown and ["value", "7"] in shown, "a factor of that name takes no part's place"
    real = found("galanti", 1.0)
    assert {name for name, _ in cells(real._repr_html_())} >= set(real.terms) - {"gamma", "delta"}


def test_a_sample_in_a_notebook() -> None:
    _, sample, *_ = measured()
    rows = dict(cells(sample._repr_html_()))
    assert float(rows["training error"].split()[0]) == pytest.approx(100 * sample.train_error, rel=1e-2)
    least, *_, most = rows["margins: least, quartiles, largest"].split(" · ")
    assert float(least) == pytest.approx(sample.margins.min(), rel=1e-3)
    assert float(most) == pytest.approx(sample.margins.max(), rel=1e-3)
    by_hand = replace(sample, fingerprints=None, near=None)
    assert html.escape(by_hand.unchecked) in by_hand._repr_html_() and by_hand.unchecked


def test_a_graph_in_a_notebook_escapes_the_names_of_layers() -> None:
    graph, *_ = measured()
    layers = (*graph.layers[:1], replace(graph.layers[1], name=HOSTILE), *graph.layers[2:])
    text = replace(graph, layers=layers)._repr_html_()
    assert "<img" not in text and HOSTILE in html.unescape(text)


@pytest.mark.parametrize(
    "way", [BoundTable._repr_html_, lambda table: table.styled().to_html()], ids=["html", "styled"]
)
def test_a_table_in_a_notebook(table, way) -> None:
    shown = cells(way(table))
    heads, rows = [one.strip() for one in shown[0]], [[one.strip() for one in row] for row in shown[1:]]
    value, name = heads.index("value"), heads.index("bound")
    assert len(rows) == len(table) and heads[:3] == ["bound", "value", "verdict"] and heads[-1] == "note"
    exact = table.set_index("bound")["value"]
    for row in rows:
        assert row[value] in ("–", "NaN") if np.isnan(exact[row[name]]) else float(row[value]) >= exact[row[name]]
    assert rows[-1][name] == "held_out" and rows[-1][-1] == table.set_index("bound")["note"]["held_out"]
    certified = table[(table["guarantee"] == "certificate") & table["value"].notna()]
    assert [row[name] for row in rows[: len(certified)]] == certified.sort_values("value")["bound"].tolist()


@pytest.mark.parametrize(
    "way", [BoundTable._repr_html_, lambda table: table.styled().to_html()], ids=["html", "styled"]
)
def test_names_and_reasons_stay_whole_and_text(table, way) -> None:
    rows = pd.concat([table, table.assign(bound=HOSTILE, note=REASON, value=np.nan)])  # the index repeats
    text = way(BoundTable(rows))
    assert "<img" not in text and "<script>" not in text
    assert html.unescape(text).count(HOSTILE) == len(table) and text.count(REASON.strip()) == len(table)


def test_the_colour_is_that_of_the_verdict(table) -> None:
    one = {"guarantee": "certificate", "value": 0.1, "bound": "b"}
    for word, colour in (("informative", "#e3f4ea"), ("vacuous", "#fbeade")):
        text = BoundTable([one | {"verdict": word}]).styled().to_html()
        assert text.count(colour) == 1 and re.search(r"#T_\w+_row0_col1, #T_\w+_row0_col2", text)


def test_a_selection_prints_as_pandas_does_and_has_no_style(table, monkeypatch) -> None:
    part = table[["bound", "note"]]
    assert part._repr_html_() == pd.DataFrame(part)._repr_html_()
    with pytest.raises(ValueError, match="lost the column 'value'"):
        part.styled()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "pandas.io.formats.style", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sparsebounds\[page\]'"):
        table.styled()
    assert "galanti" in table._repr_html_(), "the notebook needs no extra"


def test_as_dictionaries_for_json(table) -> None:
    records = json.loads(json.dumps(table.to_dict(orient="records")))
    assert [row["bound"] for row in records] == table["bound"].tolist()
    bound = found("galanti", 1.0)
    again = Bound(**json.loads(json.dumps(bound.to_dict())))
    assert again.value == bound.value and repr(again) == repr(bound)
