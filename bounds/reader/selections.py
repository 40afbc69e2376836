"""Which reads of a program are selections by lists, and which are structure.

Structure is free: a slice, strides, crops, and indices that the text of the program computes by itself, as
nearest-neighbour resizing does. What was handed to the program as an array of indices or of zeros and ones is not, nor
are several slices that pick an array apart (`pieces`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from sparsebounds.bounds.graph.selections import Selection, Wiring
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.uses import Use
from sparsebounds.bounds.reader.values import Const, Value, View


def dearer(picked: Sequence[Selection], read: Sequence[Wiring]) -> tuple[Selection | Wiring, ...]:
    """Of what the program was seen to pick and of what the graph reads without a rule, whichever costs more.

    They tell the same choices twice: the first knows every list, the second also those that no operation shows.
    """
    return tuple(max(picked, read, key=lambda found: math.fsum(one.nats for one in found)))


def record_gather(builder: Builder, shape: tuple[int, ...], indices: Const, dimensions: Any) -> None:
    """Record what a gather by given indices picks, unless that is everything in its order.

    Args:
        builder: keeps the selection.
        shape: of what is read.
        indices: the start indices, along their last axis one per axis of `start_index_map`.
        dimensions: XLA's dimension numbers.
    """
    sizes = [shape[d] for d in dimensions.start_index_map]
    starts = np.moveaxis(np.asarray(indices.value), -1, 0)
    clipped = [np.clip(start, 0, size - 1) for start, size in zip(starts, sizes, strict=True)]
    picked = np.ravel_multi_index(tuple(clipped), tuple(sizes))
    lists, of = picked.reshape(-1, picked.shape[-1] if picked.ndim else 1), int(np.prod(sizes))
    if not np.array_equal(picked.ravel(), np.arange(of)):
        builder.select(lists if lists.shape[1] > 1 else lists.T, of)


def record_slices(builder: Builder, view: View, results: list[View], uses: list[Use]) -> None:
    """Record the slices of a view that the program computes with, or slices again."""
    for result, use in zip(results, uses, strict=True):
        if use is not None:
            builder.pieces.slice(view.ids, result.ids, use, builder.where())


def record_mask(builder: Builder, mask: Value) -> None:
    """Record what a constant of zeros and ones, or of zeros and one other number, leaves of what it multiplies."""
    if not isinstance(mask, Const) or not mask.given:
        return
    values = np.asarray(mask.value).ravel()
    kept = np.flatnonzero(values)
    if 0 < len(kept) < len(values) and (values[kept] == values[kept[0]]).all():
        builder.select(kept[None], len(values))
