"""The program around the commands: help, version, completion, errors in full, files, and what is not installed."""

import inspect
import json
import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run, strict

from sparsebounds import bounds
from sparsebounds.experiments import cli
from sparsebounds.experiments.certify.distance.tasks import TASKS as BY_DISTANCE
from sparsebounds.experiments.certify.forms import FORMS
from sparsebounds.experiments.certify.tasks import TASKS
from sparsebounds.experiments.report.architectures import ARCHITECTURES
from sparsebounds.experiments.report.config import PRESETS
from sparsebounds.experiments.reproduce.run import EXPERIMENTS
from sparsebounds.experiments.shared import extras, values
from sparsebounds.experiments.shared.outputs import latex_table
from sparsebounds.experiments.shared.program import ended
from sparsebounds.nets.data.datasets import NAMES

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = [c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback]
HELPER = "def scores(x):\n    return x @ W\n"
MODEL = "from mine_helper import scores\n"
LATE = "def scores(x):\n    from mine_helper import scores as inner\n    return inner(x)\n"
FAILING = "def inner():\n    raise RuntimeError('deep inside')\n\ndef build():\n    return inner()\n"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with a model that imports its neighbour, and a sample."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(90, 3)).astype(np.float32)
    (tmp_path / "mine_helper.py").write_text("import numpy as np\nW = np.eye(3, dtype=np.float32)\n" + HELPER)
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "late.py").write_text(LATE)
    (tmp_path / "failing.py").write_text(FAILING)
    np.savez(tmp_path / "sample.npz", x=x, y=x.argmax(axis=1))
    return tmp_path


def evaluated(folder: Path, *more: str, model: str = "model.py:scores") -> int:
    return run("evaluate", f"{folder / model.partition(':')[0]}:{model.partition(':')[2]}", "--data",
               str(folder / "sample.npz"), *more)  # fmt: skip


def test_the_values_in_the_help_are_those_there_are() -> None:
    assert tuple(bounds.BOUNDS) == values.BOUNDS
    assert tuple(EXPERIMENTS) == values.EXPERIMENTS
    assert {*TASKS, *BY_DISTANCE} == set(values.TASKS)
    assert tuple(ARCHITECTURES) == values.ARCHITECTURES
    assert tuple(NAMES) == values.DATASETS
    assert set(PRESETS) == set(values.TRAININGS)
    assert {*FORMS, "distance", "data-free"} == set(values.FORMS)


@pytest.mark.parametrize("flag", ["-h", "--help"])
@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*command.split(), flag) == 0
    assert capsys.readouterr().out.startswith("Usage: sparsebounds")


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_summary_of_a_command_is_cut_off(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert run("-h") == 0
    lines = capsys.readouterr().out.partition("Commands:")[2].splitlines()
    assert len(lines) > len(COMMANDS) / 2 and not [line for line in lines if line.endswith("...")]
    assert max(map(len, lines)) <= width


def test_help_lists_values(capsys: pytest.CaptureFixture[str]) -> None:
    expected = {"evaluate": values.BOUNDS, "audit": values.BOUNDS, "reproduce": values.EXPERIMENTS,
                "report": (*values.ARCHITECTURES, *values.DATASETS, *values.TRAININGS),
                "certify": (*values.TASKS, *values.FORMS)}  # fmt: skip
    for command, listed in expected.items():
        assert run(command, "-h") == 0
        words = set(re.findall(r"[\w-]+", re.sub(r"-\n\s+", "-", capsys.readouterr().out)))
        assert not set(listed) - words


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out.startswith(f"sparsebounds {version('sparsebounds')}, jax {version('jax')}")


def test_completion() -> None:
    """What a shell asks for is answered with the names of the commands."""
    asked = {"_SPARSEBOUNDS_COMPLETE": "complete_bash", "COMP_WORDS": "sparsebounds re", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from sparsebounds.experiments.cli import entry; entry()"],
        env={**os.environ, **asked}, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert set(done.stdout.split()) == {"report", "reproduce"}, done.stderr


@pytest.mark.parametrize("model", ["model.py:scores", "late.py:scores"])
def test_the_files_folder_is_on_the_path_for_the_whole_run(
    model: str, own: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "mine_helper", raising=False)
    before = list(sys.path)
    assert evaluated(own, "--bound", "galanti", "--json", model=model) == 0
    (row,) = strict(capsys.readouterr().out)["rows"]
    assert row["train_error"] == 0 and sys.path == before


def test_debug_shows_the_users_own_code(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluated(own, model="failing.py:build") == 2
    quiet = capsys.readouterr().err
    assert quiet.count("\n") == 1 and "RuntimeError: deep inside (--debug shows where)" in quiet
    assert evaluated(own, "--debug", model="failing.py:build") == 2
    loud = capsys.readouterr().err
    assert "raise RuntimeError('deep inside')" in loud and "failing.py" in loud and loud.splitlines()[-1] in quiet


def test_files_of_evaluate(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, csv, latex = own / "out", own / "t" / "table.csv", own / "t" / "table.tex"
    names = ("--bound", "galanti", "--bound", "path_norm")
    files = ("--out", str(out), "--csv", str(csv), "--latex", str(latex))
    assert evaluated(own, *names, *files, "--json") == 0
    rows = strict(capsys.readouterr().out)["rows"]
    for place in (out / "rows.csv", csv):
        frame = pd.read_csv(place)
        assert frame["value"].tolist() == [row["value"] for row in rows]
    config = json.loads((out / "config.json").read_text())
    assert len(config["sha256"]["model.py"]) == 64 and config["options"]["names"] == ["galanti", "path_norm"]
    shown = re.findall(r"& ([\d.]+) & certificate", latex.read_text())
    assert len(shown) == 2 and all(
        float(s) >= value for s, value in zip(shown, sorted(row["value"] for row in rows), strict=True)
    )
    assert "path\\_norm" in latex.read_text()
    (own / "file").write_text("")
    assert evaluated(own, *names, "--csv", str(own / "file" / "x.csv")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_latex_of_names_of_somebody() -> None:
    row = {"bound": r"50%_of {a}\b", "value": 0.12341, "guarantee": "certificate"}
    text = latex_table(pd.DataFrame([row]))
    assert r"50\%\_of \{a\}\textbackslash{}b & 0.1235 & certificate \\" in text


def test_gamma_on_evaluate(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for gamma in ("0.5", "2", "best"):
        assert evaluated(own, "--bound", "galanti", "--gamma", gamma, "--json") == 0
        found += strict(capsys.readouterr().out)["rows"]
    assert [row["gamma"] for row in found][:2] == [0.5, 2.0] and found[2]["value"] <= min(r["value"] for r in found)
    assert evaluated(own, "--gamma", "-1") == 2
    assert "--gamma -1 is no margin above 0" in capsys.readouterr().err


def test_a_percentile_of_the_margins_on_evaluate(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with np.load(own / "sample.npz") as arrays:
        x, y = arrays["x"], arrays["y"]
    taken = ("--bound", "galanti_published", "--bound", "galanti", "--repetitions", "natural")
    assert evaluated(own, *taken, "--gamma", "percentile:40", "--json") == 0
    rows = {row["bound"]: row for row in strict(capsys.readouterr().out)["rows"]}
    top = np.sort(x, axis=1)
    own_margins = np.sort(
        np.where(x.argmax(axis=1) == y, top[:, -1] - top[:, -2], x[np.arange(len(x)), y] - top[:, -1])
    )
    assert rows["galanti"]["gamma"] == pytest.approx(abs(own_margins[int(0.4 * len(x)) - 1]), rel=1e-6)
    assert rows["galanti"]["gamma"] == rows["galanti_published"]["gamma"]
    for wrong in ("percentile:0", "percentile:100", "percentile:x", "percentile:"):
        assert evaluated(own, "--gamma", wrong) == 2
        assert "give a percentage between 0 and 100" in capsys.readouterr().err
    assert evaluated(own, "--gamma", "percentile:10", "--what-if", "samples=1000") == 2
    assert "--what-if has no margins" in capsys.readouterr().err


def test_what_if_is_asked_at_the_margin_of_the_table(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for gamma in ("0.5", "2"):
        more = ("--bound", "galanti", "--gamma", gamma, "--what-if", "samples=90", "--repetitions", "natural", "--json")
        assert evaluated(own, *more) == 0
        (changed,) = strict(capsys.readouterr().out)["what if"]
        found.append((changed["value now"], changed["value"]))
    assert all(now == changed for now, changed in found) and found[0] != found[1]


def test_the_last_line_of_evaluate_is_the_verdict(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    natural = ("--repetitions", "natural")
    assert evaluated(own, "--bound", "galanti", "--bound", "golowich", *natural) == 0
    said = " ".join(capsys.readouterr().out.split())
    verdict = said.rpartition("No certificate says anything of this network: the smallest of 2 is ")[2]
    assert verdict.endswith("and no error is above 1.") and len(verdict) < 60
    assert evaluated(own, "--bound", "galanti", "--bound", "occam", *natural) == 0
    verdict = " ".join(capsys.readouterr().out.split()).rpartition("With probability 99.8 % the network errs")[2]
    said = "(occam, the smallest of 2 certificates asked for): informative; norms of the layers alone say nothing"
    assert said in verdict


@pytest.mark.parametrize("module", sorted(extras.EXTRAS))
def test_what_is_not_installed_is_named_with_its_extra(module: str, capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ModuleNotFoundError(f"No module named '{module}.inner'", name=f"{module}.inner")

    assert ended(command, debug=False) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"pip install 'sparsebounds[{extras.EXTRAS[module]}]'" in said


def test_a_module_that_no_extra_brings_is_an_error_of_ours() -> None:
    def command() -> None:
        raise ModuleNotFoundError("No module named 'x'", name="x")

    with pytest.raises(ModuleNotFoundError):
        ended(command, debug=False)


BASE = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"matplotlib", "sklearn", "onnx", "dask", "datasets"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from sparsebounds.experiments.cli import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["list"], 0, "experiments are not listed: matplotlib is not installed"),
        (["list", "bounds", "--json"], 0, ""),
        (["report"], 2, "matplotlib is not installed, and this needs it: pip install 'sparsebounds[report]'"),
        (["reproduce", "figure1"], 2, "pip install 'sparsebounds[report]'"),
        (["evaluate", "MODEL", "--data", "DATA", "--bound", "golowich"], 0, ""),
    ],
)
def test_a_base_installation(words: list[str], status: int, said: str, own: Path) -> None:
    """Without the extras: what needs none works, the rest is one line."""
    named = {"MODEL": f"{own / 'model.py'}:scores", "DATA": str(own / "sample.npz")}
    command = [sys.executable, "-c", BASE, *(named.get(word, word) for word in words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert done.returncode == status, done.stderr
    assert said in done.stderr and done.stderr.count("\n") == bool(said)


DOCUMENTED = (ROOT / "docs" / "json.md").read_text(encoding="utf-8")


def documented(command: str) -> set[str]:
    keys = re.findall(rf"^\| `{command}` \| ([^|]+) \|", DOCUMENTED, flags=re.M)
    return {key for cell in keys for key in re.findall(r"`([^`]+)`", cell)}


def test_documents_are_as_documented(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns = set(re.findall(r"^\| `(\w+)` \|", DOCUMENTED.partition("A row of")[2], flags=re.M))
    assert evaluated(own, "--bound", "galanti", "--what-if", "samples=6000", "--json") == 0
    found = {"evaluate": strict(capsys.readouterr().out)}
    assert set(found["evaluate"]["rows"][0]) == columns
    for command, words in {"list": (), "audit": ("--bound", "held_out"), "check-bound": ("golowich",)}.items():
        run(command, *words, "--json")
        found[command] = strict(capsys.readouterr().out)
    for command, document in found.items():
        assert (document.pop("command"), document.pop("format")) == (command, 1)
        assert set(document) == documented(command)
    assert documented("report") == {"config", "rows", "terms", "folder"}
    assert {"value", "guarantee"} == documented("certify")


def test_every_command_is_documented_and_takes_json() -> None:
    for command in cli.app.registered_commands:
        assert command.callback is not None
        assert "as_json" in inspect.signature(command.callback).parameters
        assert documented(command.name or command.callback.__name__)
