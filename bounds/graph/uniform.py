"""Arrays rounded to a uniform grid: what a number of few bits can be."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
from jaxtyping import Int, Shaped

LEAST, MOST = 2, 8
"""Bits of a number."""
VECTOR_BITS = 8
"""Of arrays with one axis: they are few numbers, and variances are among them."""
_NORMAL = 2.0**-126
_LARGEST = 2.0**127
_FIRST = 64


@dataclass(frozen=True, eq=False)
class Grid:
    """Numbers step · k, |k| ≤ 2^(bits − 1) − 1, the step a bfloat16: float32 holds every one of them exactly."""

    bits: int
    step: float
    levels: Int[np.ndarray, " ..."]


def largest_level(bits: int) -> int:
    """2^(bits − 1) − 1.

    Example:
        >>> largest_level(2), largest_level(8)
        (1, 127)
    """
    return 2 ** (bits - 1) - 1


def on_grid(values: Shaped[np.ndarray, "*shape"], bits: int) -> Shaped[np.ndarray, "*shape"]:
    """Every number rounded to the nearest of step · k, |k| ≤ 2^(bits − 1) − 1; the largest sets the step, zeros stay.

    Arrays of one axis are rounded to 8 bits, and not at all where a number would become zero. What is no floating-point
    number, a single number, infinite or NaN, or too small or large for a step that is a normal bfloat16 stays too.

    Args:
        values: an array of any type.
        bits: 2 to 8.

    Returns:
        An array of the same type.

    Example:
        >>> on_grid(np.array([[1.0, -0.3], [0.2, 0.0]], np.float32), 2).tolist()
        [[1.0, 0.0], [0.0, 0.0]]
        >>> on_grid(np.array([[1.75, -0.7]]), 4).tolist(), on_grid(np.array([3]), 2).tolist()
        ([[1.75, -0.75]], [3])
    """
    if not LEAST <= bits <= MOST:
        raise ValueError(f"bits={bits}; needed {LEAST} to {MOST}")
    if values.size < 2 or not _floating(values.dtype):
        return values
    bits = bits if values.ndim > 1 else VECTOR_BITS
    wide = values if values.dtype.itemsize >= 4 else values.astype(np.float32)
    most, largest = largest_level(bits), float(np.abs(wide).max())
    if not _NORMAL * 2 * most <= largest <= _LARGEST:
        return values
    step = wide.dtype.type(ml_dtypes.bfloat16(largest / most))
    levels = np.rint(wide / step)
    np.clip(levels, -most, most, out=levels)
    if values.ndim == 1 and ((levels == 0) & (wide != 0)).any():
        return values
    levels *= step
    levels += 0.0  # no -0
    return levels.astype(values.dtype)


def grid_of(values: Shaped[np.ndarray, " ..."]) -> Grid | None:
    """The coarsest grid that holds every number, or None: `on_grid` leaves the largest of them on its last level.

    Example:
        >>> found = grid_of(np.array([0.5, -1.5, 0.0]))
        >>> found.bits, found.step, found.levels.tolist()
        (3, 0.5, [1, -3, 0])
        >>> grid_of(np.array([0.1, 1.0])) is None
        True
    """
    if values.dtype.kind != "f" or values.size == 0 or not np.isfinite(values).all():
        return None
    largest = float(np.abs(values).max())
    if not _NORMAL <= largest <= 2 * _LARGEST:
        return None
    for bits in range(LEAST, MOST + 1):
        most = largest_level(bits)
        step = largest / most
        if step < _NORMAL or float(ml_dtypes.bfloat16(step)) != step:
            continue
        # The first few mostly say that it is another one.
        levels = None if _levels(values[:_FIRST], step) is None else _levels(values, step)
        if levels is not None:
            return Grid(bits, step, levels)
    return None


def _levels(values: Shaped[np.ndarray, " ..."], step: float) -> Int[np.ndarray, " ..."] | None:
    """Whole multiples of the step, or None."""
    levels = np.rint(values / values.dtype.type(step))
    return levels.astype(np.int8) if np.array_equal(levels * values.dtype.type(step), values) else None


def _floating(kind: np.dtype) -> bool:
    return kind.kind == "f" or kind == ml_dtypes.bfloat16
