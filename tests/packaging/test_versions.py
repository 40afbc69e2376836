"""The lowest and the newest versions of what we depend on, really installed; without an index the test is skipped."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from environments import built, called, copy_of_checkout
from source_tree import ROOT

pytestmark = pytest.mark.slow
DEPENDENCIES = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
SUBSET = """
import doctest, sys, warnings
warnings.filterwarnings("error", module="sparsebounds")
import numpy as np
from flax import nnx
from sparsebounds import bounds, nets
rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 6, 6, 1)).astype(np.float32), rng.integers(0, 3, 200)
model = nnx.Sequential(nnx.Conv(1, 4, (3, 3), padding="VALID", rngs=nnx.Rngs(0)), nnx.relu,
                       lambda x: x.reshape(len(x), -1), nnx.Linear(64, 3, rngs=nnx.Rngs(1)))
rows = bounds.table(model, x, y, x, y, repetitions="natural")
assert rows.value.notna().sum() > 15, rows
namespace = {}
exec("\\n".join(e.source for e in doctest.DocTestParser().get_examples(bounds.Theorem.__doc__)), namespace)
failed = 0
for name in ("peeling", "galanti", "golowich", "path_norm", "bartlett", "occam", "gonon"):
    module = sys.modules[bounds.BOUNDS[name].__module__]
    for test in doctest.DocTestFinder().find(module, extraglobs={k: namespace[k] for k in ("graph", "sample")}):
        failed += doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE).run(test).failed
mlp = nets.MLP((36, 8, 3), rngs=nnx.Rngs(0))
assert bounds.read_graph(mlp, x[:2]).classes == 3
sys.exit(failed)
"""


def pins(which: str) -> list[str]:
    return [re.sub(r">=", "==", text) for text in DEPENDENCIES] if which == "lowest" else list(DEPENDENCIES)


def test_every_dependency_has_a_lowest_version() -> None:
    assert all(re.fullmatch(r"[\w-]+>=\d+(\.\d+)*", text) for text in DEPENDENCIES)


@pytest.mark.parametrize("which", ["lowest", "newest"])
def test_versions(which: str, tmp_path: Path) -> None:
    called(sys.executable, "-m", "venv", tmp_path / "environment", cwd=tmp_path)
    python = tmp_path / "environment" / "bin" / "python"
    install = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    done = subprocess.run([*install, *pins(which)], capture_output=True, text=True)
    if "No matching distribution" in done.stderr and "from versions: none" in done.stderr:
        pytest.skip(f"needs an index of packages for the {which} versions")
    assert done.returncode == 0, done.stderr
    wheel = built("wheel", copy_of_checkout(tmp_path / "checkout"), tmp_path / "dist")
    subprocess.run([*install, "--no-deps", wheel], check=True)
    called(python, "-c", SUBSET, cwd=tmp_path)
    assert "galanti" in called(tmp_path / "environment" / "bin" / "sparsebounds", "list", "bounds", cwd=tmp_path)
