"""The README shows what the commands print: its tables are made again here, its code is a doctest of its own."""

import io
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from command_line import run
from onnx_twins import CLASSES, FOLDER, SHAPES

from sparsebounds.experiments import cli
from sparsebounds.experiments.report.options import ReportConfig
from sparsebounds.experiments.report.picture import picture_svg
from sparsebounds.experiments.report.report import Report
from sparsebounds.experiments.report.show import show_report
from sparsebounds.experiments.shared.rows import read_rows
from sparsebounds.experiments.shared.screen import Screen
from sparsebounds.experiments.support import markdown

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results" / "examples" / "report"
ORDER = (
    "one sentence", ">>> bounds.table(", "    make report", "    make test", "```text", "    sparsebounds evaluate",
    "## What a bound is", "## Which network, which bounds", "## What the labels mean", "## Ten words", "## Figure 1",
    "## Certificates", "## Sparse networks", "## More",
)  # fmt: skip
WORDS = ("margin", "γ", "δ", "ramp", "certificate", "vacuous", "union", "rehearsal", "reference", "node")
MODEL = """
import numpy as np
from flax import nnx
def trained(x):
    return x @ np.arange(12, dtype=np.float32).reshape(4, 3)
def build(rngs):
    return nnx.Linear(4, 3, rngs=rngs)
"""


def example() -> Report:
    return Report(
        json.loads((RESULTS / "config.json").read_text(encoding="utf-8")), read_rows(RESULTS / "rows.csv"), []
    )


def test_it_is_short_and_in_order() -> None:
    assert len(README.splitlines()) <= 170
    places = [README.find(part) for part in ORDER[1:]]
    assert -1 not in places and places == sorted(places)
    first = README.split("\n\n")[1]
    assert first.count(". ") == 0 and first.endswith(".")
    quick = README.partition("```python\n")[2].partition("```")[0]
    assert quick.count(">>> ") - quick.count("import ") <= 6


def test_the_report_is_that_of_the_committed_run() -> None:
    printed = io.StringIO()
    show_report(Screen(file=printed, width=80), example(), Path("results/report-digits"))
    block = README.partition("```text\n")[2].partition("```")[0]
    shown = [line.rstrip() for line in block.splitlines() if line.strip() not in ("", "…")]
    made = [line.rstrip() for line in printed.getvalue().splitlines() if line.strip()]
    assert len(shown) >= 15 and not [line for line in shown if line not in made]
    assert shown[-1] == made[-1], "the verdict is the last line"
    rest = iter(made)
    assert all(line in rest for line in shown), "in the same order"


def test_the_committed_run_is_the_default_one() -> None:
    config = json.loads((RESULTS / "config.json").read_text(encoding="utf-8"))
    default = ReportConfig()
    assert config["options"] == {name: getattr(default, name) for name in config["options"]}


def test_the_matrix_is_that_of_the_declarations() -> None:
    assert markdown() in README


def test_the_picture_is_drawn_from_the_committed_certificates() -> None:
    made = picture_svg(read_rows(ROOT / "results" / "certificates" / "rows.csv"))
    assert made == (ROOT / "docs" / "bound.svg").read_bytes()


def test_the_glossary_has_ten_words() -> None:
    section = README.partition("## Ten words")[2].partition("\n## ")[0]
    assert re.findall(r"^\| ([^|]+) \|", section, flags=re.M)[1:] == list(WORDS)


@pytest.mark.parametrize("file", ["README.md", "results/README.md"])
def test_nothing_is_from_memory(file: str) -> None:
    assert "from memory" not in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", ["report", "test", "examples"])
def test_the_commands_are_targets_of_the_makefile(command: str) -> None:
    assert re.search(rf"^{command}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    assert command == "examples" or f"    make {command} " in README


def test_what_the_readme_points_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", re.sub(r"```.*?```", "", README, flags=re.S))
    named = re.findall(r"`((?:bounds|nets|experiments|tests|results|benchmarks)/[\w./-]*)`", README)
    assert len(links) >= 12 and len(named) >= 2
    made_by_a_run = ("results/report-digits/",)
    paths = [path for path in links + named if "://" not in path and path not in made_by_a_run]
    assert not [path for path in paths if not (ROOT / path).exists()]


def commands() -> list[list[str]]:
    """Every `sparsebounds …` of the README, without what stands after #."""
    inline = re.findall(r"`sparsebounds ([^`]+)`", README)
    found = inline + re.findall(r"^    sparsebounds (.+?)(?:\s{2,}#.*)?$", README, flags=re.M)
    return [" ".join(text.split()).split() for text in found]


def test_the_readme_names_commands_that_there_are() -> None:
    names = {command.name or command.callback.__name__ for command in cli.app.registered_commands if command.callback}
    assert len(commands()) >= 8
    assert {words[0] for words in commands()} <= names


@pytest.mark.parametrize("words", [c for c in commands() if c[0] in ("list", "reproduce")], ids=" ".join)
def test_lists_and_plans_of_the_readme(words: list[str]) -> None:
    assert run(*words, *(("--dry-run",) if words[0] == "reproduce" else ())) == 0


def test_evaluate_of_the_readme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _own(tmp_path)
    monkeypatch.chdir(tmp_path)
    (words,) = [c for c in commands() if c[0] == "evaluate" and "model.onnx" not in c]
    assert run(*words) == 0
    assert Path("page.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(("name", "file"), [("lenet", "lenet-one-dynamo-20"), ("resnet", "resnet-dynamo-18-folded")])
def test_a_table_and_a_page_for_a_network_from_pytorch(name: str, file: str, tmp_path: Path, monkeypatch, capsys):
    """The lines for whoever comes from PyTorch, on the committed files, as torch.onnx.export writes them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes((FOLDER / f"{file}.onnx").read_bytes())
    x = np.random.default_rng(0).normal(size=(40, *SHAPES[name])).astype(np.float32)
    np.savez("sample.npz", x=np.moveaxis(x, -1, 1), y=np.arange(40) % CLASSES[name])
    (words,) = [c for c in commands() if c[0] == "evaluate" and "model.onnx" in c]
    assert run(*words) == 0
    printed = capsys.readouterr()
    assert "the scores are those of onnxruntime up to" in printed.err
    assert "peeling" in printed.out and "certificates alone holds with probability" in printed.out
    page = Path("page.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>") and {"peeling", "galanti", "pac_bayes"} <= set(re.findall(r"\w+", page))


@pytest.mark.slow
def test_certify_of_the_readme(tmp_path: Path) -> None:
    _own(tmp_path)
    (words,) = [c for c in commands() if c[0] == "certify" and "model.onnx" not in c]
    command = [sys.executable, "-m", "sparsebounds", *words, "--preset", "quick"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "With probability 99.9 %" in done.stdout and (tmp_path / "results/certify-model/certificate.json").exists()


def _own(folder: Path) -> None:
    """A file and data of somebody's own, as the README names them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4)).astype(np.float32)
    (folder / "model.py").write_text(MODEL)
    np.savez(folder / "sample.npz", x_train=x, y_train=x[:, :3].argmax(axis=1))


def test_every_snippet_runs() -> None:
    """The code of the README is a doctest: each block of Python has prompts, and no other stands there."""
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.S)
    assert len(blocks) >= 2
    assert all(line.startswith((">>> ", "... ")) for block in blocks for line in block.splitlines()[:1])
