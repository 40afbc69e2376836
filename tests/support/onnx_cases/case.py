"""One operator of ONNX each: its inputs, attributes and opset."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from sparsebounds.nets.onnx.network import run
from sparsebounds.nets.onnx.program import nodes_of


@dataclass(frozen=True, eq=False)
class Case:
    """A node: all of its inputs are constants but the one at place `at`, x; None stands for one that is left out."""

    op: str
    inputs: tuple[Any, ...]
    attributes: dict[str, Any] = field(default_factory=dict)
    opset: int = 20
    outputs: int = 1
    at: int = 0

    @property
    def x(self) -> np.ndarray:
        """What the network is given."""
        return np.asarray(self.inputs[self.at])

    def __str__(self) -> str:
        """An id for pytest."""
        shapes = ["x".join(map(str, np.shape(value))) or "-" for value in self.inputs]
        said = [f"{key}={value}".replace(" ", "") for key, value in self.attributes.items()]
        return "-".join([self.op, *shapes, *said, str(self.opset)])

    def model(self, *, flat: bool = False) -> onnx.ModelProto:
        """The node alone; `flat`: its first output as scores (B, C), for any number of inputs B."""
        names = ["" if value is None else f"c{i}" for i, value in enumerate(self.inputs)]
        names[self.at] = "x"
        outputs = [f"y{i}" for i in range(self.outputs)]
        nodes = [helper.make_node(self.op, names, outputs, name="n", **self.attributes)]
        nodes += [helper.make_node("Flatten", ["y0"], ["scores"])] if flat else []
        shape = ["B", *self.x.shape[1:]] if flat else self.x.shape
        given = helper.make_tensor_value_info("x", helper.np_dtype_to_tensor_dtype(self.x.dtype), shape)
        constants = [numpy_helper.from_array(np.asarray(value), name)
                     for name, value in zip(names, self.inputs, strict=True) if name not in ("", "x")]  # fmt: skip
        made = [onnx.ValueInfoProto(name=name) for name in (["scores"] if flat else outputs)]
        graph = helper.make_graph(nodes, "g", [given], made, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=10)

    def by_onnxruntime(self) -> list[np.ndarray]:
        """What onnxruntime has."""
        session = onnxruntime.InferenceSession(self.model().SerializeToString(), providers=["CPUExecutionProvider"])
        return list(session.run(None, {"x": self.x}))

    def by_rule(self) -> list[np.ndarray]:
        """What the rule has, compiled; x is not known while it is laid out."""
        node = nodes_of(self.model(), self.opset)[0]
        before, after = self.inputs[: self.at], self.inputs[self.at + 1 :]
        call: Callable[..., Any] = jax.jit(lambda x: run(node, [*before, x, *after]))
        return [np.asarray(value) for value in call(self.x)]

    def saved(self, folder: Path) -> Path:
        """A network of this operator alone, in a file."""
        onnx.save(self.model(flat=True), folder / "one.onnx")
        return folder / "one.onnx"


def case(op: str, *inputs: Any, opset: int = 20, outputs: int = 1, at: int = 0, **attributes: Any) -> Case:
    """A case; a shape stands for Gaussian numbers of that shape."""
    made = tuple(numbers(value, seed) if isinstance(value, tuple) else value for seed, value in enumerate(inputs))
    return Case(op, made, attributes, opset, outputs, at)


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Gaussian numbers in float32."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    """Whole numbers as ONNX wants them: int64."""
    return np.array(values, np.int64)


def scalar(value: float) -> np.ndarray:
    """A number in float32."""
    return np.array(value, np.float32)
