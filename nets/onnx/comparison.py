"""A network against onnxruntime on somebody's data: the largest difference, and the first node that differs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.network import OnnxNetwork
from sparsebounds.nets.onnx.packages import onnx_package, runtime_package
from sparsebounds.nets.onnx.program import in_float32, nodes_of

TOLERANCE, HALF_TOLERANCE = 1e-4, 2e-2
"""Of the largest score: for single precision, and for files with float16 in them, which onnxruntime computes in it."""
BATCH = 256
KINDS = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(float16)": "float16"}


@dataclass(frozen=True)
class Comparison:
    """How far scores are from those of onnxruntime.

    Args:
        difference: the largest of one score.
        largest: the largest score, in size.
        inputs: how many were compared.
    """

    difference: float
    largest: float
    inputs: int

    def __str__(self) -> str:
        """For people."""
        return (
            f"the scores are those of onnxruntime up to {self.difference:.2g}, on {self.inputs} inputs with scores up "
            f"to {self.largest:.3g}"
        )


def compare(f: OnnxNetwork, path: str | Path, x: Any) -> Comparison:
    """The scores of a network and those that onnxruntime has for its file, on all inputs.

    Args:
        f: of this file, from `load`.
        path: of the file.
        x: inputs (m, *f.shape).

    Returns:
        The largest difference, at most 10⁻⁴ of the largest score (2·10⁻² where the file computes in float16).

    Raises:
        OnnxError: the scores differ by more; the first node whose values do is named.
    """
    x = np.asarray(x)
    if not len(x):
        raise OnnxError("no inputs came to compare the scores on: needed at least one")
    session = _session(str(path))
    call = jax.jit(f.apply)
    weights = {name: jnp.asarray(value) for name, value in f.params.items()}
    difference = largest = 0.0
    for part, count in _parts(f, x):
        ours = np.asarray(call(weights, part), np.float64)[:count]
        theirs = in_float32(session.run(None, {f.program.input: _as_asked(f, session, part)})[0])[:count]
        theirs = theirs.astype(np.float64)
        largest = max(largest, float(np.abs(theirs).max()))
        found = _difference(ours, theirs)
        difference = max(difference, found)
        if not found <= _tolerance(f) * max(largest, 1e-30):
            raise OnnxError(_told(f, path, part, found, largest))
    return Comparison(difference, largest, len(x))


def _tolerance(f: OnnxNetwork) -> float:
    return HALF_TOLERANCE if any("float16" in note for note in f.notes) else TOLERANCE


def _difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest; infinite where only one of them is finite, or their shapes differ."""
    if ours.shape != theirs.shape:
        return math.inf
    both = np.isfinite(ours) & np.isfinite(theirs)
    same = both | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return math.inf if not same.all() else float(np.abs(ours[both] - theirs[both]).max(initial=0.0))


def _parts(f: OnnxNetwork, x: np.ndarray) -> list[tuple[np.ndarray, int]]:
    """Batches of the size that the file takes, the last one filled up, and how many inputs of each count."""
    size = f.program.shape[0] or min(BATCH, len(x))
    parts = [x[start : start + size] for start in range(0, len(x), size)]
    return [(np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)]), len(part)) for part in parts]


def _session(model: str | bytes) -> Any:
    runtime = runtime_package()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise OnnxError(
            f"onnxruntime does not run the file: {' '.join(str(error).split())}; export it again"
        ) from error


def _as_asked(f: OnnxNetwork, session: Any, x: np.ndarray) -> np.ndarray:
    """Inputs in the order and type of the file."""
    x = np.moveaxis(x, -1, 1) if f.turned else x
    kind = KINDS.get(session.get_inputs()[0].type, str(f.program.kind))
    return np.ascontiguousarray(x, dtype=kind)


def _told(f: OnnxNetwork, path: str | Path, x: np.ndarray, difference: float, largest: float) -> str:
    node = first_that_differs(f, path, x)
    where = "" if node is None else f"; the first node whose values differ is {node}"
    return (
        f"the scores of {path} as it was read differ from those of onnxruntime by {difference:.2g}, of scores up to "
        f"{largest:.3g}{where}: no bound is given for a network that is not the one of the file"
    )


def first_that_differs(f: OnnxNetwork, path: str | Path, x: np.ndarray) -> str | None:
    """Name and operator of the first node of the file whose values are not onnxruntime's; None where all are."""
    onnx = onnx_package()
    model = onnx.inliner.inline_local_functions(onnx.load(path))
    ours = f.values(f.params, jnp.asarray(np.moveaxis(x, -1, 1) if f.turned else x, jnp.dtype(f.program.kind)))
    nodes = [node for node in nodes_of(model, f.program.opset) if node.outputs[0] in ours]
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=node.outputs[0]) for node in nodes)
    session = _session(model.SerializeToString())
    found = session.run(None, {f.program.input: _as_asked(f, session, x)})
    for node, theirs in zip(nodes, found, strict=True):
        theirs = np.asarray(in_float32(theirs), np.float64)
        size = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0))
        if not _difference(np.asarray(ours[node.outputs[0]], np.float64), theirs) <= _tolerance(f) * max(size, 1e-30):
            return f"{node.name}, {node.op}"
    return None
