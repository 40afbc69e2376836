"""Canonical form of learned linear maps: no element twice in a row, sums of maps joined into one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.terms import Dot, Taps
from sparsebounds.bounds.reader.values import ReadError

MAX_UNSHARED = 10**8
"""Largest number of weights made when a shared map has to be written out row by row."""


def distinct(dot: Dot) -> Dot:
    """The same map with every element at most once per row (circular padding and repeated indices read twice).

    The weights of repeated elements are added, so that norms are those of the map and not of its notation.
    """
    if not _repeats(dot.taps):
        return dot
    b_count, f_count, k = dot.taps.shape
    rows = np.stack([dot.taps.rows(b) for b in range(b_count)])
    first = np.sort(rows, axis=2)
    same_columns = _merge_equal_columns(rows, dot.weight)
    if same_columns is not None:
        merged_rows, weight = same_columns
        return replace(dot, taps=_spelled(merged_rows), weight=weight)
    if b_count * f_count * k * dot.weight.shape[2] > MAX_UNSHARED:
        raise ReadError("a linear map reads the same element several times in a pattern that differs between rows")
    width = int(max((np.diff(first, axis=2) != 0).sum(axis=2).max() + 1, 1))
    out_rows = np.full((b_count * f_count, 1, width), ABSENT, dtype=np.int32)
    weight = np.zeros((b_count * f_count, width, dot.weight.shape[2]))
    for r, row in enumerate(rows.reshape(-1, k)):
        elements, inverse = np.unique(row, return_inverse=True)
        out_rows[r, 0, : len(elements)] = elements
        np.add.at(weight[r], inverse, dot.weight[r // f_count])
    return replace(dot, taps=_spelled(out_rows), weight=weight)


def _repeats(taps: Taps) -> bool:
    """Whether some row reads an element twice."""
    if taps.sites.shape[1] == 1:
        return any(_repeated_in_rows(source) for source in taps.source)
    return _repeated_in_rows(taps.sites) or any(_repeated_in_rows(s.reshape(1, -1)) for s in taps.source)


def _repeated_in_rows(numbers: np.ndarray) -> bool:
    ordered = np.sort(numbers, axis=1)
    return bool(((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any())


def _merge_equal_columns(rows: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Add the weights of columns that agree in every row; None unless that removes all repetition."""
    columns = rows.reshape(-1, rows.shape[2]).T
    _, keep, group = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    merged = rows[:, :, keep]
    if any(_repeated_in_rows(r) for r in merged):
        return None
    summed = np.zeros((len(weight), len(keep), weight.shape[2]))
    for column, target in enumerate(np.ravel(group)):
        summed[:, target] += weight[:, column]
    return merged, summed


def _spelled(rows: np.ndarray) -> Taps:
    """Taps for explicitly written rows: (B, F, K) element numbers."""
    return Taps(np.ascontiguousarray(rows, dtype=np.int32), np.arange(rows.shape[1], dtype=np.int32)[:, None])


def join(dots: list[Dot]) -> list[Dot]:
    """Sums of maps with the same rows and outputs, written as one map that reads the elements of all."""
    joined: list[Dot] = []
    for dot in dots:
        for i, other in enumerate(joined):
            if _same_outputs(dot, other):
                joined[i] = _concatenated(other, dot)
                break
        else:
            joined.append(dot)
    return joined


def _same_outputs(a: Dot, b: Dot) -> bool:
    same_order = (a.order is None and b.order is None) or (
        a.order is not None and b.order is not None and np.array_equal(a.order, b.order)
    )
    return same_order and a.taps.shape[:2] == b.taps.shape[:2] and a.weight.shape[2] == b.weight.shape[2]


def _concatenated(a: Dot, b: Dot) -> Dot:
    rows = [np.concatenate([d.taps.rows(i) for d in (a, b)], axis=1) for i in range(a.taps.shape[0])]
    return distinct(Dot(_spelled(np.stack(rows)), np.concatenate([a.weight, b.weight], axis=1), a.order))
