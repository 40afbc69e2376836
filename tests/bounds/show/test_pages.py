"""A page: one file that needs nothing else, its words, and that no text of a user becomes markup."""

import json
import re
import sys

import jax
import numpy as np
import pytest
from markupsafe import escape
from shown import measured, trained

from sparsebounds import bounds
from sparsebounds.bounds.bound import Bound, NotCovered
from sparsebounds.bounds.evidence import Evidence, evidence_of
from sparsebounds.bounds.show.layers import energy_maps, shrinking_gains
from sparsebounds.bounds.show.pages.facts import declared, verdict
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity

HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>{{ 7*7 }}'


@pytest.fixture(scope="module")
def table():
    f, x, y, x_test, y_test = trained()
    return bounds.table(f, x, y, x_test, y_test, pixel_range=(-1.0, 1.0))


@pytest.fixture(scope="module")
def text(table) -> str:
    return bounds.page(table, title="Digits")


def own(text: str) -> str:
    """The page without the library of charts."""
    return re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)


def test_it_is_one_small_file_that_names_no_other(text: str, tmp_path) -> None:
    assert len(text.encode()) < 3_000_000
    body = own(text)
    assert not re.findall(r"(?:src|href)=\"(?!#|data:,)", body) and "url(" not in body and "@import" not in body
    assert "default-src 'none'" in body


def test_the_same_table_gives_the_same_page(table, text: str, tmp_path) -> None:
    again = bounds.page(table, tmp_path / "page.html", title="Digits")
    assert again == text == (tmp_path / "page.html").read_text(encoding="utf-8")


def test_every_bound_is_there_with_all_its_factors(table, text: str) -> None:
    body = own(text)
    found = evidence_of(table).bounds
    assert body.count('class="factors"') == sum(bound.covered for bound in found.values())
    for bound in found.values():
        for name in set(bound.terms) - {"gamma", "delta"} if bound.covered else ():
            assert f'<th scope="row">{escape(name)}</th>' in body
    assert "sum_r kappa_r / γ" in body and "|pred| = 9" in body


def test_charts_are_valid_json_with_the_values(table, text: str) -> None:
    specifications = [json.loads(one) for one in re.findall(r'application/json"[^>]*>(.*?)</script>', text, re.DOTALL)]
    assert len(specifications) == 4 + len(evidence_of(table).graph.layers)
    bars = specifications[0]["layer"][0]["data"]["values"]
    assert {row["bound"]: row["value"] for row in bars} == dict(
        table[table["value"].notna()][["bound", "value"]].itertuples(index=False)
    )


def test_hostile_names_stay_text() -> None:
    graph, sample, *_ = measured()
    bound = bounds.golowich(graph, sample, delta=0.01)
    hostile = Bound(0.5, 0.5, 0.0, 0.0, 1.0, 0.1, "published", {HOSTILE: HOSTILE}, HOSTILE, HOSTILE)
    evidence = Evidence({HOSTILE: hostile, "golowich": bound}, graph, sample, notices=(HOSTILE,))
    text = bounds.page({HOSTILE: evidence}, title=HOSTILE)
    assert "<img" not in own(text) and "alert(2)</script>" not in text and "49" not in own(text).split("<style>")[0]
    assert text.count("<script>") == 2


def test_several_networks_have_a_section_each(table) -> None:
    text = own(bounds.page({"one": table, "two": evidence_of(table)}))
    assert text.count("<article") == 2 and text.count('class="network"') == 2
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_verdict_adds_up_the_deltas_of_what_was_picked_from() -> None:
    rows = {str(i): Bound(0.1 + i, 0, 0, 0, 0, 0.01, "certificate") for i in range(5)}
    assert verdict(rows)["headline"].startswith("With probability 95 % the network errs on at most 10 %")
    many = {str(i): Bound(0.1 + i, 0, 0, 0, 0, 0.1, "certificate") for i in range(20)}
    assert verdict(many)["headline"].startswith("Nothing is guaranteed") and "add up to 2:" in verdict(many)["detail"]
    assert verdict({"x": Bound(1.5, 1, 0.5, 0, 0, 0.01, "certificate")})["word"] == "vacuous"
    assert verdict({"x": Bound(0.2, 0.2, 0, 0, 0, 0.01, "published")})["word"] == "no certificate"


def test_of_which_network_the_verdict_speaks() -> None:
    said = verdict({"occam_quantised": Bound(0.2, 0.2, 0, 0, 0, 0.01, "certificate")})
    assert said["headline"] == "With probability 99 % the network rounded to few bits errs on at most 20 % of new data."
    assert verdict({"x": Bound(0.99995, 1, 0, 0, 0, 0.01, "certificate")})["word"] == "vacuous", "as its row says"


def test_only_what_was_claimed_is_called_declared(table) -> None:
    said = dict(declared(evidence_of(table)))
    assert said["every coordinate that can occur lies in"] == "-1 to 1"
    assert said["inputs that repeat"] == "counted" and "no" not in said.values() and "–" not in said.values()
    claimed = declared(Evidence({}, said={"mask_fixed": True, "pixel_range": None, "simultaneous": False}))
    assert claimed == [("the zeros of the weights were fixed without the sample", "yes")]


def test_a_copy_is_refused_since_nothing_stands_behind_it(table) -> None:
    with pytest.raises(ValueError, match="lost what stands behind it"):
        bounds.page(table.copy())
    with pytest.raises(ValueError, match="came a int"):
        bounds.page(3)


def test_a_network_without_a_graph_and_one_outside_galanti_have_pages() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    w = rng.normal(size=(4, 3)).astype(np.float32)
    y = np.argmax(x @ w, axis=1)
    f = lambda x: jax.numpy.cumprod(1 + x @ w, axis=1)  # noqa: E731
    labels = np.argmax(np.asarray(f(x)), axis=1)
    text = own(bounds.page(bounds.table(f, x, labels, names=["occam", "galanti"])))
    assert "1 without a number, and why" in text and "cumprod" in text
    with pytest.warns(UserWarning, match="no better than chance"):
        squares = bounds.table(lambda x: (x @ w) ** 2, x, y, names=["occam"])
    assert "Not ranked: " in own(bounds.page(squares))


def test_a_missing_extra_is_named(table, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sparsebounds\[page\]'"):
        bounds.page(table)


def test_energy_maps_have_the_shape_of_the_image() -> None:
    graph, *_ = measured()
    x = np.asarray(trained()[1][:20])
    maps = energy_maps(graph, x)
    assert [heat.values.shape for heat in maps] == [(8, 8), (3, 3), (1, 10)]
    assert np.allclose(maps[0].values, np.mean(x[..., 0] ** 2, axis=0))


def test_gains_are_those_of_pruning_by_hand() -> None:
    graph, sample, *_ = measured()
    gains = shrinking_gains(graph, sample, 0.5)
    sparse = bounds.pruned(graph, 1, 0.5)
    name = graph.layers[1].name
    now, then = (vector_complexity(one, sample.energies, sample.m).value for one in (graph, sparse))
    assert gains[name] == pytest.approx(1 - then / now) and list(gains.values()) == sorted(gains.values(), reverse=True)
    with pytest.raises(NotCovered):
        shrinking_gains(
            bounds.read_graph(lambda x: (x @ np.eye(3, dtype=np.float32)) ** 2, np.ones((2, 3), np.float32)), sample
        )
