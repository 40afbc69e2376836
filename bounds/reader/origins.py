"""Which elements of an array are one and the same number of the program: a bias that is the same at every position."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Int

from sparsebounds.bounds.reader.uses import MOVES
from sparsebounds.bounds.reader.values import Const, View, joint, numbered

ONE_TO_ONE = frozenset(
    "add add_any convert_element_type copy div exp integer_pow log max min mul neg pow rsqrt sqrt square sub "
    "stop_gradient".split()
)
MOVES_OF_ONE = frozenset(MOVES) - frozenset("gather dynamic_slice split unstack".split())


def origin(eqn: JaxprEqn, values: Sequence[Const]) -> Int[np.ndarray, " ..."] | None:
    """Numbers of the parameters that the elements of a computed constant are made of; equal ones are one parameter.

    Args:
        eqn: an operation on constants.
        values: its operands.

    Returns:
        None where every element has its own, or where nobody followed it.
    """
    name, shape = eqn.primitive.name, tuple(eqn.outvars[0].aval.shape)  # type: ignore[attr-defined]
    size = int(np.prod(shape))
    if name in MOVES_OF_ONE and len(values) == 1:
        if values[0].origin is None and np.size(values[0].value) >= size:
            return None
        return np.asarray(eqn.primitive.bind(numbered(np.shape(values[0].value), values[0].origin), **eqn.params))
    if name not in ONE_TO_ONE or all(v.origin is None and np.size(v.value) in (1, size) for v in values):
        return None
    many = [np.broadcast_to(numbered(np.shape(v.value), v.origin), shape) for v in values if np.size(v.value) > 1]
    return joint(*many) if many else None


def bias_of_sum(view: View, outputs: int) -> Int[np.ndarray, " size"] | None:
    """For rows (B, F, K) that a linear map with `outputs` outputs reads: which elements of W · shift are one number.

    They are the same in every row that the constant part is the same in.
    """
    numbers = view.shift_of
    if numbers is None or not (numbers == numbers[:, :1]).all():
        return None
    sets, rows, _ = view.shape
    return np.broadcast_to(np.arange(sets * outputs).reshape(sets, 1, outputs), (sets, rows, outputs)).ravel()
