"""What does not depend on the input is computed: chains of Cast, Shape, Gather, Constant and the like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.packages import onnx_package, reference_package
from sparsebounds.nets.onnx.program import Node, in_float32


def folded(node: Node, values: Sequence[np.ndarray | None]) -> tuple[np.ndarray, ...]:
    """The outputs of a node whose inputs are constants, by ONNX's own reference.

    Raises:
        OnnxError: the reference fails.
    """
    helper, proto = onnx_package().helper, onnx_package().ValueInfoProto
    given = {name: value for name, value in zip(node.proto.input, values, strict=True) if name}
    graph = helper.make_graph(
        [node.proto], "fold", [proto(name=name) for name in given], [proto(name=name) for name in node.outputs if name]
    )
    try:
        found = reference_package().ReferenceEvaluator(graph, opsets={"": node.opset}).run(None, given)
    except Exception as error:
        raise OnnxError(f"node {node.name}, {node.op}, cannot be computed from constants: {error}") from error
    return tuple(in_float32(value) for value in found)


def is_constant(value: Any) -> bool:
    """Whether a value is a NumPy array, known while the program is laid out."""
    return value is None or isinstance(value, np.ndarray)
