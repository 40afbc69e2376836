"""What each operator of ONNX is in operations of JAX."""

from collections.abc import Callable
from typing import Any

from sparsebounds.nets.onnx.rules import attention, elementwise, linear, normalisation, pooling, reductions, structure

RULES: dict[str, Callable[..., Any]] = {
    **elementwise.RULES,
    **linear.RULES,
    **pooling.RULES,
    **normalisation.RULES,
    **reductions.RULES,
    **structure.RULES,
    **attention.RULES,
}
"""Operator → rule. What is not in this table is refused."""

FOLDED = ("ConstantOfShape", "Range", "CumSum", "OneHot", "NonZero", "ScatterND", "Mod", "EyeLike", "Round")
"""Operators that are computed where their inputs are constants, and have no rule otherwise."""
