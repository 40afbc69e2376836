"""`sparsebounds certify`: a run on the embedded digits, its document, bad input, and the committed results."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.experiments.certify import certify
from sparsebounds.experiments.certify import data as certify_data
from sparsebounds.experiments.certify import fit as certify_fit
from sparsebounds.experiments.certify import limits as certify_limits
from sparsebounds.experiments.certify import tasks as certify_tasks
from sparsebounds.experiments.cli import main
from sparsebounds.experiments.reproduce.certificates.study import figure
from sparsebounds.experiments.shared.problems import Problem

RESULTS = Path(__file__).resolve().parents[3] / "results" / "certificates"


@pytest.fixture(scope="module")
def found():
    return certify.certify(certify.CertifyOptions("digits-linear", "rehearsal", "quick"))


def test_the_document_adds_up(found) -> None:
    json.dumps(certify.plain(found), allow_nan=False)
    assert found["value"] == pytest.approx(found["ramp"] + found["complexity"] + found["confidence"])
    assert found["test_error"] <= found["value"] < 1.05
    prices = [v for k, v in found["terms"].items() if k.startswith("nats: ")]
    assert found["nats"] == pytest.approx(math.fsum(prices), abs=1e-9)
    terms = found["terms"]
    paid = math.fsum(part["nats"] for part in terms["configuration"].values())
    assert terms["nats: configuration"] == pytest.approx(paid) and paid > 5
    assert found["space"] == {"name": "certify: digits, all classes", "version": 2, "hash": "64d5977c198e6536"}
    expected = math.sqrt((math.log(2 / found["delta"]) + found["nats"]) / (2 * found["m"]))
    assert found["confidence"] == pytest.approx(expected)
    assert sum(found["limits"][part] for part in ("ramp", "complexity", "confidence")) == pytest.approx(1.0)
    pixels = [found["limits"]["positions"][k]["position"] for k in range(5)]
    assert all(len(pixel) == 3 and max(pixel) < 8 for pixel in pixels)  # row, column, channel
    splits = found["limits"]["complexity per split of the classes"]
    assert len(splits) == 9 and sum(splits.values()) == pytest.approx(found["complexity"], rel=1e-4)
    assert sum(found["limits"]["ramp per class"].values()) == pytest.approx(found["ramp"], rel=1e-6)


def test_what_was_left_out_stands_in_the_document(found) -> None:
    assert found["left_out"] == {
        "images": 300,
        "labels_used": True,
        "for": "mean and range of what the network receives, axes of the class",
    }
    assert found["m"] == 1437 - 300
    held = found["held_out"]["test images"]
    assert held["value"] == binomial_upper(held["errors"], held["of"], math.log(1e-3))
    assert found["held_out"]["rehearsal network, frozen"]["of"] == found["m"]


def test_left_out_images_cannot_be_certified() -> None:
    task = certify_tasks.find_task("digits-linear")
    parts = certify_data.load(task, None)
    mixed = certify_data.Part(np.concatenate([parts.certified.x, parts.left_out.x[:3]]), parts.certified.y)
    with pytest.raises(ValueError, match="3 of these"):
        certify_data.prepare(task, replace(parts, certified=mixed))


def test_the_energy_clip_keeps_its_promise() -> None:
    rng = np.random.default_rng(0)
    inputs, constant = rng.uniform(size=(2, 5)), np.array([0.1, 0.0])
    limits = np.array([1.0, 2.0])
    v = 3 * rng.normal(size=(200, 5)).astype(np.float32)
    clip = certify_data.energy_clip(inputs, constant, limits, lambda v: v)
    clipped = np.asarray(clip(v), np.float64)
    assert (np.square(clipped) @ inputs.T + constant <= limits * (1 + 1e-5)).all()
    small = 0.01 * v
    np.testing.assert_allclose(np.asarray(clip(small)), small)
    # Of the values of a network without biases, which shrink with its inputs.
    kernel = rng.normal(size=(5, 4)).astype(np.float32)
    maps = lambda v: np.concatenate([v, np.maximum(v @ kernel, 0)], axis=1)  # noqa: E731
    inputs = rng.uniform(size=(2, 9))
    traced = certify_data.energy_clip(
        inputs, constant, limits, lambda v: jnp.concatenate([v, jnp.maximum(v @ kernel, 0)], axis=1)
    )
    z = np.square(maps(np.asarray(traced(v), np.float64))) @ inputs.T + constant
    assert (z <= limits * (1 + 1e-5)).all() and (z > limits * (1 - 1e-3)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "mnist2"], "unknown task 'mnist2': choose from digits-linear, mnist01"),
        (["--task", "digits-linear", "--delta", "0"], "--delta 0 is not strictly between 0 and 1"),
        (["--task", "digits-linear", "--form", "prior"], "unknown form 'prior'"),
        (["--task", "digits-linear", "--preset", "gpu"], "unknown preset 'gpu'"),
        (["--task", "digits-linear", "--width", "0.1"], "--width 0.1: goes with --form centred"),
        (["--task", "digits-linear", "--form", "centred", "--width", "0.2"], "one of 1, 0.5, 0.25, 0.1, 0.03, 0.01"),
        (["--task", "mnist01-linear", "--data-dir", "/nowhere"], "train-images-idx3-ubyte"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["certify", *arguments])
    captured = capsys.readouterr()
    assert stop.value.code == 2 and captured.out == ""
    assert message in captured.err and captured.err.count("\n") == 1


def test_hidden_layers_have_no_uniform_form() -> None:
    task = replace(certify_tasks.find_task("digits-linear"), convs=((2, 2, 2),))
    with pytest.raises(Problem, match="no uniform form"):
        certify_fit.fit(task, "uniform", None, seed=0, delta=0.01)  # type: ignore[arg-type]


@pytest.mark.parametrize(("form", "convs"), [("boxes", ((2, 2, 2),)), ("centred", ()), ("centred", ((2, 2, 2),))])
def test_forms_with_boxes_on_the_digits(form: str, convs: tuple) -> None:
    task = replace(certify_tasks.find_task("digits-linear"), convs=convs, steps=(20, 10), rehearsal_steps=(100, 100))
    prepared = certify_data.prepare(task, certify_data.load(task, None))
    fitted = certify_fit.fit(task, form, prepared, seed=0, delta=0.01)
    assert fitted.bound.guarantee == "certificate" and fitted.bound.value < 1.2
    low, most = fitted.family.radii(fitted.graph).max(), fitted.family.most(fitted.graph)
    assert low <= fitted.bound.terms["c_j = ratio^j"] * fitted.bound.gamma <= most
    shown = certify_limits.limits(fitted)["complexity if all up to this layer were fixed"]
    assert list(shown) == ["input"] and shown["input"] == pytest.approx(fitted.bound.complexity)


def test_no_committed_certificate_is_below_its_test_error(tmp_path: Path) -> None:
    rows = pd.read_csv(RESULTS / "rows.csv")
    assert {"task", "form", "seed", "value", "test_error", "held_out", "labels_used", "left_out"} <= set(rows.columns)
    assert (rows["value"] > rows["test_error"]).all() and (rows["guarantee"] == "certificate").all()
    np.testing.assert_allclose(rows["value"], rows[["ramp", "complexity", "confidence"]].sum(axis=1))
    assert (rows["value"] > rows["held_out"]).all()  # what a test set says about one network is more
    curve = pd.read_csv(RESULTS.parent / "pareto" / "rows.csv")
    assert len(curve) >= 5 and (curve["value"] > curve["test_error"]).all()
    figure(rows, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000


def test_the_table_is_the_committed_rows() -> None:
    """Two seeds, rounded up to three digits; and the parts of seed 0."""
    rows = pd.read_csv(RESULTS / "rows.csv").sort_values("seed")
    table = [line for line in (RESULTS / "README.md").read_text(encoding="utf-8").splitlines() if "|" in line]
    for (task, form), found in rows.groupby(["task", "form"]):
        pair = " / ".join(f"{math.ceil(value * 1000) / 1000:.3f}" for value in found["value"])
        parts = " ".join(f"{found.iloc[0][part]:.3f}"[1:] for part in ("ramp", "complexity", "confidence"))
        assert any(f"| {form} | {pair} | {parts} |" in line for line in table), (task, form)


def test_the_front_page_has_committed_rows() -> None:
    """Each is one row of a study: its certificate and held-out bound rounded up, its test error to the nearest."""
    beside = {"certificates": "held_out", "distance": "frozen_held_out"}
    studies = {name: pd.read_csv(RESULTS.parent / name / "rows.csv") for name in beside}
    rows = pd.concat(found.assign(beside=found[beside[name]]) for name, found in studies.items())
    shown = re.findall(
        r"^\| `(mnist[^`]*)` \| [^|]+ \| [^|]+ \| \*\*([\d.]+)\*\* \| ([\d.]+) \| ([\d.–]+) \|$",
        (RESULTS.parents[1] / "README.md").read_text(encoding="utf-8"),
        flags=re.M,
    )
    assert len(shown) >= 8
    for task, value, error, held_out in shown:
        step = 10.0 ** -len(value.partition(".")[2])
        above = float(value) - rows["value"]
        found = rows[(rows["task"] == task) & (0 <= above) & (above < step)]
        found = found[(found["test_error"] - float(error)).abs() <= step / 2 + 1e-12]
        if held_out != "–":
            found = found[(float(held_out) - step < found["beside"]) & (found["beside"] <= float(held_out))]
        assert len(found), (task, value)


def test_the_layers_cost_is_in_the_document() -> None:
    """A network with a convolution on the digits: the complexity falls with every layer that is taken for fixed."""
    task = replace(
        certify_tasks.find_task("digits-linear"),
        convs=((2, 2, 4),),
        steps=(20, 10),
        rehearsal_steps=(100, 100),
        starts=2,
    )
    prepared = certify_data.prepare(task, certify_data.load(task, None))
    fitted = certify_fit.fit(task, "signed", prepared, seed=0, delta=0.01)
    layers = certify_limits.limits(fitted)["complexity if all up to this layer were fixed"]
    assert next(iter(layers)) == "input" and len(layers) == 2
    whole, rest = layers.values()
    assert whole == fitted.bound.complexity and 0 < rest < whole
    assert fitted.bound.value > fitted.bound.complexity and fitted.family.orthants is not None


def test_forms_of_the_command() -> None:
    assert [certify.form_of(certify.CertifyOptions(t)) for t in ("mnist01", "mnist10-filters")] == ["boxes", "boxes"]
    assert certify.form_of(certify.CertifyOptions("mnist01", "signed")) == "signed"
