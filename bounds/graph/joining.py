"""Sums over groups of rows or columns of a table of weights."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int, Num

WIDE = 1 << 22
"""Entries from which on a dense layer is not copied."""


def ascending(group: Int[np.ndarray, " K"]) -> bool:
    """Whether the members of every group stand together, the groups in order."""
    return bool((group[1:] >= group[:-1]).all())


def joined(
    table: Num[np.ndarray, " ..."], group: Int[np.ndarray, " K"], groups: int, axis: int
) -> Num[np.ndarray, " ..."]:
    """Sums along one axis over the members of each group."""
    if not ascending(group):
        table = np.take(table, np.argsort(group, kind="stable"), axis=axis)
    if groups == len(group):
        return table
    sizes = np.bincount(group, minlength=groups)
    return np.add.reduceat(table, np.cumsum(sizes) - sizes, axis=axis)  # each group begins where those before it end


def joined_in_pieces(
    weight: Float64[np.ndarray, "1 K N"],
    columns: Int[np.ndarray, " N"],
    m: int,
    group: Int[np.ndarray, " K"],
    groups: int,
) -> Float64[np.ndarray, "1 T M"]:
    """Sums of squares over groups of outputs and of inputs, some groups at a time: a wide matrix is not copied.

    Args:
        weight: (1, K, N).
        columns: group of each output.
        m: groups of outputs.
        group: of each input, ascending.
        groups: of inputs.

    Returns:
        (1, groups, m).

    Example:
        >>> joined_in_pieces(np.array([[[1.0, 2.0], [3.0, 4.0]]]), np.array([0, 0]), 1, np.array([0, 1]), 2).tolist()
        [[[5.0], [25.0]]]
    """
    starts = np.searchsorted(group, np.arange(groups + 1))
    step = max(1, WIDE * groups // weight.size)
    found = np.empty((1, groups, m))
    for first in range(0, groups, step):
        last = min(first + step, groups)
        squares = joined(np.square(weight[:, starts[first] : starts[last]]), columns, m, axis=2)
        found[:, first:last] = joined(squares, group[starts[first] : starts[last]] - first, last - first, axis=1)
    return found
