"""figure1, depth and width: CONV-L-H trained for a moment, evaluated both ways, stopped, gone on with, drawn."""

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from published_values import MNIST, NAMES, STARTS
from rich.console import Console

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.conv import readings
from sparsebounds.experiments.reproduce.conv import runs as conv_runs
from sparsebounds.experiments.reproduce.conv.curves import CURVES, ERRORS
from sparsebounds.experiments.reproduce.conv.data import NORMALISATIONS, FigureData, as_bytes, load_data
from sparsebounds.experiments.reproduce.conv.figure1 import FIGURE1, Figure1Config
from sparsebounds.experiments.reproduce.conv.published import figure1_bounds
from sparsebounds.experiments.reproduce.conv.rows import AS_CODED, THEOREM, coded_rows
from sparsebounds.experiments.reproduce.conv.runs import Conv
from sparsebounds.experiments.reproduce.conv.summary import show_summary, summary
from sparsebounds.experiments.reproduce.conv.weights import Weights
from sparsebounds.experiments.reproduce.run import find, reproduce
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.rows import read_rows

TINY = Figure1Config(
    dataset="digits", train=64, epochs=2, milestones=(1,), points=2, depth=1, widths=(2,), starts=(3,)
)  # fmt: skip
TINY_FIGURE1 = dataclasses.replace(FIGURE1, presets={"tiny": TINY})


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("figure1")
    reproduce(TINY_FIGURE1, "tiny", folder, progress=False)
    return folder


def copied(done: Path, folder: Path) -> Path:
    shutil.copytree(done, folder, dirs_exist_ok=True)
    return folder


def same(rows: pd.DataFrame, other: pd.DataFrame) -> None:
    keys = ["network", "epoch", "form", "bound", "nodes"]
    without = [frame.drop(columns="seconds").sort_values(keys, ignore_index=True) for frame in (rows, other)]
    pd.testing.assert_frame_equal(*without)


def refuse(*arguments: Any, **options: Any) -> None:
    raise AssertionError("trained again")


def test_rows(done: Path) -> None:
    rows = read_rows(done / "rows.csv")
    trained = rows[rows["network"] == "CONV-1-2"]
    assert sorted(trained["epoch"].unique()) == [0, 1, 2] == TINY.looks()
    for _, part in trained.groupby("epoch"):
        theorems = part[part["form"] == THEOREM]
        assert set(theorems["bound"]) == set(bounds.BOUNDS)
        assert set(part[part["form"] == AS_CODED]["bound"]) == {curve.coded for curve in CURVES}
        assert not theorems.duplicated(["bound", "nodes"]).any()
    covered = trained.dropna(subset="value")
    theorems = covered[covered["form"] == THEOREM]
    parts = theorems["margin_error"] + theorems["complexity"] + theorems["confidence"]
    assert np.allclose(parts, theorems["value"], rtol=1e-9)
    capped = theorems["gap_bound"] + theorems["margin_error"] > theorems["value"] * (1 + 1e-9)
    assert (theorems["complexity"][capped] == 1).all() and not capped.all()
    assert np.allclose(trained["gap"], trained["test_error"] - trained["train_error"])
    assert {curve.theorem for curve in CURVES} | {c.sharper for c in CURVES if c.sharper} <= set(theorems["bound"])


def test_certificates_pay_for_the_normalisation(done: Path) -> None:
    """Their numbers are those of δ/10⁸; what cannot be shared between maps is no certificate."""
    rows = read_rows(done / "rows.csv")
    theorems = rows[(rows["form"] == THEOREM) & rows["value"].notna()]
    certificates = theorems[theorems["guarantee"] == "certificate"]
    assert certificates["note"].str.contains("the normalisation is one of 1e").all() and len(certificates) > 10
    assert "expectation" not in set(theorems["guarantee"])
    data = load_data("digits", None, train=64, seed=0)
    model = Conv(1, 2).build(data, 0)
    Weights(done / "checkpoints" / "CONV-1-2-weights").restore(2, model)
    graph = bounds.read_graph(model, data.dataset.x_train[:2])
    sample = bounds.Sample.measure(model, data.dataset.x_train, data.dataset.y_train)
    for name in ("galanti", "graf_norms"):
        paid = bounds.BOUNDS[name](graph, sample, delta=1e-3 / NORMALISATIONS)
        row = theorems[(theorems["bound"] == name) & (theorems["epoch"] == 2) & (theorems["nodes"] == "position")]
        assert row["value"].item() == pytest.approx(paid.value, rel=1e-9)
        assert paid.value > bounds.BOUNDS[name](graph, sample, delta=1e-3).value
    assert len(set(np.round(data.dataset.normalisation, 4)) & {0.1307, 0.3081}) == 2
    assert NORMALISATIONS >= (10**4) ** 2


def test_as_coded_rows_are_the_formulas_of_the_figure(done: Path) -> None:
    data = load_data("digits", None, train=64, seed=0)
    model = Conv(1, 2).build(data, 0)
    Weights(done / "checkpoints" / "CONV-1-2-weights").restore(1, model)
    kernels = [np.asarray(conv.kernel()) for conv in model.convolutions()]
    images = as_bytes(data.dataset.raw_train()[..., 0], 16)
    expected = figure1_bounds(kernels, np.asarray(model.dense.kernel[...]), images, samples=round(64 * 5 / 6))
    rows = read_rows(done / "rows.csv")
    found = rows[(rows["network"] == "CONV-1-2") & (rows["epoch"] == 1) & (rows["form"] == AS_CODED)]
    assert dict(zip(found["bound"], found["gap_bound"], strict=True)) == pytest.approx(expected, rel=1e-9)
    assert rows[rows["epoch"] == 1]["rho"].iloc[0] == pytest.approx(model.rho(), rel=1e-6)


def test_inputs_are_the_pixels_under_the_authors_constants() -> None:
    data = load_data("digits", None, train=50, seed=0).dataset
    raw = data.raw_train() / 16
    assert np.allclose(data.x_train * 0.3081 + 0.1307, raw, atol=1e-6)
    whole = load_data("digits", None, train=None, seed=0).dataset
    levels = (whole.x_test * 0.3081 + 0.1307) * 16
    assert np.allclose(levels, np.rint(levels), atol=1e-5) and levels.max() > 15.9
    low, high = data.pixel_range
    assert data.x_train.min() >= low - 1e-6 and data.x_train.max() <= high + 1e-6


def test_on_mnist_they_are_the_published_ones(mnist_dir: Path) -> None:
    found = load_data("mnist", mnist_dir, train=300, seed=1)
    paper = nets.data.datasets.load("mnist", mnist_dir, normalisation="paper", train=300, seed=1)
    assert np.array_equal(found.dataset.x_train, paper.x_train) and np.array_equal(found.dataset.x_test, paper.x_test)
    assert found.samples == 250 and load_data("mnist", mnist_dir, train=None, seed=0).samples == 50000


def test_colour_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Colour:
        in_shape = (32, 32, 3)

    monkeypatch.setattr("sparsebounds.nets.data.datasets.load", lambda *a, **k: Colour())
    with pytest.raises(Problem, match="svhn has 3 channels"):
        load_data("svhn", None, train=None, seed=0)
    monkeypatch.undo()
    with pytest.raises(Problem, match="mnist"):
        load_data("mnist", Path("nowhere"), train=None, seed=0)


def test_a_bound_that_was_added_costs_no_training(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(done, tmp_path)
    rows = read_rows(folder / "rows.csv")
    kept = (rows["epoch"] != 1) | (rows["bound"] != "galanti")
    rows[kept].to_csv(folder / "rows.csv", index=False)
    monkeypatch.setattr(nets, "train", refuse)
    reproduce(TINY_FIGURE1, "tiny", folder, resume=True, progress=False)
    same(read_rows(folder / "rows.csv"), rows)


def test_an_interrupted_run_goes_on(done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped while epoch 1 is evaluated: its weights are there, epoch 2 is not."""
    evaluate, calls = conv_runs.rows_of, []

    def stopped(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(*arguments, **options)

    monkeypatch.setattr(conv_runs, "rows_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        reproduce(TINY_FIGURE1, "tiny", tmp_path, progress=False)
    assert set(read_rows(tmp_path / "rows.csv")["epoch"]) == {0}
    monkeypatch.undo()
    reproduce(TINY_FIGURE1, "tiny", tmp_path, resume=True, progress=False)
    same(read_rows(tmp_path / "rows.csv"), read_rows(done / "rows.csv"))


def test_weights_that_are_missing_are_trained_again(done: Path, tmp_path: Path) -> None:
    """The training's own checkpoint is past the epoch: only a new training can give its weights."""
    folder = copied(done, tmp_path)
    lost = folder / "checkpoints" / "CONV-1-2-weights" / "1.npz"
    with np.load(lost) as found:
        before = {name: found[name] for name in found.files}
    lost.unlink()
    rows = read_rows(folder / "rows.csv")
    rows[rows["epoch"] != 1].to_csv(folder / "rows.csv", index=False)
    reproduce(TINY_FIGURE1, "tiny", folder, resume=True, progress=False)
    with np.load(lost) as found:
        assert all(np.array_equal(found[name], value) for name, value in before.items())
    same(read_rows(folder / "rows.csv"), read_rows(done / "rows.csv"))


def test_complete_rows_need_neither_weights_nor_training(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a clone has: the committed files, no checkpoints. The figure is drawn again."""
    for name in ("config.json", "rows.csv"):
        (tmp_path / name).write_bytes((done / name).read_bytes())
    monkeypatch.setattr(nets, "train", refuse)
    reproduce(TINY_FIGURE1, "tiny", tmp_path, resume=True, progress=False)
    assert (tmp_path / "figure.png").exists()
    assert (tmp_path / "rows.csv").read_bytes() == (done / "rows.csv").read_bytes()


def test_a_network_that_diverges_is_one_line(tmp_path: Path) -> None:
    def explode(*arguments: Any, **options: Any) -> None:
        raise nets.Diverged(step=3, epoch=1, loss=math.inf)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nets, "train", explode)
        with pytest.raises(Problem, match="CONV-1-2: the loss is inf at step 3"):
            reproduce(TINY_FIGURE1, "tiny", tmp_path, progress=False)


def test_the_summary_orders_the_curves(done: Path) -> None:
    found = summary(read_rows(done / "rows.csv"))
    first = found["networks"][0]
    assert first["network"] == "CONV-1-2" and first["epoch"] == 2
    values = [first["as coded"][name] for name in first["order as coded"]]
    assert values == sorted(values) and len(values) == 5
    theorems = {curve.coded: curve.theorem for curve in CURVES}
    values = [first["corrected"][theorems[name]] for name in first["order corrected"]]
    assert values == sorted(values) and len(values) == 5
    console = Console(record=True, width=100)
    show_summary(console, found)
    text = console.export_text()
    assert "CONV-1-2, epoch 2" in text and "smallest first, corrected" in text and "CONV-1-3, epoch 0" in text


def synthetic() -> pd.DataFrame:
    """Rows of three networks whose curves are known: coded 2^i, theorems 2^(i+3), a zero gap."""
    rows = []
    for width in (8, 16):
        for epoch in (0, 5):
            errors = {"train_error": 0.25, "test_error": 0.25 + epoch / 100, "gap": epoch / 100}
            about = {"dataset": "mnist", "network": f"CONV-3-{width}", "depth": 3, "width": width, "epoch": epoch}
            for i, curve in enumerate(CURVES):
                pairs = [(AS_CODED, curve.coded, 2.0**i), (THEOREM, curve.theorem, 2.0 ** (i + 3))]
                pairs += [(THEOREM, curve.sharper, 2.0 ** (i + 2))] if curve.sharper else []
                for form, bound, height in pairs:
                    rows.append({**about, **errors, "form": form, "bound": bound, "nodes": "", "gap_bound": height})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("name", ["figure1", "depth", "width"])
def test_pictures_show_every_curve(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    module = "sparsebounds.experiments.reproduce.conv." + ("figure1_plot" if name == "figure1" else "family")
    monkeypatch.setattr(f"{module}.save", lambda figure, path, **_: figures.append(figure))
    find(name).figure(synthetic(), tmp_path / "figure.png")
    coded, corrected = figures[0].axes[:2]
    for axis, count in ((coded, 0), (corrected, 3)):
        lines = {line.get_label(): line for line in axis.get_lines()}
        for i, curve in enumerate(CURVES):
            assert set(lines[curve.label].get_ydata()) == {2.0 ** (i + count)}
        assert {label for label, _, _ in ERRORS.values()} <= set(lines)
        assert axis.get_yscale() == "log" and axis.get_xlabel() and axis.get_title()
    assert "Golowich et al. 2018, sharper" in {line.get_label() for line in corrected.get_lines()}
    assert coded.get_ylabel() and figures[0].legends


def test_the_picture_is_a_file(done: Path) -> None:
    assert (done / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_readings_have_every_curve() -> None:
    for table in (readings.STARTS, readings.ENDS):
        assert all(set(values) == {curve.coded for curve in CURVES} for values in table.values())
    for width, starts in readings.STARTS.items():
        assert all(starts[name] > end for name, end in readings.ENDS[width].items())


def test_networks_start_where_the_published_curves_start() -> None:
    """Draws at H = 200 differ by 0.08: the middle of four is compared with readings of ±0.1. Without biases, as trained
    here; all of MNIST enters through three numbers."""
    digits = load_data("digits", None, train=10, seed=0)
    images = np.zeros((1, 28, 28, 1), np.float32)
    data = FigureData(dataclasses.replace(digits.dataset, x_train=images), MNIST, 50000)
    rows = [row for seed in range(4) for row in coded_rows(Conv(3, 200).build(data, seed), data, delta=1e-3)]
    found = np.log2(pd.DataFrame(rows).groupby("bound")["gap_bound"].median())
    assert found.to_dict() == pytest.approx(readings.STARTS[200], abs=0.15)


@pytest.mark.parametrize(("width", "octaves"), [(200, 0.15), (600, 0.4), (1000, 0.4)])
def test_typical_starts_agree_with_the_readings(width: int, octaves: float) -> None:
    """The typical starts are those that `test_published` finds at all three widths."""
    typical = dict(zip(NAMES, STARTS[width], strict=True))
    assert typical == pytest.approx(readings.STARTS[width], abs=octaves)
