"""Scores of attention, scaled once: exporters multiply queries and keys by the root of the scale each."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.nets.onnx.program import Node, Program, needed_by


def with_scaled_scores(program: Program) -> Program:
    """(a·A)(b·B) becomes (ab)·(AB) where a and b are numbers: the scale is no part of what the weights compute."""
    makers = {name: node for node in program.nodes for name in node.outputs}
    arrays, nodes = dict(program.arrays), []
    for node in program.nodes:
        found = [_scaled(makers.get(name), program) for name in node.inputs] if node.op == "MatMul" else []
        (left, right) = found or (None, None)
        if left is None or right is None:
            nodes.append(node)
            continue
        product, scale = f"{node.outputs[0]} unscaled", f"{node.outputs[0]} scale"
        arrays[scale] = np.float32(left[1]) * np.float32(right[1]) * np.ones((), np.float32)
        nodes.append(replace(node, inputs=(left[0], right[0]), outputs=(product,)))
        nodes.append(replace(node, op="Mul", inputs=(product, scale), attributes={}))
    return replace(program, nodes=needed_by(nodes, program.output), arrays=arrays)


def _scaled(maker: Node | None, program: Program) -> tuple[str, float] | None:
    """What is multiplied by a number, and the number."""
    if maker is None or maker.op != "Mul":
        return None
    for value, scale in (maker.inputs, maker.inputs[::-1]):
        array = program.arrays.get(scale)
        if array is not None and array.dtype == np.float32 and array.size == 1:
            return value, float(array.reshape(()))
    return None
