"""Every `pycon`, `python` and `console` block of the written pages runs, in the order of the page."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from source_tree import ROOT

WRITTEN = (
    "flax", "index", "jax", "notebook", "onnx", "published-code", "refusals", "sparse", "tutorial", "what-a-bound-is",
    "what-a-certificate-is-not", "which-bound",
)  # fmt: skip
SLOW = {"tutorial"}
BESIDE = {"onnx": {"lenet.onnx": ROOT / "tests" / "data" / "onnx" / "lenet-one-dynamo-20.onnx"}}
"""Files that the reader of a page has."""
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def run_page(text: str, folder: Path) -> int:
    """Run the blocks of a page in a folder; how many there were."""
    names: dict[str, object] = {}
    blocks = BLOCK.findall(text)
    for kind, title, body in blocks:
        if title:
            (folder / title).write_text(body, encoding="utf-8")
        if kind == "python":
            exec(compile(body, title or "<page>", "exec"), names)
        elif kind == "pycon":
            test = doctest.DocTestParser().get_doctest(body, names, "page", None, 0)
            assert doctest.DocTestRunner(optionflags=FLAGS).run(test, clear_globs=False).failed == 0
            names |= test.globs
        elif kind == "console":
            command, _, wanted = body.removeprefix("$ ").partition("\n")
            assert_prints(command, wanted, folder)
        else:
            assert kind == "text", f"a block of kind {kind} is run by nobody"
    return len(blocks)


def assert_prints(command: str, wanted: str, folder: Path) -> None:
    words = shlex.split(command)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8"
    )
    got = done.stdout + done.stderr
    assert doctest.OutputChecker().check_output(wanted, got, FLAGS), got


@pytest.mark.parametrize("page", [pytest.param(p, marks=pytest.mark.slow) if p in SLOW else p for p in WRITTEN])
def test_the_blocks_of_a_page_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, file in BESIDE.get(page, {}).items():
        (tmp_path / name).write_bytes(file.read_bytes())
    run_page((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8"), tmp_path)


@pytest.mark.parametrize(
    "block", ["```pycon\n>>> 1 + 1\n3\n```\n", "```python\nassert False\n```\n", "```bash\nls\n```\n"]
)
def test_a_wrong_block_is_seen(block: str, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        run_page(block, tmp_path)
