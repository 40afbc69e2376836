"""What the arrays of a file are: weights, running statistics, or numbers that belong to the architecture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sparsebounds.nets.onnx.program import Node, Program

WEIGHTS = {
    "Conv": (1, 2), "ConvTranspose": (1, 2), "Gemm": (0, 1, 2), "MatMul": (0, 1), "Einsum": (0, 1, 2), "PRelu": (1,),
    "BatchNormalization": (1, 2), "LayerNormalization": (1, 2), "RMSNormalization": (1,),
    "InstanceNormalization": (1, 2), "GroupNormalization": (1, 2), "Gather": (0,),
}  # fmt: skip
"""Operator → inputs that are weights, whatever their size."""
STATISTICS = {"BatchNormalization": (3, 4)}
"""Operator → inputs that are running means and variances."""
SETTINGS = {"Clip": (1, 2), "Resize": (1, 2, 3), "Pad": (1, 2, 3), "Dropout": (1, 2), "Pow": (1,)}
"""Operator → inputs that belong to the architecture."""
MOVES = ("Transpose", "Reshape", "Identity", "Cast", "Unsqueeze", "Squeeze", "Expand", "Flatten")
"""Operators that hand an array on."""
MASKED = -1e4
"""An array of zeros and numbers at most this, added, is a mask."""


@dataclass(frozen=True, eq=False)
class Use:
    """Where an array ends up.

    Args:
        node: the first that computes with it.
        place: its place among the inputs.
        moved: the moves before.
    """

    node: Node
    place: int
    moved: tuple[Node, ...] = ()


def uses_of(program: Program) -> dict[str, list[Use]]:
    """Array → its uses, through moves."""
    readers: dict[str, list[tuple[Node, int]]] = {}
    for node in program.nodes:
        for place, name in enumerate(node.inputs):
            readers.setdefault(name, []).append((node, place))

    def found(name: str, moved: tuple[Node, ...]) -> list[Use]:
        uses = []
        for node, place in readers.get(name, []):
            onward = node.op in MOVES and place == 0
            uses += found(node.outputs[0], (*moved, node)) if onward else [Use(node, place, moved)]
        return uses

    return {name: found(name, ()) for name in program.arrays}


def sorted_arrays(program: Program) -> tuple[Mapping[str, np.ndarray], Mapping[str, np.ndarray], dict[str, np.ndarray]]:
    """(weights, running statistics, the others), by name."""
    uses = uses_of(program)
    weights, statistics, others = {}, {}, {}
    for name, array in program.arrays.items():
        if any(use.place in STATISTICS.get(use.node.op, ()) for use in uses[name]):
            statistics[name] = array
        elif array.dtype == np.float32 and is_weight(array, uses[name]):
            weights[name] = array
        else:
            others[name] = array
    return weights, statistics, others


def is_weight(array: np.ndarray, uses: list[Use]) -> bool:
    """Whether an array could have been learnt: not a setting, a mask of attention, or a plain number."""
    if any(use.place in WEIGHTS.get(use.node.op, ()) for use in uses):
        return True
    computed = [use for use in uses if use.place not in SETTINGS.get(use.node.op, ())]
    if not computed or is_mask(array):
        return False
    return array.size > 1 or not is_plain(float(array.reshape(())))


def is_mask(array: np.ndarray) -> bool:
    """Zeros and very negative numbers."""
    low = array <= MASKED
    return bool(low.any() and (low | (array == 0.0)).all())


def is_plain(number: float) -> bool:
    """A number that people write down: few digits, its root or square, or a usual constant; learnt ones are none.

    Example:
        >>> is_plain(0.125), is_plain(1e-5), is_plain(1 / math.sqrt(24)), is_plain(0.7391852)
        (True, True, True, False)
    """
    if not math.isfinite(number) or number == 0.0:
        return True
    size = abs(number)
    usual = (math.pi, math.sqrt(2 / math.pi), 0.044715, 1.702, math.e, math.log(2), math.log(1e4))
    candidates = [size, 1 / size, size**2, size**-2, size**4, size**-4, *(size / c for c in usual)]
    return any(_short(candidate) for candidate in candidates)


def _short(number: float) -> bool:
    """Of three digits, or a whole number up to 2¹⁶, up to the rounding of float32."""
    if not math.isfinite(number) or number == 0.0:
        return False
    near = [float(f"{number:.3g}")] + ([float(round(number))] if number < 2**16 else [])
    return any(abs(number - n) <= 4e-7 * number for n in near)
