"""`sparsebounds certify model.onnx`: the architecture trained anew, or the weights of a file as the reference."""

import json
from pathlib import Path

import jax
import numpy as np
import onnx
import pytest
from command_line import run
from onnx import TensorProto, helper, numpy_helper
from onnx_twins import FOLDER
from safetensors.numpy import load_file

from sparsebounds import bounds, nets
from sparsebounds.experiments.shared.distance.network import network_of_file
from sparsebounds.experiments.shared.distance.recipe import RECIPES, Recipe
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.shared.user_model import load_arrays

MLP, CONV = FOLDER / "gelu_mlp-script-17.onnx", FOLDER / "resnet-dynamo-20.onnx"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few epochs: a checkpoint is written after each."""
    monkeypatch.setitem(RECIPES, "quick", Recipe(4, 1, 1, (1, 1), (1, 1, 1, 1), (1.0,), 1, rate=1e-2))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Labels that the inputs give away."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4200, 20)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x_train=x[:4000], y_train=x[:4000, :4].argmax(1), x_test=x[4000:],
             y_test=x[4000:, :4].argmax(1))  # fmt: skip
    images = rng.normal(size=(400, 12, 12, 3)).astype(np.float32)
    y = np.arange(400) % 4
    images += 2 * y[:, None, None, None]
    np.savez(tmp_path / "images.npz", x=images / 4, y=y)
    return tmp_path


def test_what_is_kept_of_a_file(data: Path, tmp_path: Path) -> None:
    """Without a reference its architecture alone; all of it where the file is its own reference."""
    arrays = load_arrays(data / "data.npz")
    f = nets.onnx.load(MLP)
    anew, _ = network_of_file(str(MLP), arrays, None)
    assert all(not np.array_equal(anew.params[name], f.params[name]) for name in f.params)
    whole, _ = network_of_file(str(MLP), arrays, None, MLP)
    assert all(np.array_equal(whole.params[name], f.params[name]) for name in f.params)
    placed = anew.with_weights(MLP)
    assert all(np.array_equal(placed.params[name], f.params[name]) for name in f.params)
    assert "weights drawn anew" in anew.note and f"weights of {MLP}" in placed.note
    limit, other = limited(tmp_path, "a.onnx", 5.327191, 0), limited(tmp_path, "b.onnx", 2.0, 1)
    for reference in (None, other):  # the limits of the file stay, whatever the weights are
        with pytest.raises(Problem, match="could have been learnt"):
            network_of_file(str(limit), arrays, None, reference)
    network_of_file(str(limit), arrays, None, limit)
    network_of_file(str(other), arrays, None, limit)


def certify(file: Path, data: Path, out: Path, *more: str) -> int:
    return run("certify", str(file), "--data", str(data), "--preset", "quick", "--out", str(out), *more)


def written(folder: Path) -> dict:
    return json.loads((folder / "certificate.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_architecture_is_trained_anew(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert certify(MLP, data / "data.npz", tmp_path / "out") == 0
    assert "draw of the weights, this network errs on at most" in capsys.readouterr().out.replace("\n", " ")
    found = written(tmp_path / "out")
    assert found["guarantee"] == "certificate" and found["test_error"] < found["value"] < 0.75
    assert f"the architecture of {MLP}, weights drawn anew" in found["note"]
    assert "the scores are those of onnxruntime up to" in found["note"]
    stored = load_file(tmp_path / "out" / "network.safetensors")
    f = nets.onnx.load(MLP)
    assert {name: a.shape for name, a in stored.items()} == {name: a.shape for name, a in f.params.items()}
    with np.load(data / "data.npz") as arrays:  # the function of the file, with the weights that were handed out
        wrong = np.argmax(f.apply(stored, arrays["x_test"]), 1) != arrays["y_test"]
    assert np.sum(wrong) == round(200 * found["test_error"])


@pytest.mark.slow
def test_other_weights_in_the_file_make_the_same_network(data: Path, tmp_path: Path) -> None:
    """The reference that is trained does not depend on the weights of the file."""
    model = onnx.load(MLP)
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(array[::-1] * np.float32(1.5), tensor.name))
    onnx.save(model, tmp_path / MLP.name)
    for file, out in ((MLP, "one"), (tmp_path / MLP.name, "two")):
        assert certify(file, data / "data.npz", tmp_path / out) == 0
    draws = (bounds.Draw.load(tmp_path / out / "draw.npz") for out in ("one", "two"))
    one, two = (jax.tree.leaves(drawn.prior.reference) for drawn in draws)
    assert len(one) == 6 and all(map(np.array_equal, one, two))


@pytest.mark.slow
@pytest.mark.parametrize("saw", ["none", "ids"])
def test_weights_of_a_file_as_the_reference(saw: str, data: Path, tmp_path: Path) -> None:
    if saw == "ids":
        np.save(tmp_path / "ids.npy", np.arange(0, 4000, 2))
    said = "none" if saw == "none" else str(tmp_path / "ids.npy")
    assert certify(MLP, data / "data.npz", tmp_path / "out", "--reference", str(MLP), "--reference-saw", said) == 0
    found = written(tmp_path / "out")
    assert found["guarantee"] == "certificate"
    assert f"the architecture of {MLP}, weights of {MLP}" in found["note"] and "drawn anew" not in found["note"]
    f = nets.onnx.load(MLP)
    with np.load(data / "data.npz") as arrays:
        certified = 4000 if saw == "none" else 2000
        wrong = np.argmax(f(arrays["x_test"]), 1) != arrays["y_test"]
    assert found["m"] <= certified
    row = found["held_out"]["reference, frozen, on the certified samples"]
    assert round(200 * row["test_error"]) == np.sum(wrong)  # that of the file, untrained


@pytest.mark.slow
def test_a_network_of_images_with_batch_norm(data: Path, tmp_path: Path) -> None:
    assert certify(CONV, data / "images.npz", tmp_path / "out") == 0
    found = written(tmp_path / "out")
    assert found["guarantee"] == "certificate" and "the inputs came with their channels last" in found["note"]
    stored = load_file(tmp_path / "out" / "network.safetensors")
    means = [name for name in stored if name.endswith("running_mean")]
    assert means and all(not stored[name].any() for name in means)


def limited(folder: Path, name: str, limit: float, seed: int) -> Path:
    """A dense layer whose scores are clipped at a number that was learnt."""
    value = helper.make_tensor_value_info
    kernel = np.random.default_rng(seed).normal(size=(20, 4)).astype(np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Clip", ["h", "low", "high"], ["y"])]
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, ["B", 20])], [value("y", TensorProto.FLOAT, ["B", 4])],
        [numpy_helper.from_array(np.asarray(array, np.float32), key)
         for key, array in (("w", kernel), ("low", -limit), ("high", limit))],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / name)
    return folder / name


@pytest.mark.slow
def test_what_a_file_learnt_beside_its_weights_is_refused_or_declared(data: Path, tmp_path: Path, capsys) -> None:
    file, other = limited(tmp_path, "a.onnx", 5.327191, 0), limited(tmp_path, "b.onnx", 2.0, 1)
    assert certify(file, data / "data.npz", tmp_path / "out") == 2
    err = capsys.readouterr().err
    assert "could have been learnt" in err and "give the same file as --reference" in err and err.count("\n") == 1
    saw = ("--reference-saw", "none")
    assert certify(file, data / "data.npz", tmp_path / "out", "--reference", str(other), *saw) == 2  # its limits stay
    assert "could have been learnt" in capsys.readouterr().err
    assert certify(file, data / "data.npz", tmp_path / "out", "--reference", str(file), *saw) == 0


def test_a_reference_of_another_architecture(data: Path, tmp_path: Path, capsys) -> None:
    other = FOLDER / "lenet-script-17.onnx"
    more = ("--reference", str(other), "--reference-saw", "none")
    assert certify(MLP, data / "data.npz", tmp_path / "out", *more) == 2
    err = capsys.readouterr().err
    assert "lenet-script-17.onnx" in err and "layers.0.weight" in err and err.count("\n") == 1
