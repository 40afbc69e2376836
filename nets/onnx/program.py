"""An ONNX graph as plain data: nodes in order, arrays by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.packages import onnx_package

FLOATS = ("float16", "bfloat16", "float32", "float64")


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Args:
        op: the operator, such as "Conv".
        name: what messages call it.
        inputs, outputs: names of values; "" for one that is left out.
        attributes: by name, arrays for tensors.
        opset: version of the operators.
        proto: as the file has it.
    """

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    domain: str = ""
    proto: Any = None

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self.attributes.get(name, default)


@dataclass(frozen=True, eq=False)
class Program:
    """A graph of one input and one output.

    Args:
        nodes: in an order in which they can be run.
        arrays: initialisers and constants by name; floating ones in float32.
        input, output: their names.
        shape: of the input, None where the file leaves it open.
        kind: NumPy's type of the input.
        opset: version of the operators.
        notes: what was changed while it was read.
    """

    nodes: tuple[Node, ...]
    arrays: Mapping[str, np.ndarray]
    input: str
    output: str
    shape: tuple[int | None, ...]
    kind: np.dtype[Any]
    opset: int
    notes: tuple[str, ...] = field(default=())


def nodes_of(model: Any, opset: int) -> tuple[Node, ...]:
    """The nodes of a model, all subgraphs left out."""
    return tuple(_node(proto, i, opset) for i, proto in enumerate(model.graph.node))


def _node(proto: Any, index: int, opset: int) -> Node:
    attributes = {a.name: _attribute(a) for a in proto.attribute}
    return Node(
        op=proto.op_type,
        name=proto.name or f"{proto.op_type} {index}",
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes=attributes,
        opset=opset,
        domain="" if proto.domain == "ai.onnx" else proto.domain,
        proto=proto,
    )


def _attribute(attribute: Any) -> Any:
    onnx = onnx_package()
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == onnx.AttributeProto.TENSOR:
        return array_of(value)
    return value.decode() if isinstance(value, bytes) else value


def array_of(tensor: Any) -> np.ndarray:
    """A tensor as an array, floating ones in float32."""
    return in_float32(onnx_package().numpy_helper.to_array(tensor))


def in_float32(array: Any) -> np.ndarray:
    """Floating numbers of any width in float32, anything else as it is."""
    array = np.asarray(array)
    return array.astype(np.float32) if array.dtype.name in FLOATS else array


def constant_of(node: Node) -> np.ndarray:
    """The value of a node Constant."""
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            value = node.attributes[name]
            kind = {"value_float": np.float32, "value_floats": np.float32}.get(name)
            return np.asarray(value, kind if kind is not None else None)
    raise OnnxError(
        f"node {node.name}, Constant, holds {', '.join(node.attributes) or 'nothing'}: needed numbers in a dense "
        "tensor; export it again, with weights that are not sparse tensors"
    )


def needed_by(nodes: Sequence[Node], output: str) -> tuple[Node, ...]:
    """The nodes that the output depends on, in their order."""
    needed, kept = {output}, []
    for node in reversed(nodes):
        if needed & set(node.outputs):
            kept.append(node)
            needed |= set(node.inputs)
    return tuple(reversed(kept))
