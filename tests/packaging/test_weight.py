"""A base installation is light: what it adds to jax, flax, optax, numpy and pandas, in megabytes and in seconds."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest
from source_tree import ROOT

pytestmark = pytest.mark.slow
FIRST = ("jax", "flax", "optax", "numpy", "pandas")
MEGABYTES, SECONDS = 60, 10.0
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TIMED = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def name_of(requirement: str) -> str:
    return re.split(r"[ ;<>=!~\[(]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def pulled_in(names: list[str]) -> set[str]:
    """These and all that they require, extras left out."""
    found, todo = set(), [name_of(name) for name in names]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        try:
            requires = distribution(name).requires or []
        except PackageNotFoundError:  # for another platform
            continue
        found.add(name)
        todo += [name_of(text) for text in requires if "extra ==" not in text]
    return found


def megabytes(name: str) -> float:
    files = distribution(name).files or []
    return sum(file.size or 0 for file in files) / 1e6


def seconds(modules: str) -> float:
    """The shortest of three, each in a process of its own."""
    command = [sys.executable, "-c", TIMED.format(modules)]
    return min(float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(3))


def test_megabytes() -> None:
    more = pulled_in(PROJECT["dependencies"]) - pulled_in(list(FIRST))
    assert not more & {"matplotlib", "scikit-learn", "onnx", "dask", "torch"}
    assert sum(map(megabytes, more)) < MEGABYTES, {name: round(megabytes(name), 1) for name in more}


def test_seconds() -> None:
    alone, ours = seconds(", ".join(FIRST)), seconds("sparsebounds.bounds, sparsebounds.nets")
    assert ours - alone < SECONDS


def test_no_extra_is_imported() -> None:
    script = "import sys; from sparsebounds import bounds, nets; print(*(m for m in sys.modules if '.' not in m))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not {"matplotlib", "sklearn", "onnx", "dask", "altair", "jinja2"} & set(done.stdout.split())
