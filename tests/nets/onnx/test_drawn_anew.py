"""What is drawn anew keeps nothing that a sample could have shaped, wherever the file hides it."""

from pathlib import Path

import jax
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_twins import FOLDER

from sparsebounds import nets
from sparsebounds.nets.onnx.leftovers import is_run

KEY = jax.random.key(0)
RANDOM = np.random.default_rng(0)
KERNEL = RANDOM.normal(size=(6, 6)).astype(np.float32)
WHOLE = RANDOM.integers(-127, 128, (6, 6)).astype(np.int8)
ODD = np.float32(0.7391852)
make = helper.make_node


def saved(folder: Path, *nodes: onnx.NodeProto, opset: int = 20, **arrays: np.ndarray) -> Path:
    """x (B, 6) → y (B, 6)."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes), "g", [value("x", TensorProto.FLOAT, ["B", 6])], [value("y", TensorProto.FLOAT, ["B", 6])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )  # fmt: skip
    path = folder / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10), path)
    return path


def constant(array: np.ndarray, name: str) -> onnx.NodeProto:
    return make("Constant", [], [name], value=numpy_helper.from_array(np.asarray(array)))


DENSE = make("MatMul", ["x", "w"], ["h"])
PLANTED = {
    "weights quantised to whole numbers": (
        [make("Cast", ["q"], ["w"], to=1), DENSE, make("Mul", ["h", "scale"], ["y"])], {"q": WHOLE, "scale": ODD},
        "w \\(MatMul",
    ),
    "quantised, cast like the input": ([make("CastLike", ["q", "x"], ["w"]), make("MatMul", ["x", "w"], ["y"])],
                                       {"q": WHOLE}, "w \\(MatMul"),
    "a pruning mask of zeros and ones": ([make("Cast", ["m"], ["f"], to=1), make("Mul", ["v", "f"], ["w"]),
                                          make("MatMul", ["x", "w"], ["y"])],
                                         {"m": WHOLE > 20, "v": KERNEL}, "f \\(Mul"),
    "a pruning mask in Where": ([make("Where", ["m", "v", "z"], ["w"]), make("MatMul", ["x", "w"], ["y"])],
                                {"m": WHOLE > 20, "v": KERNEL, "z": np.float32(0)}, "m \\(Where"),
    "a mask of attention that leaves out what it likes": (
        [DENSE, make("Add", ["h", "m"], ["y"])], {"w": KERNEL, "m": np.where(WHOLE[:1] > 20, 0, -1e9).astype("f4")},
        "m \\(Add",
    ),
    "chosen inputs": ([make("Gather", ["x", "i"], ["h"], axis=1), make("MatMul", ["h", "w"], ["y"])],
                      {"i": np.array([0, 3, 4]), "w": KERNEL[:3]}, "i \\(Gather"),
    "a learnt limit": ([DENSE, make("Clip", ["h", "low", "high"], ["y"])],
                       {"w": KERNEL, "low": np.float32(0), "high": np.float32(5.327191)}, "high \\(Clip"),
    "a learnt exponent": ([DENSE, make("Abs", ["h"], ["a"]), make("Pow", ["a", "p"], ["y"])],
                          {"w": KERNEL, "p": np.float32(2.8173421)}, "p \\(Pow"),
    "a learnt slope as an attribute": ([DENSE, make("LeakyRelu", ["h"], ["y"], alpha=0.7391852)], {"w": KERNEL},
                                       "alpha = 0.739185 \\(LeakyRelu"),
    "weights from indices": ([make("OneHot", ["i", "six", "values"], ["o"]), make("Cast", ["o"], ["w"], to=1),
                              make("MatMul", ["x", "w"], ["y"])],
                             {"i": np.array([0, 3, 4, 1, 2, 5]), "six": np.array(6),
                              "values": np.array([0, 1])}, "w \\(MatMul"),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_what_could_have_been_learnt_is_refused(what: str, tmp_path: Path) -> None:
    nodes, arrays, says = PLANTED[what]
    f = nets.onnx.load(saved(tmp_path, *nodes, **arrays))
    with pytest.raises(nets.onnx.OnnxError, match=f"{says}.*could have been learnt"):
        nets.onnx.drawn_anew(f, KEY)


HIDDEN = {
    "in a Constant node": [constant(KERNEL, "w"), make("MatMul", ["x", "w"], ["y"])],
    "in half precision": [constant(KERNEL.astype(np.float16), "h"), make("Cast", ["h"], ["w"], to=1),
                          make("MatMul", ["x", "w"], ["y"])],
    "as a sum": [constant(KERNEL, "a"), constant(KERNEL / 3, "b"), make("Add", ["a", "b"], ["w"]),
                 make("MatMul", ["x", "w"], ["y"])],
    "transposed, reshaped": [constant(KERNEL.reshape(36), "a"), constant(np.array([6, 6]), "s"),
                             make("Reshape", ["a", "s"], ["b"]), make("Transpose", ["b"], ["w"]),
                             make("MatMul", ["x", "w"], ["y"])],
    "a slope": [constant(KERNEL[0], "w"), make("PRelu", ["x", "w"], ["y"])],
    "a scale": [constant(ODD, "w"), make("Mul", ["x", "w"], ["y"])],
    "statistics through Identity and Cast": [
        constant(np.ones(6, np.float32), "one"), constant(KERNEL[0].astype(np.float16), "h"),
        make("Cast", ["h"], ["mean"], to=1), constant(np.abs(KERNEL[1]) + 1, "v"), make("Identity", ["v"], ["u"]),
        make("BatchNormalization", ["x", "one", "one", "mean", "u"], ["y"]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("where", HIDDEN)
def test_other_weights_in_the_same_file_make_no_difference(where: str, tmp_path: Path) -> None:
    """Drawn anew from this file, and from the same with its numbers scaled by an odd factor: the same network."""
    x = RANDOM.normal(size=(4, 6)).astype(np.float32)
    found = []
    for factor in (1.0, 1.2345):
        nodes = []
        for node in HIDDEN[where]:
            tensor = None if node.op_type != "Constant" else numpy_helper.to_array(node.attribute[0].t)
            floating = tensor is not None and tensor.dtype.kind == "f"
            nodes += [constant((tensor * factor).astype(tensor.dtype), node.output[0]) if floating else node]
        f = nets.onnx.load(saved(tmp_path, *nodes))
        anew = nets.onnx.drawn_anew(f, KEY)
        assert not np.allclose(f(x), anew(x))
        found.append(anew)
    assert np.array_equal(found[0](x), found[1](x))
    assert found[0].program.arrays.keys() == found[1].program.arrays.keys()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.onnx")), ids=lambda path: path.stem)
def test_every_committed_file_can_be_drawn_anew(path: Path) -> None:
    f = nets.onnx.load(path)
    anew = nets.onnx.drawn_anew(f, KEY)
    assert {name: a.shape for name, a in anew.params.items()} == {name: a.shape for name, a in f.params.items()}
    kernels = [name for name, a in f.params.items() if a.ndim > 1]
    assert all(not np.allclose(f.params[name], anew.params[name]) for name in kernels)
    assert all(np.ptp(a) == 0 and a.flat[0] in (0, 1) for a in anew.statistics.values())


def test_a_run_of_indices() -> None:
    assert is_run(np.arange(5)) and is_run(np.arange(9, 0, -3)) and is_run(np.array([4])) and is_run(np.array([4, 3]))
    assert not is_run(np.array([3, 17])) and not is_run(np.array([0, 1, 3]))
