"""Every operator, a node at a time, against onnxruntime."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_cases import CASES, Case, case, linear

from sparsebounds import nets
from sparsebounds.nets.onnx.rules import FOLDED, RULES

NETWORKS = [c for c in linear.CASES if c.op != "Gemm" and c.by_onnxruntime()[0].shape[0] == len(c.x)]
"""Those of which each input has scores of its own."""
IMAGE = (2, 4, 5, 6)
TWICE = np.array([1, 1, 2, 2], np.float32)


@pytest.mark.parametrize("one", CASES, ids=str)
def test_the_rule_has_the_values_of_onnxruntime(one: Case) -> None:
    for ours, theirs in zip(one.by_rule(), one.by_onnxruntime(), strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("one", NETWORKS, ids=str)
def test_a_file_of_the_operator_alone(one: Case, tmp_path: Path) -> None:
    f = nets.onnx.load(one.saved(tmp_path))
    assert nets.onnx.compare(f, tmp_path / "one.onnx", one.x).inputs == len(one.x)


def test_no_rule_without_a_case() -> None:
    assert set(RULES) - {one.op for one in CASES} == set()


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (case("Resize", IMAGE, None, TWICE, coordinate_transformation_mode="half_pixel_symmetric"),
         "Resize: coordinates half_pixel_symmetric are not read"),
        (case("Resize", IMAGE, None, TWICE, mode="linear"), "Resize: mode linear came, and nearest is read"),
        (case("MaxPool", IMAGE, kernel_shape=[2, 2], outputs=2), "MaxPool: it also returns where the maxima are"),
        (case("Attention", *[(2, 3, 4, 6)] * 3, softcap=2.0, opset=23), "Attention: its scores are capped"),
        (case("Attention", *[(2, 3, 4, 6)] * 6, opset=23, outputs=3), "Attention: it keeps keys and values"),
        (case("Cast", (2, 3), to=7), "Cast: it rounds values that depend on the input"),
    ],
    ids=str,
)  # fmt: skip
def test_a_form_that_is_not_read_names_its_node(one: Case, says: str, tmp_path: Path) -> None:
    with pytest.raises(nets.onnx.OnnxError, match=f"node n, {says}"):
        nets.onnx.load(one.saved(tmp_path))


def chain(*nodes: onnx.NodeProto, **constants: np.ndarray) -> onnx.ModelProto:
    """x (B, 2, 3) reshaped to the shape that a chain of constants makes."""
    value = helper.make_tensor_value_info
    made = [*nodes, helper.make_node("Reshape", ["x", "shape"], ["y"])]
    graph = helper.make_graph(
        made, "g", [value("x", TensorProto.FLOAT, ["B", 2, 3])], [onnx.ValueInfoProto(name="y")],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


CHAINS = {
    "shape, gather, unsqueeze, concat": [
        helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Gather", ["s", "zero"], ["b"]),
        helper.make_node("Unsqueeze", ["b", "axes"], ["u"]),
        helper.make_node("Concat", ["u", "less"], ["shape"], axis=0),
    ],
    "shape, slice, cast, product": [
        helper.make_node("Shape", ["x"], ["s"]), helper.make_node("Slice", ["s", "axes", "one"], ["b"]),
        helper.make_node("Cast", ["b"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["c"], ["d"], to=TensorProto.INT64),
        helper.make_node("Concat", ["d", "less"], ["shape"], axis=0),
    ],
    "constant, constant of shape, equal, where": [
        helper.make_node("Constant", [], ["k"], value_ints=[0, 6]),
        helper.make_node("ConstantOfShape", ["two"], ["o"], value=numpy_helper.from_array(np.array([0]))),
        helper.make_node("Equal", ["k", "o"], ["same"]), helper.make_node("Where", ["same", "less", "k"], ["shape"]),
    ],
    "range": [helper.make_node("Range", ["lower", "seven", "step"], ["shape"])],
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_constants_are_computed(name: str, tmp_path: Path) -> None:
    whole = {"zero": 0, "lower": -1, "seven": 13, "step": 7}
    model = chain(
        *CHAINS[name], axes=np.array([0]), one=np.array([1]), two=np.array([2]), less=np.array([-1]),
        **{key: np.array(value) for key, value in whole.items()},
    )  # fmt: skip
    onnx.save(model, tmp_path / "m.onnx")
    f, x = nets.onnx.load(tmp_path / "m.onnx"), np.arange(18, dtype=np.float32).reshape(3, 2, 3)
    assert nets.onnx.compare(f, tmp_path / "m.onnx", x).difference == 0.0
    assert [node.op for node in f.program.nodes][-1] == "Reshape"
    assert not set(FOLDED) & {node.op for node in f.program.nodes}
