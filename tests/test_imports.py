"""bounds knows nothing of nets, nets nothing of bounds, and neither of experiments."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FORBIDDEN = {
    "bounds": {"sparsebounds.nets", "sparsebounds.experiments", "nets", "experiments", "bounds", "tests"},
    "nets": {"sparsebounds.bounds", "sparsebounds.experiments", "bounds", "experiments", "nets", "tests"},
}


def imported(source: str) -> set[str]:
    """Top-level names a module imports anywhere in its text, also inside functions and by importlib."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"import_module", "__import__"} and isinstance(node.args[0].value, str):
                names.add(node.args[0].value.split(".")[0])
    return names


@pytest.mark.parametrize("package", sorted(FORBIDDEN))
def test_import_directions(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files, f"no source in {package}"
    broken = {
        str(file.relative_to(ROOT)): sorted(found)
        for file in files
        if (found := imported(file.read_text(encoding="utf-8")) & FORBIDDEN[package])
    }
    assert not broken


@pytest.mark.parametrize(
    "line",
    [
        "import nets",
        "import nets.data as d",
        "from nets.data import load",
        "def f():\n    from nets import data",
        "import importlib\nimportlib.import_module('nets.data')",
    ],
)
def test_the_walk_sees_every_kind_of_import(line: str) -> None:
    assert "nets" in imported(line)


def test_the_walk_leaves_relative_imports_alone() -> None:
    assert imported("from . import nets\nfrom .nets import x") == set()


@pytest.mark.parametrize("package", ["bounds", "nets", "experiments"])
def test_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()
