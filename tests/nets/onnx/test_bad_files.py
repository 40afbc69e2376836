"""What cannot be read: one sentence that says what came and what to do."""

from pathlib import Path

import numpy as np
import onnx
import pytest
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


@pytest.mark.parametrize(
    ("nodes", "more", "says"),
    [
        ([node("Relu")], {"shape": ("B", "H")}, "--shape"),
        ([node("Relu")], {"opset": 11}, "opset 11, and 13 to 23 are read"),
        ([node("Fancy", domain="mine")], {"domain": "mine"}, "custom operators \\(mine.Fancy in node n1"),
        ([node("GRU")], {}, "operators that are not read \\(GRU in node n1"),
        ([node("Dropout", "", "t")], {}, "training mode \\(Dropout in node n1"),
        ([node("BatchNormalization", *"wwww", training_mode=1)], {}, "training mode \\(BatchNormalization in node n1"),
    ],
)
def test_what_is_not_read_is_said(tmp_path: Path, nodes: list, more: dict, says: str) -> None:
    with pytest.raises(nets.onnx.OnnxError, match=says):
        nets.onnx.load(saved(tmp_path, nodes, **more))


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


def test_scores_that_differ_name_the_first_node(tmp_path: Path) -> None:
    path = FOLDER / "lenet-script-17.onnx"
    f = nets.onnx.load(path)
    f.params["conv2.bias"] = f.params["conv2.bias"] + 1
    with pytest.raises(nets.onnx.OnnxError, match="the first node whose values differ is /conv2/Conv, Conv"):
        nets.onnx.compare(f, path, np.ones((3, 1, 28, 28), np.float32))
