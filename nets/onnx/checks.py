"""What a graph has that is not read, all of it in one sentence."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node, Program

CONTROL = ("If", "Loop", "Scan", "SequenceMap")
SOME = 8
"""Nodes that a message lists of each kind."""


def check_operators(program: Program, known: Iterable[str]) -> None:
    """Raise OnnxError for custom or unknown operators, control flow and training mode, each with its nodes."""
    known = set(known)
    own = [node for node in program.nodes if node.domain]
    control = [node for node in program.nodes if not node.domain and node.op in CONTROL]
    unknown = [node for node in program.nodes if not node.domain and node.op not in (*CONTROL, *known)]
    training = [node for node in program.nodes if not node.domain and trains(node, program)]
    wrong = []
    if own:
        wrong.append(f"custom operators ({_listed(own)}): export with operators of ONNX alone")
    if control:
        wrong.append(f"control flow ({_listed(control)}): export a module without branches and loops on values")
    if unknown:
        wrong.append(f"operators that are not read ({_listed(unknown)}): write the module with others")
    if training:
        wrong.append(f"operators in training mode ({_listed(training)}): call module.eval() and export again")
    if wrong:
        raise OnnxError(f"the ONNX graph has {'; and '.join(wrong)}")


def trains(node: Node, program: Program) -> bool:
    """Whether a node drops units at random or keeps running statistics."""
    if node.op == "BatchNormalization":
        return bool(node.get("training_mode", 0)) or len([name for name in node.outputs if name]) > 1
    if node.op == "Dropout" and len(node.inputs) > 2 and node.inputs[2]:
        mode = program.arrays.get(node.inputs[2])
        return mode is None or bool(np.any(mode))
    return False


def _listed(nodes: list[Node]) -> str:
    names = [f"{node.domain + '.' if node.domain else ''}{node.op} in node {node.name}" for node in nodes]
    more = f", and {len(names) - SOME} more" if len(names) > SOME else ""
    return ", ".join(names[:SOME]) + more
