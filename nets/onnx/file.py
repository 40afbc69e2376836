"""A file, as a program: decoded, its functions inlined, and refused in one sentence where it cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.packages import onnx_package
from sparsebounds.nets.onnx.program import FLOATS, Node, Program, array_of, constant_of, needed_by, nodes_of

LOWEST, HIGHEST = 13, 23
"""Opsets that are read."""


def read_program(path: Path) -> Program:
    """The graph of a file.

    Raises:
        OnnxError: no such file, no ONNX, missing external data, an opset that is not read, several inputs or outputs.
    """
    model = _decoded(path)
    opset = _opset(model, path)
    model = onnx_package().inliner.inline_local_functions(model) if len(model.functions) else model
    given, output = _input(model, path), _output(model, path)
    nodes = needed_by(nodes_of(model, opset), output)
    arrays = {tensor.name: array_of(tensor) for tensor in model.graph.initializer}
    arrays |= {node.outputs[0]: constant_of(node) for node in nodes if node.op == "Constant"}
    used = {name for node in nodes for name in node.inputs} | {output}
    _check_made(used, nodes, {given.name, "", *arrays}, path)
    kind, shape = _type(given)
    return Program(
        nodes=tuple(node for node in nodes if node.op != "Constant"),
        arrays={name: array for name, array in arrays.items() if name in used},
        input=given.name,
        output=output,
        shape=shape,
        kind=kind,
        opset=opset,
        notes=_notes(model),
    )


def _check_made(used: set[str], nodes: tuple[Node, ...], there: set[str], path: Path) -> None:
    """Every value that is read comes from somewhere."""
    lost = sorted(used - there - {name for node in nodes for name in node.outputs})
    if lost:
        raise OnnxError(
            f"{path} reads {', '.join(lost[:8])}, and has no dense array or node of this name: export it again, with "
            "weights that are not sparse tensors"
        )


def files_of(path: str | Path) -> tuple[Path, ...]:
    """An ONNX file, and those beside it that hold its weights."""
    path = Path(path)
    model = onnx_package().load(path, load_external_data=False)
    return (path, *(path.parent / name for name in _external(model)))


def _external(model: Any) -> list[str]:
    """Names of the files with external data."""
    found = (entry.value for t in model.graph.initializer for entry in t.external_data if entry.key == "location")
    return sorted(set(found))


def _decoded(path: Path) -> Any:
    onnx = onnx_package()
    if not path.is_file():
        raise OnnxError(f"no file {path}: give the path of the ONNX file that was exported")
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf has errors of its own for each backend
        raise OnnxError(f"{path} is no ONNX file, or a damaged one: export it again with torch.onnx.export") from error
    if not model.graph.node or not model.opset_import:
        raise OnnxError(f"{path} is no ONNX file: it holds no graph; export it again with torch.onnx.export")
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except Exception as error:
        raise OnnxError(
            f"{path} keeps its weights in {', '.join(_external(model))}, which cannot be read from {path.parent}: put "
            "that file beside it under this name, or export with external_data=False"
        ) from error
    return model


def _opset(model: Any, path: Path) -> int:
    found = {"" if entry.domain == "ai.onnx" else entry.domain: entry.version for entry in model.opset_import}
    if "" not in found:
        raise OnnxError(f"{path} names no version of the operators of ONNX: export it again with opset_version=18")
    if not LOWEST <= found[""] <= HIGHEST:
        raise OnnxError(
            f"{path} has opset {found['']}, and {LOWEST} to {HIGHEST} are read: export it again with opset_version=18, "
            "or change it with onnx.version_converter"
        )
    return int(found[""])


def _input(model: Any, path: Path) -> Any:
    own = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in own]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise OnnxError(f"{path} has {len(inputs)} inputs ({names}), and one batched input is needed: export a "
                        "module of one argument, the others constants inside it")  # fmt: skip
    return inputs[0]


def _output(model: Any, path: Path) -> str:
    names = [value.name for value in model.graph.output]
    if len(names) != 1:
        raise OnnxError(f"{path} has {len(names)} outputs ({', '.join(names)}), and one is needed, scores (B, C): "
                        "export a module that returns the scores alone")  # fmt: skip
    return str(names[0])


def _type(value: Any) -> tuple[np.dtype[Any], tuple[int | None, ...]]:
    onnx = onnx_package()
    kind = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))
    dims = value.type.tensor_type.shape.dim
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in dims)
    return np.dtype(np.float32) if kind.name in FLOATS else kind, shape


def _notes(model: Any) -> tuple[str, ...]:
    onnx = onnx_package()
    half = {onnx.TensorProto.FLOAT16: "float16", onnx.TensorProto.BFLOAT16: "bfloat16"}
    found = sorted({half[t.data_type] for t in model.graph.initializer if t.data_type in half})
    return tuple(f"{kind} weights, computed with in float32" for kind in found)
