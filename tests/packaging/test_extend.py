"""docs/extend.md, "Add a norm term in ten minutes", as it is written: the project built, installed, listed, checked."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from environments import OFFLINE, Environment, built, copy_of_checkout, empty_environment, linked_dependencies
from source_tree import ROOT

GUIDE = (ROOT / "docs" / "extend.md").read_text(encoding="utf-8")
EXAMPLE = ROOT / "examples" / "norm-term"
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", GUIDE, flags=re.S))


def test_the_guide_shows_the_project() -> None:
    assert FILES == {path.name: path.read_text(encoding="utf-8") for path in EXAMPLE.iterdir() if path.is_file()}


@pytest.mark.slow
def test_the_guide_works_in_an_empty_environment(tmp_path: Path) -> None:
    dependencies = linked_dependencies(tmp_path / "dependencies")
    packages = empty_environment(tmp_path / "environment", dependencies)
    environment = Environment(tmp_path / "environment", packages)
    environment.pip("install", *OFFLINE, built("wheel", copy_of_checkout(tmp_path / "checkout"), tmp_path / "dist"))
    project = tmp_path / "project"
    project.mkdir()
    for name, text in FILES.items():
        (project / name).write_text(text, encoding="utf-8")
    (project / "home").mkdir()
    said = [_run(line, environment, project) for line in GUIDE.partition("```sh\n")[2].partition("```")[0].splitlines()]
    listed, checked = said[1], " ".join(said[2].split())
    assert re.search(r"frobenius_product\s+unaudited", listed) and "norm-term" in listed
    assert "passed: tables show what it declares, until norm-term 0.1.0 or sparsebounds changes" in checked
    assert re.search(r"frobenius_product\s+certificate", _run("sparsebounds list bounds", environment, project))
    _stale(packages)
    broken = _run("sparsebounds list bounds", environment, project)
    assert "frobenius_product" not in broken and "galanti" in broken


def _run(line: str, environment: Environment, folder: Path) -> str:
    """A line of the guide; pip and python are those of the environment, which borrows pip and pytest."""
    words = line.split()
    if words[:2] == ["pip", "install"]:
        environment.pip("install", *OFFLINE, str(folder))
        return ""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    variables = {**kept, "XDG_CACHE_HOME": str(folder / "home"), "COLUMNS": "120"}
    command = [str(environment.python if words[0] == "python" else environment.command), *words[1:]]
    done = subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _stale(packages: Path) -> None:
    """The module is gone, its entry point stays."""
    (packages / "frobenius_product.py").unlink()
    shutil.rmtree(packages / "__pycache__", ignore_errors=True)
