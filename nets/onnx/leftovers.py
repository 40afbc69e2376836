"""What stays of a file besides its weights, and whether a sample could have shaped it."""

from __future__ import annotations

import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node, Program
from sparsebounds.nets.onnx.roles import SETTINGS, is_mask, is_plain

SHAPES = {
    "Reshape": (1,), "Expand": (1,), "Tile": (1,), "Pad": (1, 3), "Split": (1,), "Slice": (1, 2, 3, 4),
    "Squeeze": (1,), "Unsqueeze": (1,), "Resize": (3,), "Trilu": (1,),
}  # fmt: skip
"""Operator → inputs that say where numbers go, not what is computed; those of reductions, their axes, likewise."""
OF_SHAPES = ("Concat", "Equal", "Where", "Add", "Sub", "Mul", "Div", "Max", "Min")
"""Operators on shapes that depend on the number of inputs."""
FEW = 8
"""Numbers of a shape, at most; masks and tables are longer."""
SOME = 5


def check_nothing_learnt(program: Program) -> None:
    """Raise OnnxError where an array or number that is no weight could have been learnt, and list them.

    Kept are shapes and axes, numbers that people write down, arrays of one such number, causal masks, runs of indices.
    Not kept are quantised weights, pruning masks, chosen inputs, learnt limits, slopes and exponents.
    """
    found = []
    for node in program.nodes:
        where = f"({node.op} in node {node.name})"
        found += [f"{name} {where}" for place, name in enumerate(node.inputs)
                  if name in program.arrays and not _belongs(program, node, place)]  # fmt: skip
        found += [f"{key} = {value:g} {where}" for key, value in node.attributes.items()
                  if isinstance(value, float) and not is_plain(value)]  # fmt: skip
    if found:
        more = f", and {len(found) - SOME} more" if len(found) > SOME else ""
        raise OnnxError(
            f"{', '.join(found[:SOME])}{more}: no weights, and yet they could have been learnt from the samples that "
            "are certified; give the same file as --reference and say with --reference-saw what it saw, or export a "
            "module that has them as parameters"
        )


def _belongs(program: Program, node: Node, place: int) -> bool:
    """Whether an array belongs to the architecture."""
    array = program.arrays[node.inputs[place]]
    if array.size == 0:
        return True
    if np.issubdtype(array.dtype, np.floating):
        return _plain_floats(array, node, place)
    if array.size == 1 or place in SHAPES.get(node.op, ()) or (node.op.startswith("Reduce") and place == 1):
        return True
    if node.op in ("Gather", "GatherElements") and place == 1:
        return is_run(array)
    if array.dtype == np.bool_ and is_triangular(array):
        return True
    return node.op in OF_SHAPES and array.ndim == 1 and array.size <= FEW and _of_shapes(program, node)


def _of_shapes(program: Program, node: Node) -> bool:
    """Whether some input of a node is known and made of whole numbers, as shapes are and weights are not."""
    there = [program.arrays[name] for name in node.inputs if name in program.arrays]
    return any(np.issubdtype(array.dtype, np.integer) for array in there)


def _plain_floats(array: np.ndarray, node: Node, place: int) -> bool:
    if is_mask(array) and array.size > 1:
        return is_triangular(array == 0.0)
    if array.size > 1 and np.ptp(array) > 0 and not (array.size <= FEW and place in SETTINGS.get(node.op, ())):
        return False
    return all(is_plain(float(number)) for number in np.unique(array))


def is_run(index: np.ndarray) -> bool:
    """Whether indices are consecutive, or evenly spaced and at least three: nobody picked them by looking.

    Example:
        >>> is_run(np.array([3, 4])), is_run(np.array([0, 2, 4])), is_run(np.array([0, 17, 18]))
        (True, True, False)
    """
    steps = np.diff(index.ravel())
    return bool((steps == steps[:1]).all()) and (steps.size != 1 or abs(int(steps[0])) == 1)


def is_triangular(kept: np.ndarray) -> bool:
    """Whether a mask is the same everywhere, or all that lies on one side of a diagonal, for every leading axis.

    Example:
        >>> below = np.tril(np.ones((4, 4), bool))
        >>> is_triangular(below), is_triangular(below.T), is_triangular(np.eye(4, dtype=bool))
        (True, True, False)
    """
    if kept.all() or not kept.any():
        return True
    if kept.ndim < 2:
        return False
    one = kept.reshape(-1, *kept.shape[-2:])
    rows, columns = one.shape[1:]
    patterns = [make(np.ones((rows, columns), bool), k) for make in (np.tril, np.triu) for k in range(-rows, columns)]
    return bool((one == one[0]).all()) and any(np.array_equal(one[0], pattern) for pattern in patterns)
