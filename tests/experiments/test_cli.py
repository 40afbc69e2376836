"""The command line from end to end, on networks that train in seconds."""

import contextlib
import io
import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run, strict

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.run import EXPERIMENTS

TINY = ("--width", "2", "--tree-width", "2", "--depth", "2", "--train", "96", "--epochs", "3", "--no-certificate")


def in_a_process(script: str) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[2]
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, timeout=50)


def test_help_answers_without_jax() -> None:
    """In a process of its own: help of every command, with each option of its config, and nothing heavy imported."""
    script = (
        "import sys\n"
        "from sparsebounds.experiments.cli import main\n"
        "for command in ([], ['report'], ['evaluate'], ['certify']):\n"
        "    try:\n        main([*command, '--help'])\n    except SystemExit as stop:\n        assert stop.code == 0\n"
        "assert not {'jax', 'flax', 'pandas'} & sys.modules.keys()\n"
    )
    done = in_a_process(script)
    assert done.returncode == 0, done.stderr
    for option in ("--lr", "--no-tree", "--bound", "--pixel-range", "--form", "(3 for conv)", "LOW HIGH"):
        assert option in done.stdout


def test_list_names_every_bound(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    out = capsys.readouterr().out
    assert all(name in out for name in bounds.BOUNDS)


def test_list_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "--json") == 0
    out, _ = capsys.readouterr()
    rows = strict(out)["rows"]
    assert {row["bound"] for row in rows} == set(bounds.BOUNDS)
    assert all(row["guarantee"] and row["source"] for row in rows)


def test_list_knows_sparsifiers_and_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list", "sparsifiers", "--json") == 0
    names = {row["sparsifier"] for row in strict(capsys.readouterr().out)["rows"]}
    registered = {f"nets.prune.{n}" for n in nets.prune.METHODS} | {f"nets.grow.{n}" for n in nets.grow.METHODS}
    assert names == registered | {"nets.prune.lottery_ticket", "nets.topology.pags"}
    assert run("list", "experiments", "--json") == 0
    assert {row["experiment"] for row in strict(capsys.readouterr().out)["rows"]} == set(EXPERIMENTS)
    assert run("list", "theorems") == 2
    assert "choose from bounds, experiments, layers, sparsifiers" in capsys.readouterr().err.replace("'", "")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report in a process of its own, with --json: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("report")
    command = [sys.executable, "-m", "sparsebounds", "report", *TINY, "--out", str(folder / "out"), "--json"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    (folder / "stdout").write_text(done.stdout)
    return folder


def test_report_json_is_one_document(written: Path) -> None:
    document = strict((written / "stdout").read_text())
    assert {row["network"] for row in document["rows"]} == {"conv", "tree"}
    assert document["config"]["options"]["width"] == 2


def test_report_writes_whole_files_and_no_others(written: Path) -> None:
    names = {path.name for path in (written / "out").iterdir()}
    assert names == {"config.json", "rows.csv", "terms.json", "figure.png", "checkpoints"}
    assert (written / "out" / "figure.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert "/" not in json.dumps(strict((written / "out" / "config.json").read_text())["data"])


def test_rows_hold_both_forms_at_every_epoch(written: Path) -> None:
    rows = pd.read_csv(written / "out" / "rows.csv")
    for network in ("conv", "tree"):
        part = rows[rows["network"] == network]
        assert sorted(part["epoch"].unique()) == [0, 1, 2, 3]
        for _, at in part.groupby("epoch"):
            forms = set(zip(at["bound"], at["nodes"], strict=True))
            assert {("galanti", "position"), ("galanti_published", "position")} <= forms
    assert np.allclose(rows["gap"], rows["test_error"] - rows["train_error"])
    sound = rows[rows["bound"] == "galanti"]
    assert (sound["value"] >= sound["complexity"] + sound["confidence"]).all()
    assert set(rows[rows["bound"] == "galanti_published"]["guarantee"]) == {"published"}


def test_last_row_and_terms_are_the_same_bound(written: Path) -> None:
    rows = pd.read_csv(written / "out" / "rows.csv")
    terms = strict((written / "out" / "terms.json").read_text())
    last = rows[rows["epoch"] == rows["epoch"].max()]
    assert len(terms) == len(last)
    for entry in terms:
        row = last[
            (last["network"] == entry["network"])
            & (last["bound"] == entry["bound"])
            & (last["nodes"] == entry["nodes"])
        ]
        if entry["value"] is None:  # a bound that does not cover the network says why
            assert math.isnan(row["value"].item()) and row["note"].item() == entry["note"] != ""
            continue
        assert row["value"].item() == pytest.approx(entry["value"], rel=1e-12)
        assert entry["terms"]
    assert {(e["network"], e["bound"]) for e in terms} == {(n, b) for n in ("conv", "tree") for b in bounds.BOUNDS}


def test_terms_are_enough_to_redo_the_bound(written: Path) -> None:
    redone = 0
    for entry in strict((written / "out" / "terms.json").read_text()):
        t = entry["terms"]
        if not entry["bound"].startswith("galanti"):
            continue
        if entry["bound"] == "galanti_published":
            assert t["Lambda"] == pytest.approx(
                (1 + math.sqrt(2 * t["logs"])) * math.sqrt(t["max path prod |pred| * energy"])
            )
            complexity = 2 * math.sqrt(2) * (t["rho"] + 1) / (t["gamma"] * t["m"]) * t["Lambda"]
            confidence = 3 * math.sqrt(math.log(2 * (t["rho"] + 2) ** 2 / entry["delta"]) / (2 * t["m"]))
        else:
            data = t["max path prod |pred| * energy"] if t["form"] == "shared" else t["largest energy read"]
            complexity = t["factor"] / t["m"] * t["c_j"] * (1 + math.sqrt(2 * t["logs"])) * math.sqrt(data)
            nats = math.log(1 / t["delta_j"]) + t["nats paid for choices"]
            confidence = 2 * math.sqrt(nats / (2 * t["m"]))
        shown = t.get("complexity uncapped", entry["complexity"])
        assert shown == pytest.approx(complexity, rel=1e-9)
        complexity = complexity if "complexity uncapped" not in t else min(complexity, 1.0)
        assert entry["complexity"] == pytest.approx(complexity, rel=1e-9)
        assert entry["confidence"] == pytest.approx(confidence, rel=1e-9)
        assert entry["value"] == pytest.approx(entry["margin_error"] + complexity + confidence, rel=1e-9)
        redone += 1
    assert redone == 8


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The same report without the tree, in this process and for people: where it was written and what it showed."""
    out = tmp_path_factory.mktemp("again") / "out"
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert run("report", *TINY, "--out", str(out), "--no-tree") == 0
    return out, shown.getvalue()


def test_same_seed_same_numbers(written: Path, again: tuple[Path, str]) -> None:
    out, shown = again
    first = pd.read_csv(written / "out" / "rows.csv").query("network == 'conv'").drop(columns="seconds")
    second = pd.read_csv(out / "rows.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(first.reset_index(drop=True), second)
    assert "galanti_published" in shown and "certificate" in shown


def test_resume_after_the_end_changes_nothing_and_other_options_are_refused(
    again: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ("--out", str(shutil.copytree(again[0], tmp_path / "out")), "--no-tree")
    before = pd.read_csv(tmp_path / "out" / "rows.csv").drop(columns="seconds")
    assert run("report", *TINY, *out, "--resume") == 0
    after = pd.read_csv(tmp_path / "out" / "rows.csv").drop(columns="seconds")
    pd.testing.assert_frame_equal(before, after)
    capsys.readouterr()
    assert run("report", *TINY, *out, "--resume", "--seed", "1") == 2
    assert "seed" in capsys.readouterr().err


@pytest.mark.slow
def test_ctrl_c_keeps_the_checkpoint_and_resume_ends_as_if_nothing_happened(tmp_path: Path) -> None:
    options = [
        "report",
        "--arch",
        "mlp",
        "--width",
        "4",
        "--no-tree",
        "--train",
        "96",
        "--epochs",
        "120",
        "--json",
        "--no-certificate",
    ]
    command = [sys.executable, "-m", "sparsebounds", *options, "--out"]
    root = Path(__file__).resolve().parents[2]
    interrupted = subprocess.Popen(
        [*command, str(tmp_path / "a")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
    )
    log = tmp_path / "a" / "checkpoints" / "mlp-rows.csv"
    for _ in range(1200):
        if log.exists() and pd.read_csv(log)["epoch"].max() >= 1:
            break
        time.sleep(0.1)
    interrupted.send_signal(signal.SIGINT)
    try:
        out, err = interrupted.communicate(timeout=120)
    finally:
        interrupted.kill()
    assert interrupted.returncode == 130, err
    assert out == "" and err.count("\n") == 1 and "--resume" in err
    assert not (tmp_path / "a" / "rows.csv").exists()
    last = pd.read_csv(log)["epoch"].max()
    assert 1 <= last < 120

    assert run(*options, "--out", str(tmp_path / "a"), "--resume") == 0
    assert run(*options, "--out", str(tmp_path / "b")) == 0
    resumed, whole = (pd.read_csv(tmp_path / name / "rows.csv").drop(columns="seconds") for name in "ab")
    whole = whole[whole["epoch"].isin(resumed["epoch"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(resumed, whole)
    assert resumed["epoch"].max() == 120 and whole["epoch"].nunique() >= 15


@pytest.mark.slow
def test_a_ctrl_c_that_falls_into_a_callback_is_not_lost() -> None:
    script = (
        "import gc, time\n"
        "from sparsebounds.experiments import cli\n"
        "def swallow(phase, info):\n"
        "    gc.callbacks.clear()\n"
        "    raise KeyboardInterrupt\n"
        "def app(*_, **__):\n"
        "    gc.callbacks.append(swallow)\n"
        "    gc.collect()\n"
        "    time.sleep(60)\n"
        "cli.app = app\n"
        "cli.entry()\n"
    )
    done = in_a_process(script)
    assert (done.returncode, done.stderr) == (130, "")


def linear(folder: Path, name: str = "model.py") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "import jax.numpy as jnp\n"
        "from dataclasses import dataclass\n"
        "print('noise on stdout')\n"
        "@dataclass\nclass Scale:\n    by: float = 2.0\n"
        "def scores(x):\n    return x @ (Scale().by * jnp.eye(3, dtype=x.dtype))\n"
        "def probabilities(x):\n    z = jnp.exp(scores(x))\n    return z / z.sum(axis=1, keepdims=True)\n"
        "def build():\n    return scores\n"
        "def restore(path):\n    w = jnp.load(path)\n    return lambda x: x @ w\n"
    )
    return path


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    x = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    np.savez(tmp_path / "sample.npz", x=x, y=np.repeat(np.arange(3), 20))
    return tmp_path / "sample.npz"


@pytest.mark.slow
def test_evaluate_beside_a_package_called_experiments(
    tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("experiments", "nets", "bounds"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise RuntimeError('the wrong package')\n")
    linear(tmp_path)
    linear(tmp_path, "experiments/model.py")
    monkeypatch.chdir(tmp_path)
    script = Path(sys.executable).parent / "sparsebounds"
    for target in ("model.py:scores", "experiments/model.py:scores"):
        command = [str(script), "evaluate", target, "--data", str(sample), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        rows = strict(done.stdout)["rows"]
        assert {row["bound"] for row in rows} == set(bounds.BOUNDS)
        assert all(row["train_error"] == 0 for row in rows)


def test_evaluate_builders_and_checkpoints(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = linear(tmp_path)
    np.save(tmp_path / "w.npy", 2.0 * np.eye(3, dtype=np.float32))
    values = []
    for arguments in (
        (f"{model}:scores",),
        (f"{model}:build",),
        (f"{model}:restore", "--checkpoint", str(tmp_path / "w.npy")),
    ):
        assert run("evaluate", *arguments, "--data", str(sample), "--bound", "galanti", "--json") == 0
        (row,) = strict(capsys.readouterr().out)["rows"]
        values.append(row["value"])
    assert values[0] == values[1] == values[2] and math.isfinite(values[0])


def test_evaluate_for_people(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", f"{linear(tmp_path)}:scores", "--data", str(sample)) == 0
    out = capsys.readouterr().out
    assert "galanti" in out and "certificate" in out
    assert "certificates alone holds with probability 1 - 0.001; --simultaneous" in " ".join(out.split())
    names = ("--bound", "occam", "--bound", "galanti", "--bound", "held_out", "--repetitions", "natural")
    assert run("evaluate", f"{linear(tmp_path)}:scores", "--data", str(sample), *names) == 0
    assert "Each of the 2 certificates alone" in " ".join(capsys.readouterr().out.split())  # no test set: not held_out


def test_evaluate_what_if(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", f"{linear(tmp_path)}:scores", "--data", str(sample), "--bound", "galanti")
    changes = ("samples=6000", "1=0.4", "1=dense")
    asked = [part for change in changes for part in ("--what-if", change)]
    assert run(*arguments, "--bound", "occam", *asked, "--json") == 0
    document = strict(capsys.readouterr().out)
    now = {row["bound"]: row["value"] for row in document["rows"]}
    rows = {(row["what if"], row["bound"]): row for row in document["what if"]}
    assert rows.keys() == {(change, bound) for change in changes for bound in now}
    assert all(row["value now"] == now[bound] for (_, bound), row in rows.items())
    assert (
        rows["samples=6000", "occam"]["value"] < now["occam"] and rows["samples=6000", "occam"]["guarantee"] == "shape"
    )
    assert run(*arguments, *asked) == 0
    assert "1=dense" in capsys.readouterr().out
    for wrong, named in (("nonsense", "LAYER=DENSITY"), ("5=0.5", "no layer 5"), ("samples=0", "samples=0")):
        assert run(*arguments, "--what-if", wrong) == 2
        assert named in capsys.readouterr().err


def test_evaluate_all_certificates_together(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("evaluate", f"{linear(tmp_path)}:scores", "--data", str(sample), "--bound", "galanti")
    assert run(*arguments, "--bound", "occam", "--simultaneous", "--repetitions", "natural") == 0
    assert "All 2 certificates together hold with probability 1 - 0.001." in " ".join(capsys.readouterr().out.split())


def test_evaluate_measures_below_a_softmax(tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for name in ("scores", "probabilities"):
        assert run("evaluate", f"{linear(tmp_path)}:{name}", "--data", str(sample), "--bound", "galanti", "--json") == 0
        found += strict(capsys.readouterr().out)["rows"]
    assert found[0]["value"] == found[1]["value"] and found[0]["guarantee"] == found[1]["guarantee"]
    assert "below the softmax at the end" in found[1]["note"]


def test_evaluate_takes_the_range_of_the_inputs(
    tmp_path: Path, sample: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("evaluate", f"{linear(tmp_path)}:scores", "--data", str(sample), "--bound", "long_sedghi", "--json")
    values = []
    for extra in ((), ("--pixel-range", "-9", "9")):
        assert run(*arguments, *extra) == 0
        (row,) = strict(capsys.readouterr().out)["rows"]
        values.append(row["value"])
    assert values[0] is None and values[1] > 0
    assert run(*arguments, "--pixel-range", "2", "1") == 2
    assert "--pixel-range 2 1 is no range" in capsys.readouterr().err
    assert run(*arguments, "--pixel-range", "90", "99") == 2
    assert "--pixel-range 90 99 does not hold the data" in capsys.readouterr().err
