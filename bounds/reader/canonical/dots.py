"""Canonical form of learned linear maps: no element twice in a row, sums of maps joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import ABSENT, names_twice
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.reader.values import ReadError

MAX_UNSHARED = 10**8
"""Largest number of weights made when a shared map has to be written out row by row."""


def merged_repeats(dot: Dot) -> Dot:
    """The same map with every element at most once per row (circular padding and repeated indices read twice).

    The weights of repeated elements are added, so that norms are those of the map and not of its notation.
    """
    if not dot.reads_twice:
        return dot
    b_count, f_count, k = dot.taps.shape
    rows = np.stack([dot.taps.rows(b) for b in range(b_count)])
    first = np.sort(rows, axis=2)
    same_columns = _merge_equal_columns(rows, dot.weight)
    if same_columns is not None:
        merged_rows, weight = same_columns
        return replace(dot, taps=Taps.spelled(merged_rows), weight=weight)
    if b_count * f_count * k * dot.weight.shape[2] > MAX_UNSHARED:
        raise ReadError("a linear map reads the same element several times in a pattern that differs between rows")
    width = int(max((np.diff(first, axis=2) != 0).sum(axis=2).max() + 1, 1))
    out_rows = np.full((b_count * f_count, 1, width), ABSENT, dtype=np.int32)
    weight = np.zeros((b_count * f_count, width, dot.weight.shape[2]))
    for r, row in enumerate(rows.reshape(-1, k)):
        elements, inverse = np.unique(row, return_inverse=True)
        out_rows[r, 0, : len(elements)] = elements
        np.add.at(weight[r], inverse, dot.weight[r // f_count])
    return replace(dot, taps=Taps.spelled(out_rows), weight=weight)


def _merge_equal_columns(
    rows: Int[np.ndarray, "R K"], weight: Float64[np.ndarray, "B K N"]
) -> tuple[Int[np.ndarray, "R groups"], Float64[np.ndarray, "B groups N"]] | None:
    """Add the weights of columns that agree in every row; None unless that removes all repetition."""
    columns = rows.reshape(-1, rows.shape[2]).T
    _, keep, group = np.unique(columns, axis=0, return_index=True, return_inverse=True)
    merged = rows[:, :, keep]
    if names_twice(merged):
        return None
    summed = np.zeros((len(weight), len(keep), weight.shape[2]))
    for column, target in enumerate(np.ravel(group)):
        summed[:, target] += weight[:, column]
    return merged, summed


def join(dots: Sequence[Dot]) -> list[Dot]:
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
    return merged_repeats(Dot(Taps.spelled(np.stack(rows)), np.concatenate([a.weight, b.weight], axis=1), a.order))
