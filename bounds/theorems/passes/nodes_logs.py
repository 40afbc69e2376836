"""Sums of numbers that overflow float64, from their logarithms, never rounded down to nothing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.norms.logs import log_of

FLOOR = 1e-120
"""What is smaller than this, relative to the largest, counts as this: too much, but never 0 where it is not 0."""


def scaled_parts(
    logs: Float64[np.ndarray, " padded"], parts: Iterable[slice]
) -> tuple[Float64[np.ndarray, " padded"], float]:
    """(values, log of their common scale): exp(logs) = values · scale in these parts, 0 elsewhere, for ABSENT too.

    What is smaller than `FLOOR` is raised to it. Only the parts are touched, however long the array is.

    Example:
        >>> values, log_scale = scaled_parts(np.array([7.0, 1000.0, 1000.0 - np.log(4), -np.inf]), [slice(1, 4)])
        >>> values.round(9).tolist(), log_scale
        ([0.0, 1.0, 0.25, 0.0], 1000.0)
    """
    parts = list(parts)
    top = max((float(logs[part].max(initial=-np.inf)) for part in parts), default=-np.inf)
    values = np.zeros(len(logs))
    if top == -np.inf:
        return values, 0.0
    for part in parts:
        one = logs[part]
        values[part] = np.where(one > -np.inf, np.maximum(np.exp(one - top), FLOOR), 0.0)
    return values, top


def raised(values: Float64[np.ndarray, "*shape"]) -> tuple[Float64[np.ndarray, "*shape"], float]:
    """The same from numbers that are not negative: (values / largest, log largest).

    Example:
        >>> raised(np.array([2.0, 1.0, 0.0]))[0].tolist()
        [1.0, 0.5, 0.0]
    """
    top = float(values.max(initial=0.0))
    if top == 0.0:
        return np.zeros_like(values), 0.0
    return relative(values, top), float(np.log(top))


def relative(values: Float64[np.ndarray, "*shape"], top: float) -> Float64[np.ndarray, "*shape"]:
    """|values| / top, raised to `FLOOR` where they are not 0; one array is made, as the weights may be large.

    Example:
        >>> relative(np.array([-2.0, 1.0, 0.0, 1e-200]), 2.0).tolist()
        [1.0, 0.5, 0.0, 1e-120]
    """
    found = np.abs(values)
    found /= top
    small = found < FLOOR
    if small.any():
        found[small & (values != 0)] = FLOOR
    return found


def summed_by(
    group: Int[np.ndarray, " n"], logs: Float64[np.ndarray, " n"], groups: int
) -> Float64[np.ndarray, " groups"]:
    """log of the sum over each group, from logarithms.

    Example:
        >>> summed_by(np.array([0, 0, 2]), np.log([1.0, 3.0, 5.0]), 3).round(6).tolist()
        [1.386294, -inf, 1.609438]
    """
    top = np.full(groups, -np.inf)
    np.maximum.at(top, group, logs)
    safe = np.where(top > -np.inf, top, 0.0)
    return safe + log_of(np.bincount(group, weights=np.exp(logs - safe[group]), minlength=groups))
