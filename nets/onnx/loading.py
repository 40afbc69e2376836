"""load: a file as a function of JAX."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sparsebounds.nets.onnx.checks import check_operators
from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.file import read_program
from sparsebounds.nets.onnx.folding import folded
from sparsebounds.nets.onnx.network import OnnxNetwork
from sparsebounds.nets.onnx.program import Program, needed_by
from sparsebounds.nets.onnx.roles import sorted_arrays
from sparsebounds.nets.onnx.rules import FOLDED, RULES
from sparsebounds.nets.onnx.scales import with_scaled_scores

BATCHES = (2, 7)
"""Numbers of inputs for which a graph is laid out: what is the same for both does not depend on it."""


def load(path: str | Path, shape: Sequence[int] | None = None) -> OnnxNetwork:
    """A network from an ONNX file, as a function of one batched input made of operations of JAX.

    Args:
        path: of the file, opset 13 to 23; external data lie beside it.
        shape: of one input without its batch, where the file leaves it open.

    Returns:
        f with f(x) → scores (B, C), f.params and f.apply(params, x). Inputs and what is flattened are in the order of
        the file, images with their channels first; f.channels_last() takes (B, H, W, C).

    Raises:
        OnnxError: the file cannot be read: all that stands in the way is listed.

    Example:
        >>> from sparsebounds import nets
        >>> nets.onnx.load("missing.onnx")
        Traceback (most recent call last):
        ...
        sparsebounds.nets.onnx.errors.OnnxError: no file missing.onnx: give the path of the ONNX file that was exported
    """
    path = Path(path)
    program = _fixed(read_program(path), shape, path)
    check_operators(program, [*RULES, *FOLDED])
    program = _named(program)
    weights, statistics, others = sorted_arrays(program)
    shapes = {name: array.shape for name, array in {**weights, **statistics}.items()}
    program = _simplified(replace(program, arrays=others), shapes)
    one = tuple(int(n or 0) for n in program.shape[1:])
    f = OnnxNetwork(program, dict(weights), dict(statistics), one, notes=program.notes)
    _check_output(f, path)
    return replace(f, program=with_scaled_scores(_without_shapes(f)))


def named_weights(path: str | Path) -> dict[str, np.ndarray]:
    """The weights and running statistics of a file by name, whatever its inputs.

    Raises:
        OnnxError: the file cannot be read.
    """
    weights, statistics, _ = sorted_arrays(_named(read_program(Path(path))))
    return {**weights, **statistics}


def _named(program: Program) -> Program:
    """With names of arrays as checkpoints have them: dots, no slashes."""
    names = {name: name.replace("/", ".").strip(".") for name in program.arrays}
    taken = Counter([*names.values(), *(name for node in program.nodes for name in node.outputs), program.input])
    names = {name: new if taken[new] == 1 else name for name, new in names.items()}
    nodes = [replace(node, inputs=tuple(names.get(name, name) for name in node.inputs)) for node in program.nodes]
    return replace(
        program,
        nodes=tuple(nodes),
        arrays={names[name]: array for name, array in program.arrays.items()},
        output=names.get(program.output, program.output),
    )


def _fixed(program: Program, shape: Sequence[int] | None, path: Path) -> Program:
    """With a known shape of one input."""
    if len(program.shape) < 2:
        raise OnnxError(f"{path} takes inputs of shape {program.shape}: needed a batch of inputs, (B, …)")
    if program.shape[0] not in (None, 1):
        raise OnnxError(
            f"{path} takes {program.shape[0]} inputs at a time, and what it computes of one might depend on the "
            "others: export it with a free batch (dynamic_shapes, or dynamic_axes), or for one input"
        )
    own = program.shape[1:]
    given = own if shape is None else tuple(shape)
    if len(given) != len(own) or any(n is not None and n != m for n, m in zip(own, given, strict=True)):
        said = ", ".join("?" if n is None else str(n) for n in own)
        raise OnnxError(f"--shape {','.join(map(str, given))} came, and one input of {path} has shape ({said})")
    if None in given:
        said = ", ".join("?" if n is None else str(n) for n in own)
        raise OnnxError(f"{path} leaves the shape of its inputs open, ({said}): give it with --shape, such as --shape "
                        f"{','.join('32' if n is None else str(n) for n in own)}")  # fmt: skip
    return replace(program, shape=(program.shape[0], *given))


def _simplified(program: Program, shapes: Mapping[str, tuple[int, ...]]) -> Program:
    """With everything computed that depends on constants, and on the shapes of weights, alone."""
    arrays, nodes = dict(program.arrays), []
    for node in program.nodes:
        if node.op == "Shape" and node.inputs[0] in shapes:
            arrays[node.outputs[0]] = np.asarray(shapes[node.inputs[0]][node.get("start", 0) : node.get("end")])
        elif node.op == "CastLike" and node.inputs[0] in arrays and node.inputs[1] in shapes:
            arrays[node.outputs[0]] = arrays[node.inputs[0]].astype(np.float32)
        elif all(not name or name in arrays for name in node.inputs):
            values = folded(node, [arrays.get(name) for name in node.inputs])
            arrays.update(zip((name for name in node.outputs if name), values, strict=True))
        else:
            nodes.append(node)
    kept = needed_by(nodes, program.output)
    used = {name for node in kept for name in node.inputs}
    return replace(program, nodes=kept, arrays={name: a for name, a in arrays.items() if name in used})


def _without_shapes(f: OnnxNetwork) -> Program:
    """With everything computed that follows from the shape of an input, whatever the number of inputs."""
    program, kind = f.program, jax.dtypes.canonicalize_dtype(f.program.kind)
    found: list[dict[str, np.ndarray]] = []

    def laid_out(x: Any) -> Any:
        values = f.values(f.params, x)
        found.append({name: value for name, value in values.items() if isinstance(value, np.ndarray)})
        return values[program.output]

    for batch in [program.shape[0]] if program.shape[0] else BATCHES:
        jax.eval_shape(laid_out, jax.ShapeDtypeStruct((batch, *f.shape), kind))
    first, last = found[0], found[-1]
    fixed = {name for name in first if name in last and np.array_equal(first[name], last[name])}
    nodes = [node for node in program.nodes if not set(node.outputs) <= {*fixed, ""}]
    used = {name for node in nodes for name in node.inputs} - set(f.statistics)
    return replace(program, nodes=tuple(nodes), arrays={name: first[name] for name in fixed & used})


def _check_output(f: OnnxNetwork, path: Path) -> None:
    """Lay the network out once, for two inputs."""
    batch = f.program.shape[0] or 2
    out = jax.eval_shape(f, jax.ShapeDtypeStruct((batch, *f.shape), jax.dtypes.canonicalize_dtype(f.program.kind)))
    if not isinstance(out, jax.ShapeDtypeStruct) or out.ndim not in (1, 2) or out.shape[0] != batch:
        raise OnnxError(f"{path} returns shape {out.shape} for {batch} inputs: needed scores (B, C)")
