"""`sparsebounds evaluate model.onnx`, on the committed files."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from command_line import run, strict
from onnx import TensorProto, helper
from onnx_twins import FOLDER, SHAPES, twin

from sparsebounds import bounds
from sparsebounds.bounds.evidence import evidence_of
from sparsebounds.experiments.evaluate.evaluate import EvaluateConfig
from sparsebounds.experiments.evaluate.evaluate import evaluate as evaluated
from sparsebounds.experiments.shared.user_model import beside
from sparsebounds.nets.onnx import compare, load

ROWS = ("--bound", "galanti", "--bound", "occam")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Data of every shape, images with their channels first and last."""
    for name, shape in SHAPES.items():
        x = np.random.default_rng(1).normal(size=(30, *shape)).astype(np.float32)
        y = np.arange(30) % (10 if name == "lenet" else 4)
        np.savez(tmp_path / f"{name}.npz", x=np.moveaxis(x, -1, 1) if len(shape) == 3 else x, y=y)
        np.savez(tmp_path / f"{name}-last.npz", x=x, y=y)
    return tmp_path


def evaluate(folder: Path, file: str, data: str, *more: str) -> int:
    return run("evaluate", str(FOLDER / f"{file}.onnx"), "--data", str(folder / f"{data}.npz"), *ROWS, *more)


def test_the_table_is_that_of_the_twin(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder, "lenet-dynamo-20", "lenet", "--json") == 0
    found = strict(capsys.readouterr().out)
    with np.load(folder / "lenet-last.npz") as data:
        expected = bounds.table(twin("lenet"), data["x"], data["y"], names=["galanti", "occam"])
    assert [row["bound"] for row in found["rows"]] == ["galanti", "occam"]
    np.testing.assert_allclose([row["value"] for row in found["rows"]], expected.value, rtol=1e-6)
    assert found["said"].startswith("ONNX: the scores are those of onnxruntime up to ")


def test_every_row_has_the_largest_difference_among_its_terms(folder: Path) -> None:
    file = str(FOLDER / "lenet-dynamo-20.onnx")
    frame = evaluated(EvaluateConfig(target=file, data=folder / "lenet.npz", names=("galanti", "occam", "gonon")))
    evidence = evidence_of(frame)
    assert evidence is not None
    (told,) = {row.terms["largest difference from onnxruntime"] for row in evidence.bounds.values()}
    f = load(file)
    with np.load(folder / "lenet.npz") as data:
        assert 0.0 < told == compare(f, Path(file), data["x"]).difference < 1e-4


def test_channels_last_are_turned_and_said(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = []
    for data in ("resnet", "resnet-last"):
        assert evaluate(folder, "resnet-script-17", data, "--json") == 0
        printed = capsys.readouterr()
        found.append([row["value"] for row in strict(printed.out)["rows"]])
        turned = "the inputs came with their channels last and are turned for" in printed.err
        assert turned == (data == "resnet-last") and printed.err.count("\n") == 1
    assert found[0] == found[1]


def test_a_table_for_people_and_a_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert evaluate(folder, "lenet-beside-dynamo-20", "lenet", "--out", str(folder / "out")) == 0
    printed = capsys.readouterr()
    assert "galanti" in printed.out and "written:" in printed.out
    config = json.loads((folder / "out" / "config.json").read_text(encoding="utf-8"))
    files = ["lenet-beside-dynamo-20.onnx", "lenet-beside-dynamo-20.onnx.data"]
    hashes = {name: hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() for name in files}
    assert config["sha256"].keys() == {*files, "lenet.npz"} and hashes.items() <= config["sha256"].items()
    assert config["said"].startswith("ONNX: the scores are those of onnxruntime")
    assert (folder / "out" / "rows.csv").read_text(encoding="utf-8").count("\n") == 3


@pytest.mark.parametrize(
    ("file", "data", "more", "says"),
    [
        ("lenet-script-17", "resnet", (), "the inputs have shape (3, 12, 12), and one input of"),
        ("lenet-script-17", "resnet", (), "has shape (1, 28, 28), or (28, 28, 1) with the channels last: save them so"),
        ("gelu_mlp-script-17", "lenet", (), "has shape (20,): save them so"),
        ("lenet-script-17", "lenet", ("--checkpoint", "w.npz"), "has its weights inside: drop --checkpoint"),
        ("lenet-script-17", "lenet", ("--step", "3"), "--step is for Orbax folders"),
        ("lenet-script-17", "lenet", ("--shape", "1,x"), "--shape 1,x: write the numbers of one input with commas"),
        ("lenet-script-17", "lenet", ("--shape", "1,0,3"), "--shape 1,0,3: needed whole numbers from 1 on"),
        ("lenet-script-17", "lenet", ("--shape", "1,30,28"), "--shape 1,30,28 came, and one input of"),
        ("none", "lenet", (), "give the path of the ONNX file that was exported"),
    ],
)
def test_bad_input_is_one_line(file: str, data: str, more: tuple, says: str, folder: Path, capsys) -> None:
    assert evaluate(folder, file, data, *more) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("\n") == 1 and not printed.out


def test_an_open_shape_is_asked_for_and_taken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = helper.make_tensor_value_info
    weights = [onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(4, 3, 1, 1)).astype("f4"), "w")]
    nodes = [helper.make_node("Conv", ["x", "w"], ["h"]), helper.make_node("GlobalAveragePool", ["h"], ["g"]),
             helper.make_node("Flatten", ["g"], ["y"])]  # fmt: skip
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["B", 3, "H", "W"])],
        [value("y", TensorProto.FLOAT, ["B", 4])],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "m.onnx")
    command = ("evaluate", str(folder / "m.onnx"), "--data", str(folder / "resnet.npz"), "--bound", "galanti")
    assert run(*command) == 2
    assert "leaves the shape of its inputs open, (3, ?, ?): give it with --shape, such as --shape 3,32,32" in (
        capsys.readouterr().err
    )
    assert run(*command, "--shape", "3,12,12", "--json") == 0
    assert strict(capsys.readouterr().out)["rows"][0]["value"] > 0


def test_integers_where_floats_are_needed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(folder / "bytes.npz", x=np.ones((5, 1, 28, 28), np.uint8), y=np.arange(5))
    assert evaluate(folder, "lenet-script-17", "bytes") == 2
    assert "the inputs are uint8, and" in capsys.readouterr().err


def test_the_folder_is_not_put_on_the_path() -> None:
    """An onnx.py in it would be imported in place of the package."""
    before = list(sys.path)
    with beside("some/model.onnx"):
        assert sys.path == before
