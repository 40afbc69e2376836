"""The site is built strictly, every link leads somewhere, nothing is fetched, and docstrings find their theorems."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from docstrings import targets
from formulas import anchor, page
from reference_pages import public_docstrings
from source_tree import PACKAGES, ROOT, read_tree


def anchors(file: str) -> set[str]:
    text = page((ROOT / "docs" / file).read_text(encoding="utf-8"))
    headings = {anchor(line.lstrip("# ")) for line in text.splitlines() if line.startswith("#")}
    return headings | set(re.findall(r'<span id="([^"]+)">', text))


def test_what_docstrings_name_in_the_theory_is_there() -> None:
    named = [(name, *target) for name, text in public_docstrings() for target in targets(text)]
    assert len(named) >= 9
    assert missing(named) == []


def test_what_the_sources_name_in_the_theory_is_there() -> None:
    texts = {file: " ".join(text.split()) for file, text in read_tree(*PACKAGES).items()}
    named = [(file, *target) for file, text in texts.items() for target in targets(text)]
    assert len(named) >= 60
    assert missing(named) == []


def missing(named: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    known = {file: anchors(file) for file in ("theory.md", "covers.md")}
    return [found for found in named if found[2] and found[2] not in known[found[1]]]


def test_a_theorem_that_is_not_there_is_seen() -> None:
    (target,) = targets('docs/theory.md, "No such section"')
    assert missing([("f", *target)]) == [("f", "theory.md", "no-such-section")]


def broken(site: Path) -> list[str]:
    """Links to pages or anchors that are not there, and whatever a page loads from elsewhere."""
    texts = {file: file.read_text(encoding="utf-8") for file in site.rglob("*.html") if file.name != "404.html"}
    marks = {file: set(re.findall(r'\bid="?([^"\s>]+)', text)) for file, text in texts.items()}
    wrong = []
    for file, text in texts.items():
        for link in re.findall(r'<a\b[^>]*?\bhref="([^"]*)"', text):
            path, _, mark = unquote(link).partition("#")
            if re.match(r"\w+:", path):
                continue
            to = (file.parent / path).resolve() if path else file
            if to.is_dir():
                to /= "index.html"
            if not to.exists() or (mark and to in marks and mark not in marks[to]):
                wrong.append(f"{file.name}: {link}")
        loaded = re.findall(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="(https?:[^"]*|//[^"]*)"', text)
        wrong += [f"{file.name} loads {url}" for url in loaded]
    return wrong


@pytest.mark.slow
def test_the_site_is_whole(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert broken(tmp_path / "site") == []


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<a href="b.html"></a><a href="#no"></a><script src="https://x/y"></script>')
    assert len(broken(tmp_path)) == 3
