"""The house: short files and functions, a face with a docstring per folder, and CONTRIBUTING's map of all of it."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache

import pytest
from source_tree import NAME, PACKAGES, ROOT, Tree, face_of, folder_of, parsed, read_tree

LONGEST_FILE, LONGEST_TEST, LONGEST_FUNCTION = 300, 400, 60
BLANK = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
TREE = read_tree(*PACKAGES)
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

# What waits for the change that ends it. Empty when it is done.
KNOWN: set[str] = set()


def long_files(tree: Tree, longest: int) -> list[str]:
    return [f"{file} has more than {longest} lines" for file, text in tree.items() if len(text.splitlines()) > longest]


def long_functions(tree: Tree) -> list[str]:
    """Functions with too many lines of code: docstrings, comments and blank lines are none, inner functions are."""
    return [
        f"{file}: {node.name} has more than {LONGEST_FUNCTION} lines of code"
        for file, text in tree.items()
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and len([line for line in code_lines(text) if node.lineno <= line <= (node.end_lineno or 0)]) > LONGEST_FUNCTION
    ]


@cache
def code_lines(text: str) -> set[int]:
    """Numbers of the lines with code, those of a long text in it among them."""
    docstrings = {
        line
        for node in ast.walk(parsed(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
    }
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {line for t in tokens if t.type not in BLANK for line in range(t.start[0], t.end[0] + 1)}
    return lines - docstrings


def missing_faces(tree: Tree) -> list[str]:
    """Folders without a face, and faces without a docstring."""
    folders = {folder_of(file) for file in tree}
    folders |= {folder.rpartition("/")[0] for folder in folders if "/" in folder}
    return [
        f"{folder} has no face with a docstring"
        for folder in sorted(folders)
        if not ast.get_docstring(parsed(tree.get(face_of(folder), "")))
    ]


def broken(tree: Tree) -> list[str]:
    return long_files(tree, LONGEST_FILE) + long_functions(tree) + missing_faces(tree)


def test_the_packages_are_in_order() -> None:
    assert sorted(set(broken(TREE)) - KNOWN) == []


def test_what_is_mended_is_no_longer_listed() -> None:
    assert sorted(KNOWN - set(broken(TREE) + long_files(read_tree("tests"), LONGEST_TEST))) == []


def test_the_tests_are_short() -> None:
    assert sorted(set(long_files(read_tree("tests"), LONGEST_TEST)) - KNOWN) == []


@pytest.mark.parametrize("package", [NAME, *PACKAGES])
def test_the_packages_are_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_package_of_this_name_holds_links(package: str) -> None:
    link = ROOT / NAME / package
    assert link.is_symlink() and link.resolve() == ROOT / package, "on Windows see CONTRIBUTING, Install"


FACE = {"bounds/__init__.py": '"""A face."""'}
CODE = "\n".join(f"    x = {i}" for i in range(59))


@pytest.mark.parametrize(
    ("planted", "named"),
    [
        ({"bounds/a.py": "x = 1\n" * 301}, "bounds/a.py has more"),
        ({"bounds/a.py": f"def f():\n{CODE}\n    return x\n"}, "bounds/a.py: f has more"),
        ({"bounds/a.py": f"class A:\n async def f(self):\n  def g():\n{CODE}\n  y = 1\n"}, "bounds/a.py: f has"),
        ({"bounds/a.py": "def f():\n    return '''" + "\n" * 60 + "'''\n"}, "bounds/a.py: f has"),
        ({"bounds/new/a.py": "", "bounds/new/__init__.py": "x = 1"}, "bounds/new has no face"),
        ({"bounds/new/inner/a.py": "", "bounds/new/inner/__init__.py": '"""Inner."""'}, "bounds/new has no face"),
    ],
)
def test_a_planted_disorder_is_seen(planted: dict[str, str], named: str) -> None:
    assert any(line.startswith(named) for line in broken(FACE | planted))


def test_lines_that_are_no_code_are_free() -> None:
    doc = '    """One.\n' + "\n    Two.\n" * 30 + '    """\n'
    text = f"def f():\n{doc}    # a comment\n\n{CODE}\n"
    assert broken(FACE | {"bounds/a.py": text, "bounds/b.py": "x = 1\n" * 300}) == []


def named_paths(text: str) -> Iterator[str]:
    """What stands between backticks and is a path of the repository: with a slash in it, or a file at its root."""
    for found in re.findall(r"`([^`\n]+)`", text):
        if re.fullmatch(r"[\w.-]+(/[\w.-]+)*/?", found) and ("/" in found or found.endswith((".md", ".toml", ".txt"))):
            yield found


def mapped_folders(text: str) -> list[str]:
    """The folders of the map, the code below its heading: one line each, path first, "*" for any name."""
    section = text.partition("\n## The map")[2].partition("\n## ")[0]
    return [line.split()[0].rstrip("/") for line in section.splitlines() if re.match(r" {4}\w+/", line)]


def off_the_map(folders: Iterable[str], mapped: Iterable[str]) -> list[str]:
    """Folders without a line, and lines without a folder."""
    fits = lambda folder, line: fnmatchcase(folder, line) and folder.count("/") == line.count("/")  # noqa: E731
    missing = [folder for folder in folders if not any(fits(folder, line) for line in mapped)]
    return missing + [line for line in mapped if not any(fits(folder, line) for folder in folders)]


def test_the_map_has_every_folder_and_no_other() -> None:
    folders = {folder_of(file) for file in TREE} | {NAME}
    assert sorted(off_the_map(folders, mapped_folders(CONTRIBUTING))) == []


def test_every_path_that_contributing_names_is_there() -> None:
    paths = list(named_paths(CONTRIBUTING))
    assert len(paths) >= 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_wishes_stand_in_contributing() -> None:
    section = CONTRIBUTING.partition("\n## Where to add what")[2].partition("\n\n**")[0]
    wishes = [line for line in section.splitlines() if line.startswith("| a")]
    assert [len(re.findall(r"\(\d\)", wish)) for wish in wishes] == [2, 1, 7, 8, 2, 2, 2, 2, 4]
    assert all(list(named_paths(wish)) for wish in wishes)


def test_the_walks_see_what_is_missing() -> None:
    text = "\n## The map\n\n    bounds/       what\n    nets/prune/   more\n\nwords\n\n## Next\n\n    bounds/no/ it\n"
    assert mapped_folders(text) == ["bounds", "nets/prune"]
    assert off_the_map(["a", "a/b", "a/b/c"], ["a", "a/*", "a/b/c"]) == []
    assert off_the_map(["a", "a/b/c"], ["a", "a/*"]) == ["a/b/c", "a/*"]
    assert list(named_paths("`a/b.py`, `x`, `x.csv`, `README.md`, `nets/`, `pip install -e '.[hub]'`")) == [
        "a/b.py", "README.md", "nets/",
    ]  # fmt: skip
