"""The source text of the three packages, and what each file imports, by the text alone: nothing is run."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("bounds", "nets", "experiments")
NAME = "sparsebounds"
COMPUTED = "a module whose name is computed"

Tree = Mapping[str, str]
"""Path below the root, "bounds/graph/graph.py" → text."""


@dataclass(frozen=True)
class Import:
    """One name that a file imports."""

    file: str
    module: str
    """As written; with leading dots where it is relative."""
    name: str | None
    """After `from … import`."""
    alias: str
    """What the file calls it."""
    target: str | None
    """The file of the tree that it comes from; None for what stands outside the three packages."""
    lazy: bool
    """Inside a function."""


def read_tree(*folders: str) -> dict[str, str]:
    """All Python files below the folders."""
    files = (file for folder in folders for file in sorted((ROOT / folder).rglob("*.py")))
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


def face_of(folder: str) -> str:
    return f"{folder}/__init__.py"


def folder_of(file: str) -> str:
    return file.rpartition("/")[0]


def file_of(tree: Tree, module: str) -> str | None:
    """The file of a module sparsebounds.…, None where the tree has none."""
    package, _, inner = module.partition(".")
    path = inner.replace(".", "/")
    if package != NAME or not path:
        return None
    return next((file for file in (f"{path}.py", face_of(path)) if file in tree), None)


def imports(tree: Tree) -> list[Import]:
    """Every import of every file, also those inside functions and by importlib."""
    return [
        Import(file, module, name, alias, _target(tree, module, name), lazy)
        for file, text in tree.items()
        for module, name, alias, lazy in imports_of(text)
    ]


@cache
def parsed(text: str) -> ast.Module:
    return ast.parse(text)


@cache
def imports_of(text: str) -> tuple[tuple[str, str | None, str, bool], ...]:
    """(module, name, alias, lazy) of every import of a text."""
    return tuple(_walk(parsed(text), lazy=False))


def _walk(node: ast.AST, *, lazy: bool) -> Iterator[tuple[str, str | None, str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield alias.name, None, alias.asname or alias.name.partition(".")[0], lazy
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                yield "." * child.level + (child.module or ""), alias.name, alias.asname or alias.name, lazy
        elif isinstance(child, ast.Call) and _called(child) in {"import_module", "__import__"}:
            first = child.args[0] if child.args else None
            text = first.value if isinstance(first, ast.Constant) else COMPUTED
            yield str(text), None, "", True
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _walk(child, lazy=lazy or inside)


def _target(tree: Tree, module: str, name: str | None) -> str | None:
    return (file_of(tree, f"{module}.{name}") if name else None) or file_of(tree, module)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def public_names(text: str) -> set[str]:
    """Names of `__all__`; without one, all names that a face binds and that have no leading underscore."""
    bound: set[str] = set()
    for node in parsed(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {target.id for target in targets if isinstance(target, ast.Name)}
            if names == {"__all__"} and node.value is not None:
                return set(ast.literal_eval(node.value))
            bound |= names
    return {name for name in bound if not name.startswith("_")}
