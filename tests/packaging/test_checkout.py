"""In a checkout `import bounds` gives what `sparsebounds.bounds` gives, and make and CI do what they say."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from environments import called, copy_of_checkout
from source_tree import NAME, PACKAGES, ROOT

pytestmark = pytest.mark.slow
SAME = """
import importlib, bounds, nets, experiments
from bounds import Graph
from nets import data, prune
for short in (bounds, nets):
    long = importlib.import_module(f"sparsebounds.{short.__name__}")
    assert short.__all__ == long.__all__ and all(getattr(short, name) is getattr(long, name) for name in long.__all__)
for second_copy in ("bounds.graph.terms", "nets.data", "experiments.cli"):
    try:
        importlib.import_module(second_copy)
    except ModuleNotFoundError:
        continue
    raise AssertionError(f"{second_copy} was imported a second time")
print(Graph.__module__)
"""
FAKE_MAKE = """#!/bin/sh
printf '%s\\n' "make $*" "data ${SPARSEBOUNDS_DATA:-none}" "input $(cat)"
"""


def test_the_short_names_give_the_same_objects() -> None:
    assert called(sys.executable, "-c", SAME, cwd=ROOT, path=ROOT).split() == ["sparsebounds.bounds.graph.graph"]


def ci(folder: Path, **variables: str) -> list[str]:
    """What .ci/run asks of make, with a make that only says so."""
    shutil.copytree(ROOT / ".ci", folder / "project" / ".ci")
    (folder / "tools").mkdir()
    (folder / "tools" / "make").write_text(FAKE_MAKE)
    (folder / "tools" / "make").chmod(0o755)
    path = f"{folder / 'tools'}{os.pathsep}{os.environ['PATH']}"
    return called(folder / "project" / ".ci" / "run", cwd=folder, PATH=path, **variables).splitlines()


def test_ci_runs_everything_without_input(tmp_path: Path) -> None:
    assert ci(tmp_path, SPARSEBOUNDS_DATA="") == ["make test test-all", "data none", "input "]


def test_ci_finds_the_data_beside_the_checkout(tmp_path: Path) -> None:
    data = tmp_path / "shared" / "data"
    data.mkdir(parents=True)
    assert ci(tmp_path, SPARSEBOUNDS_DATA="")[1] == f"data {data}"


def test_ci_keeps_the_folder_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "shared" / "data").mkdir(parents=True)
    assert ci(tmp_path, SPARSEBOUNDS_DATA="/of/mine")[1] == "data /of/mine"


def test_clean_leaves_sources_and_links(tmp_path: Path) -> None:
    checkout = copy_of_checkout(tmp_path / "checkout")
    before = sorted(path.relative_to(checkout) for path in checkout.rglob("*"))
    for folder in (NAME, "bounds/graph", "nets", "experiments/reproduce/conv", "build", ".mypy_cache", "x.egg-info"):
        (checkout / folder / "__pycache__").mkdir(parents=True)
        (checkout / folder / "__pycache__" / "x.pyc").touch()
    called("make", "clean", cwd=checkout)
    assert sorted(path.relative_to(checkout) for path in checkout.rglob("*")) == before
    assert all((checkout / NAME / package).is_symlink() for package in PACKAGES)
