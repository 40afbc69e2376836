"""What cannot be read: one sentence that says what came and what to do."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from ml_dtypes import bfloat16
from onnx import TensorProto, helper
from onnx_twins import FOLDER

from sparsebounds import nets


def saved(folder: Path, nodes: list, *, shape: tuple = ("B", 3), opset: int = 17, domain: str = "") -> Path:
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, list(shape))], [value("y", TensorProto.FLOAT, ["B", 3])],
        [onnx.numpy_helper.from_array(np.ones(3, np.float32), "w"), onnx.numpy_helper.from_array(np.array(True), "t")],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", opset)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    onnx.save(helper.make_model(graph, opset_imports=opsets), folder / "m.onnx")
    return folder / "m.onnx"


def node(op: str, *inputs: str, **more) -> onnx.NodeProto:
    return helper.make_node(op, ["x", *inputs], ["y"], name="n1", **more)


BRANCH = helper.make_graph([], "branch", [], [])


@pytest.mark.parametrize(
    ("nodes", "more", "says"),
    [
        ([node("Relu")], {"shape": ("B", "H")}, "--shape"),
        ([node("Relu")], {"opset": 11}, "opset 11, and 13 to 23 are read"),
        ([node("Fancy", domain="mine")], {"domain": "mine"}, "custom operators \\(mine.Fancy in node n1"),
        ([node("GRU")], {}, "operators that are not read \\(GRU in node n1"),
        ([node("If", then_branch=BRANCH, else_branch=BRANCH)], {}, "control flow \\(If in node n1"),
        ([node("Loop", "", body=BRANCH)], {}, "control flow \\(Loop in node n1.*without branches and loops"),
        ([node("Scan", body=BRANCH, num_scan_inputs=1)], {}, "control flow \\(Scan in node n1"),
        ([node("Relu")], {"shape": (4, 3)}, "takes 4 inputs at a time.*a free batch"),
        ([node("Relu")], {"shape": (3,)}, "needed a batch of inputs"),
        ([node("Relu")], {"opset": 24}, "opset 24, and 13 to 23 are read: export it again with opset_version=18"),
        ([node("Add", "lost")], {}, "reads lost, and has no dense array or node of this name"),
        ([node("ReduceSum", keepdims=0)], {}, "returns shape \\(\\) for 2 inputs: needed scores"),
        ([node("MatMul", "w")], {"shape": ("B", 4)}, "node n1, MatMul on shapes \\(2, 4\\), \\(3,\\)"),
        ([node("Dropout", "", "t")], {}, "training mode \\(Dropout in node n1"),
        ([node("BatchNormalization", *"wwww", training_mode=1)], {}, "training mode \\(BatchNormalization in node n1"),
    ],
)
def test_what_is_not_read_is_said(tmp_path: Path, nodes: list, more: dict, says: str) -> None:
    with pytest.raises(nets.onnx.OnnxError, match=says):
        nets.onnx.load(saved(tmp_path, nodes, **more))


def test_several_inputs_or_outputs_are_named(tmp_path: Path) -> None:
    model = onnx.load(saved(tmp_path, [node("Relu")]))
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["B", 3]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(nets.onnx.OnnxError, match=r"2 inputs \(x, mask\), and one batched input is needed"):
        nets.onnx.load(tmp_path / "m.onnx")
    model = onnx.load(saved(tmp_path, [node("Relu")]))
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3]))
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(nets.onnx.OnnxError, match=r"2 outputs \(y, x\), and one is needed, scores \(B, C\)"):
        nets.onnx.load(tmp_path / "m.onnx")


def test_sparse_weights_are_not_read(tmp_path: Path) -> None:
    made = helper.make_sparse_tensor(
        onnx.numpy_helper.from_array(np.ones(2, np.float32), "s"),
        onnx.numpy_helper.from_array(np.array([0, 4]), "i"), [3, 3],
    )  # fmt: skip
    model = onnx.load(saved(tmp_path, [node("MatMul", "s")]))
    model.graph.sparse_initializer.append(made)
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(nets.onnx.OnnxError, match=r"reads s, and has no dense array.*that are not sparse"):
        nets.onnx.load(tmp_path / "m.onnx")
    constant = helper.make_node("Constant", [], ["c"], name="n0", sparse_value=made)
    with pytest.raises(nets.onnx.OnnxError, match="node n0, Constant, holds sparse_value"):
        nets.onnx.load(saved(tmp_path, [constant, node("MatMul", "c")]))


@pytest.mark.parametrize(("kind", "name"), [(np.float16, "float16"), (bfloat16, "bfloat16")])
def test_half_precision_is_read_and_said(kind: type, name: str, tmp_path: Path) -> None:
    """Weights in it, computed with in float32, and a file that computes in it."""
    kernel = np.random.default_rng(0).normal(size=(3, 3)).astype(kind)
    model = onnx.load(saved(tmp_path, [helper.make_node("Cast", ["k"], ["c"], to=1), node("MatMul", "c")]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "k"))
    onnx.save(model, tmp_path / "m.onnx")
    f = nets.onnx.load(tmp_path / "m.onnx")
    assert f.notes == (f"{name} weights, computed with in float32",)
    assert f.params["k"].dtype == np.float32 and np.array_equal(f.params["k"], kernel.astype(np.float32))
    assert nets.onnx.compare(f, tmp_path / "m.onnx", np.ones((2, 3), np.float32)).difference < 1e-5


def test_a_file_that_computes_in_half_precision(tmp_path: Path) -> None:
    path = saved(tmp_path, [node("MatMul", "k")])
    model = onnx.load(path)
    kernel = np.random.default_rng(0).normal(size=(3, 3)).astype(np.float16)
    model.graph.initializer.append(onnx.numpy_helper.from_array(kernel, "k"))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = TensorProto.FLOAT16
    onnx.save(model, path)
    f, x = nets.onnx.load(path), np.random.default_rng(1).normal(size=(9, 3)).astype(np.float32)
    assert 0 < nets.onnx.compare(f, path, x).difference < 2e-2


def test_all_that_is_in_the_way_is_listed_at_once(tmp_path: Path) -> None:
    nodes = [helper.make_node("Fancy", ["x"], ["a"], name="n0", domain="mine"), helper.make_node("GRU", ["a"], ["y"])]
    with pytest.raises(nets.onnx.OnnxError, match=r"mine.Fancy in node n0.*GRU"):
        nets.onnx.load(saved(tmp_path, nodes, domain="mine"))


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model", encoding="utf-8")
    with pytest.raises(nets.onnx.OnnxError, match="no ONNX file"):
        nets.onnx.load(tmp_path / "text.onnx")
    beside = tmp_path / "lenet-beside-dynamo-20.onnx"
    beside.write_bytes((FOLDER / beside.name).read_bytes())
    with pytest.raises(nets.onnx.OnnxError, match="put that file beside it"):
        nets.onnx.load(beside)


def test_weights_beside_the_file_are_read(tmp_path: Path) -> None:
    names = ("lenet-beside-dynamo-20.onnx", "lenet-beside-dynamo-20.onnx.data")
    for name in names:
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    assert nets.onnx.files_of(tmp_path / names[0]) == tuple(tmp_path / name for name in names)
    (tmp_path / names[1]).write_bytes(b"short")
    with pytest.raises(nets.onnx.OnnxError, match=r"keeps its weights in lenet-beside-dynamo-20\.onnx\.data"):
        nets.onnx.load(tmp_path / names[0])


def test_scores_that_differ_name_the_first_node(tmp_path: Path) -> None:
    path = FOLDER / "lenet-script-17.onnx"
    f = nets.onnx.load(path)
    f.params["conv2.bias"] = f.params["conv2.bias"] + 1
    with pytest.raises(nets.onnx.OnnxError, match="the first node whose values differ is /conv2/Conv, Conv"):
        nets.onnx.compare(f, path, np.ones((3, 1, 28, 28), np.float32))
