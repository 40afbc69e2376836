"""Numbers of coordinates: gathering, counting, and which layer owns them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64, Num, Shaped

ABSENT = -1
"""Element number of a constant zero. Arrays of shape `padded` have a last entry more than elements, for this index."""

CHUNK = 1 << 22
"""Elements gathered at once; keeps the memory of a pass over a large layer near 32 MiB."""


def take_rows(
    values: Shaped[np.ndarray, "S C"], sites: Int[np.ndarray, "F T"], fill: float
) -> Shaped[np.ndarray, "F K"]:
    """`values[sites]` with `fill` where a site is ABSENT: (S, C), (F, T) → (F, T·C)."""
    taken = values[sites]
    absent = sites < 0
    if absent.any():
        taken[absent] = fill
    return taken.reshape(len(sites), -1)


def owners(elements: Int[np.ndarray, " ..."], offsets: Int[np.ndarray, " layers"]) -> list[int]:
    """Indices of the layers that hold these elements, ascending; ABSENT belongs to none."""
    present = elements[elements >= 0]
    if not present.size:
        return []
    first, last = np.searchsorted(offsets, [present.min(), present.max()], side="right") - 1
    if first == last:
        return [int(first)]
    return np.flatnonzero(np.bincount(np.searchsorted(offsets, present, side="right") - 1)).tolist()


def present_elements(elements: Int[np.ndarray, " ..."]) -> Int64[np.ndarray, " n"]:
    """The element numbers that occur, ascending, without ABSENT."""
    there = np.zeros(int(elements.max(initial=ABSENT)) + 2, dtype=bool)
    there[elements.ravel() + 1] = True
    return np.flatnonzero(there[1:])


def names_twice(rows: Int[np.ndarray, "... K"]) -> bool:
    """Whether some row names an element twice: (…, K); ABSENT does not count.

    Example:
        >>> names_twice(np.array([[0, 1, ABSENT, ABSENT]])), names_twice(np.array([[0, 1], [2, 2]]))
        (False, True)
    """
    rows = rows.reshape(-1, rows.shape[-1])
    step = max(1, CHUNK // max(1, rows.shape[1]))
    return any(_some_twice(rows[i : i + step]) for i in range(0, len(rows), step))


def _some_twice(rows: Int[np.ndarray, "rows K"]) -> bool:
    # A window away from the border names its elements in ascending order: only the others need to be sorted.
    ordered = np.sort(rows[(rows[:, 1:] <= rows[:, :-1]).any(axis=1)], axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def distinct(*columns: Int[np.ndarray, " n"]) -> Int[np.ndarray, "rows columns"]:
    """Every different row of these columns once, ascending: `np.unique(…, axis=0)`, without a sort where it can be.

    Elements lie channel by channel, so that most rows are those before them.

    Example:
        >>> distinct(np.array([1, 1, 0, 0]), np.array([5, 5, 7, 6])).tolist()
        [[0, 6], [0, 7], [1, 5]]
    """
    table = _changes(np.stack(columns))
    if (table[0, 1:] <= table[0, :-1]).any():
        table = _changes(table[:, np.lexsort(table[::-1])])
    return table.T


def _changes(table: Int[np.ndarray, "columns n"]) -> Int[np.ndarray, "columns rows"]:
    """Without rows that are the same as the one before."""
    new = np.ones(table.shape[1], dtype=bool)
    new[1:] = (table[:, 1:] != table[:, :-1]).any(axis=0)
    return table if new.all() else table[:, new]


def largest_count(elements: Int[np.ndarray, " ..."], group: Int[np.ndarray, " ..."]) -> int:
    """How often an element occurs in one group, at most; absent ones do not count."""
    present, most = elements >= 0, int(elements.max(initial=0))
    low = int(np.min(elements, where=present, initial=most))  # a layer reads few elements of a deep network
    codes = (elements - low + np.broadcast_to(group, elements.shape) * (most - low + 1))[present]
    if codes.max(initial=0) < 8 * codes.size + 10**6:  # counting is faster than sorting, and small enough
        return int(np.bincount(codes).max(initial=1))
    return int(np.unique(codes, return_counts=True)[1].max(initial=1))


def counted(
    elements: Int[np.ndarray, "*shape"], values: Num[np.ndarray, "*shape"], size: int
) -> Float64[np.ndarray, " size"]:
    """The sum of the values that belong to each element: float64 (size,); what belongs to ABSENT is left out."""
    return np.bincount(elements.ravel() + 1, weights=values.ravel(), minlength=size + 1)[1:]


def as_elements(ids: Int[np.ndarray, "*shape"] | Sequence[int]) -> Int32[np.ndarray, " ..."]:
    """Element numbers as int32; a network has fewer than 2³¹ of them."""
    return np.asarray(ids, dtype=np.int32)
