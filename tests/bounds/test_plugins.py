"""Bounds of other packages: whatever they are, `import` works, and no row claims what was not checked."""

import json
import math
import re
import types
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import run, strict

from sparsebounds import bounds
from sparsebounds.bounds import plugins, registry
from sparsebounds.bounds.audit.contract import check_contract
from sparsebounds.bounds.plugins import PluginWarning

W = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
X = np.random.default_rng(1).normal(size=(50, 4)).astype(np.float32)
Y = np.random.default_rng(2).integers(0, 3, 50)
SAID: dict[str, Any] = {"summary": "s", "guarantee": "certificate", "assumes": (), "source": "somebody"}


@bounds.declare(**SAID)
def sound(graph: Any, sample: Any, *, delta: float) -> bounds.Bound:
    """The trivial bound: 1."""
    return bounds.Bound(1.0, 0.0, 1.0, 0.0, 1.0, delta, "certificate", {"one": 1.0}, "somebody")


@bounds.declare(**SAID)
def unsound(graph: Any, sample: Any, *, delta: float) -> bounds.Bound:
    """The error on the sample, and nothing for the class."""
    found = sample.train_error
    return bounds.Bound(found, found, 0.0, 0.0, 1.0, delta, "certificate", {"train": found}, "somebody")


def raising() -> None:
    raise RuntimeError("stale: moved\nelsewhere")


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Offer names → what loading them does, of the package "others" 1.0."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(registry, "BOUNDS", dict(registry.BOUNDS))
    monkeypatch.setattr(registry, "PLUGINS", {})
    for module in ("sparsebounds.experiments.check_bound", "sparsebounds.experiments.listing"):
        monkeypatch.setattr(f"{module}.PLUGINS", registry.PLUGINS)
    monkeypatch.setattr(bounds, "BOUNDS", registry.BOUNDS)
    monkeypatch.setattr("sparsebounds.bounds.table_arguments.BOUNDS", registry.BOUNDS)

    def offer(**offered: Any) -> None:
        dist = types.SimpleNamespace(name="others", version="1.0")
        entries = [
            types.SimpleNamespace(name=name, value=f"o:{name}", module=__name__, dist=dist, load=load)
            for name, load in offered.items()
        ]
        monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == "sparsebounds.bounds" else [])
        registry.add_installed(bounds.__all__)

    return offer


def row(name: str) -> Any:
    return bounds.table(lambda x: x @ W, X, Y, names=[name]).iloc[0]


def test_what_is_stale_is_left_out_with_a_warning(install: Callable[..., None]) -> None:
    with pytest.warns(PluginWarning, match="stale_one of others is left out: RuntimeError: stale: moved elsewhere"):
        install(stale_one=raising)
    assert "stale_one" not in registry.BOUNDS


def test_a_plugin_that_leaves_the_program_is_left_out(install: Callable[..., None]) -> None:
    with pytest.warns(PluginWarning, match="SystemExit"):
        install(leaving=lambda: exec("raise SystemExit(3)"))


@pytest.mark.parametrize("name", ["galanti", "table", "Graph"])
def test_no_name_of_ours_can_be_taken(name: str, install: Callable[..., None]) -> None:
    before = registry.BOUNDS.get(name)
    with pytest.warns(PluginWarning, match=f"{name} of others is left out: sparsebounds has this name"):
        install(**{name: lambda: sound})
    assert registry.BOUNDS.get(name) is before


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (lambda graph, sample, *, delta: None, "others 1.0 offers a function without a declaration: .*declare"),
        (3, "others 1.0 offers a int without a declaration"),
        (
            bounds.declare(**SAID)(lambda graph, sample, *, delta: 0.1),
            "others 1.0 returned a float; needed a bounds.Bound",
        ),
        (bounds.declare(**SAID)(lambda graph, sample, *, delta: {}["x"]), "others 1.0 fails: KeyError: 'x'"),
        (
            bounds.declare(**SAID)(
                lambda graph, sample, *, delta: bounds.Bound(0.1, 0.3, 0.3, 0.3, 1.0, delta, "certificate")
            ),
            "returned the value 0.1, and its parts sum to 0.9",
        ),
    ],
)
def test_what_is_wrongly_typed_is_a_row_with_the_reason(
    offered: Any, reason: str, install: Callable[..., None]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        install(other=lambda: offered)
        found = row("other")
    assert math.isnan(found["value"]) and found["verdict"] == "not covered"
    assert re.search(reason, found["note"])


def test_unaudited_until_it_has_passed(install: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    install(sound=lambda: sound)
    found = row("sound")
    assert found["guarantee"] == "unaudited" and found["verdict"] == "no guarantee"
    assert "of others 1.0, unaudited: run sparsebounds check-bound sound" in found["note"]
    assert run("list", "bounds", "--json") == 0
    (listed,) = [one for one in strict(capsys.readouterr().out)["rows"] if one["bound"] == "sound"]
    assert (listed["package"], listed["guarantee"]) == ("others 1.0", "unaudited")
    assert run("check-bound", "sound") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "passed: tables show what it declares, until others 1.0 or sparsebounds changes" in said
    found = row("sound")
    assert (found["guarantee"], found["value"], found["note"]) == ("certificate", 1.0, "of others 1.0")


def test_another_version_or_text_is_unaudited_again(install: Callable[..., None]) -> None:
    install(sound=lambda: sound)
    plugin = registry.PLUGINS["sound"]
    plugins.remember_passed(plugin, True)
    assert plugin.audited
    for change in ({"version": "1.1"}, {"sha256": "0"}, {"package": "x"}):
        assert not replace(plugin, origin=replace(plugin.origin, **change)).audited
    place = plugins.cache_folder() / "audited.json"
    entries = json.loads(place.read_text())
    entries["sound"]["sparsebounds"] = "0.0"
    place.write_text(json.dumps(entries))
    assert not plugin.audited
    place.write_text("no JSON")
    assert not plugin.audited


def test_what_is_no_bound_does_not_pass(install: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    install(unsound=lambda: unsound)
    plugins.remember_passed(registry.PLUGINS["unsound"], True)
    assert run("check-bound", "unsound", "--json") == 1
    found = strict(capsys.readouterr().out)
    assert not found["passed"] and found["package"] == "others 1.0"
    assert any("certifies" in one["problem"] for one in found["owes"])
    assert row("unsound")["guarantee"] == "unaudited", "an earlier pass is forgotten"


def test_an_unknown_bound_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check-bound", "nobody") == 2
    assert "unknown bound 'nobody'" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["golowich", "held_out", "peeling"])
def test_our_own_keep_the_contract(name: str) -> None:
    broken = [found for found in check_contract(bounds.BOUNDS[name]) if found.problem]
    assert [found.what[:6] for found in broken] == (["covers"] if name == "held_out" else [])


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda graph, sample, delta: None, "keyword-only"),
        (lambda graph, sample, *, delta=0.1: None, "the caller decides"),
        (lambda graph, sample, *, delta, width: None, "width has no default"),
        (lambda sample, graph, *, delta: None, "it takes sample, graph, delta"),
    ],
)
def test_signatures_are_checked(change: Any, part: str) -> None:
    assert part in check_contract(bounds.declare(**SAID)(change))[0].problem
