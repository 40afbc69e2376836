"""The version of a cell's code: all that can change its numbers, and nothing else."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sparsebounds.bounds.plugins import Origin
from sparsebounds.experiments.sweep import version
from sparsebounds.experiments.sweep.version import LEFT_OUT, PACKAGE, digest_of, sources

THEIRS = Origin("others", "1.0", "ab" * 32)


def imported(path: Path) -> Iterator[Path]:
    """The files of this project that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            first, *parts = name.split(".")
            if first == "sparsebounds" and parts:
                place = PACKAGE.joinpath(*parts)
                yield from filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py"))


def test_all_that_a_cell_is_made_by_is_hashed() -> None:
    todo, seen = [PACKAGE / "experiments/sweep/work.py"], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += imported(path)
    hashed = set(sources())
    assert {PACKAGE / "nets/losses.py", PACKAGE / "bounds/reader/read.py"} <= seen & hashed
    missing = {path.relative_to(PACKAGE).as_posix() for path in seen - hashed}
    assert {name for name in missing if not name.startswith(LEFT_OUT)} == set()
    named = {path for path in hashed if path.relative_to(PACKAGE).parts[0] == "experiments"}
    assert named <= seen  # no file is named that a cell does without


def test_another_version_of_another_package_is_another_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    plain, one = digest_of({}), digest_of({"theirs": THEIRS})
    others = [
        {"theirs": replace(THEIRS, version="1.1")},
        {"theirs": replace(THEIRS, sha256="cd" * 32)},  # an editable installation
        {"renamed": THEIRS},
        {"theirs": THEIRS, "more": THEIRS},
    ]
    assert len({plain, one, *map(digest_of, others)}) == 6
    assert digest_of({"b": THEIRS, "a": THEIRS}) == digest_of({"a": THEIRS, "b": THEIRS})
    changed = tmp_path / "sparsebounds"
    for path in sources():
        copy = changed / path.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(version, "PACKAGE", changed)
    assert digest_of({}) == plain
    (changed / "experiments/sweep/cluster.py").write_text("# who runs the cells\n")
    assert digest_of({}) == plain
    (changed / "nets/losses.py").open("a").write("# another version\n")
    assert digest_of({}) != plain
