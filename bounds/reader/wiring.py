"""What a finished graph reads from where, however the program was written: without a rule it is a choice like a list.

Structure is what few phrases tell (`regular`): boxes, strides, windows, groups, halves, transpositions, shifts. All
that reads one layer is told in the order in which it is read; so two stacks of features that together are everything
are a partition of it, and paid for as such.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int
from scipy.special import gammaln

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Attention, Layer, MaxPool, Normalise
from sparsebounds.bounds.graph.selections import Selection, Wiring, log_choose
from sparsebounds.bounds.graph.terms import Pool, Term
from sparsebounds.bounds.reader.regular import FEW, regularity

MANY = 5000
"""Rows that are priced one by one."""

Rows = Int[np.ndarray, "rows k"]


def wirings(graph: Graph) -> list[Wiring]:
    """What the layers of a graph read without a rule, and what it costs.

    Args:
        graph: finished.

    Returns:
        One for every layer that is read so, for every map that mixes layers so, and for every one whose outputs are
        ordered so.
    """
    found: list[Wiring | None] = []
    read: dict[int, list[_Reading]] = {}
    for _, layer in graph.computed():
        for elements in _all_read(layer):
            for source in graph.layer_of(elements):
                read.setdefault(source, []).append(_Reading.of(elements, *graph.offsets[source : source + 2]))
            found.append(_mixture(graph, elements, layer))
        for dot in layer.dots:
            if dot.order is not None:
                found.append(_wiring([_Reading(dot.order[None], dot.order)], layer.size, layer))
    found += [_wiring(parts, graph.layers[source].size, graph.layers[source]) for source, parts in read.items()]
    return [wiring for wiring in found if wiring is not None]


@dataclass(frozen=True, eq=False)
class _Reading:
    """What a term reads of one layer, its elements numbered from 0 on."""

    rows: Rows
    told: Int[np.ndarray, " n"]
    """The same in fewer numbers, where that can be: windows by where they lie and one of them."""

    @classmethod
    def of(cls, elements: Rows, first: int, end: int) -> _Reading:
        there = (first <= elements) & (elements < end)
        if there.all():
            return cls(elements - first, (elements - first).ravel())
        windows = _windows(np.where(there, elements - first, ABSENT))
        found = (elements[there] - first).astype(np.int64)
        return cls(found[None], found if windows is None else windows)

    def whole(self, of: int) -> bool:
        """Whether every element is read once, in an order that loops in loops tell."""
        if self.rows.size != of or regularity(self.told).phrases > 3:
            return False
        return bool((np.bincount(self.rows.ravel(), minlength=of) == 1).all())


def _windows(rows: Rows) -> Int[np.ndarray, " n"] | None:
    """rows[f, t] = place[f] + offset[t] where there is something: places and offsets; None where there are none such.

    A padded border leaves gaps in some windows; in one of them there are none.
    """
    rows = rows[:, (rows >= 0).any(axis=0)]
    rows = rows[(rows >= 0).any(axis=1)].astype(np.int64)
    full = (rows >= 0).all(axis=1)
    if len(rows) < 2 or rows.shape[1] < 2 or not full.any():
        return None
    offset = rows[np.argmax(full)]
    offset = offset - offset[0]
    first = np.argmax(rows >= 0, axis=1)
    place = rows[np.arange(len(rows)), first] - offset[first]
    fits = (rows == place[:, None] + offset) | (rows < 0)
    return np.concatenate([place - place.min(), offset - offset.min()]) if fits.all() else None


def _all_read(layer: Layer) -> list[Rows]:
    """What each term of a layer reads, or each argument of one that has no terms."""
    if layer.terms:
        return [_elements(term) for term in layer.terms]
    if isinstance(layer, MaxPool):
        return [_elements(layer)]
    if isinstance(
        layer, Normalise | Attention
    ):  # groups and tokens, in whatever order: what they leave out is recorded
        return []
    return [np.atleast_1d(elements).reshape(-1, (elements.shape or (1,))[-1]) for elements in layer.elements_read]


def _elements(term: Term | MaxPool) -> Rows:
    """What a term reads; window by window where none overlap, without order where all of a window count the same."""
    (elements,) = term.elements_read if isinstance(term, MaxPool) else (term.elements_read,)
    if isinstance(term, Pool | MaxPool) and term.taps.sites.size == elements.shape[1] and elements.shape[2] == 1:
        return np.sort(elements[0, term.taps.sites, 0], axis=1)
    return elements.reshape(-1, elements.shape[-1])


def _mixture(graph: Graph, elements: Rows, layer: Layer) -> Wiring | None:
    """Several layers side by side: which of them stands where."""
    if len(graph.layer_of(elements)) < 2:
        return None
    owner = np.searchsorted(graph.offsets, elements, side="right")
    of_column = owner.max(axis=0)
    if ((owner == of_column) | (elements < 0)).all():
        owner = of_column
    owner = owner.ravel()
    blocks = owner[np.flatnonzero(np.diff(owner, prepend=-1))]
    if len(blocks) == len(np.unique(owner)):  # one after the other, whatever their sizes
        owner = blocks
    regular = regularity(owner)
    if regular.structure:
        return None
    sizes = np.unique(owner, return_counts=True)[1]
    listed = float(gammaln(len(owner) + 1) - gammaln(sizes + 1).sum()) + len(sizes) * math.log(len(owner))
    return Wiring(len(owner), len(owner), min(listed, regular.nats(len(graph.layers))), layer.name, layer.where)


def _wiring(parts: list[_Reading], of: int, layer: Layer) -> Wiring | None:
    """What is read of one layer, in the order in which it is read."""
    different = {part.told.tobytes(): part for part in parts if not part.whole(of)}
    if not different:
        return None
    parts, of = _once(list(different.values()), of)
    regular = regularity(np.concatenate([part.told for part in parts]))
    if regular.structure and all(_is_structure(part.told) for part in parts):
        return None
    size = _block([part.rows for part in parts], of)
    blocks = [part.rows[:, ::size] // size for part in parts]
    flat, count = np.concatenate([rows.ravel() for rows in blocks]), of // size
    used = np.zeros(count, dtype=bool)
    listed = math.fsum(
        min(_listed(rows, count, used), regularity(part.told).nats(of))
        for part, rows in zip(parts, blocks, strict=True)
    )
    nats = min(listed, Selection(flat[None], count).nats, regular.nats(of))
    return Wiring(len(flat), count, nats, layer.name, layer.where)


def _once(parts: list[_Reading], of: int) -> tuple[list[_Reading], int]:
    """Channels that are picked alike at every position, once: what all parts repeat over the whole layer."""
    periods = [_period(part.told) for part in parts]
    steps = {int(part.told[p] - part.told[0]) if p else 0 for part, p in zip(parts, periods, strict=True)}
    step = steps.pop()
    firsts = [part.told[:p].astype(np.int64) for part, p in zip(parts, periods, strict=True)]
    everywhere = all(
        len(part.told) * step == of * p and len(first) and first.min() >= 0 and first.max() < step
        for part, first, p in zip(parts, firsts, periods, strict=True)
    )
    return ([_Reading(first[None], first) for first in firsts], step) if not steps and everywhere else (parts, of)


def _is_structure(told: Int[np.ndarray, " n"]) -> bool:
    """Whether a sequence is regular, and what it repeats is."""
    regular = regularity(told)
    period = 0 if regular.phrases <= FEW else _period(told)
    return regular.structure and (not period or _is_structure(told[:period]))


def _period(told: Int[np.ndarray, " n"]) -> int:
    """The shortest part that the sequence repeats, moved on by the same number every time; 0 without any."""
    steps = np.diff(told.astype(np.int64))
    for period in range(1, len(told) // 2 + 1):
        if len(told) % period == 0 and np.array_equal(steps[period:], steps[:-period]):
            return period
    return 0


def _block(parts: list[Rows], of: int) -> int:
    """Elements that are always read together, such as the channels of a position: how many."""
    size = of
    for rows in parts:
        starts = np.flatnonzero(np.diff(rows.ravel(), prepend=-2) != 1)
        lengths = np.diff(np.append(starts, rows.size))
        size = math.gcd(size, rows.shape[1], *rows.ravel()[starts].tolist(), *lengths.tolist())
    return max(size, 1)


def _listed(rows: Rows, of: int, used: Bool[np.ndarray, " of"]) -> float:
    """Row by row; what no row before has read is chosen among the rest, which `used` keeps."""
    rows = rows if len(rows) <= MANY else rows.reshape(1, -1)
    listed = math.log(of)
    for row in rows:
        left = of if used[row].any() else of - int(used.sum())
        listed += Selection(row[None], of).nats - math.log(of) + math.log(2)
        if len(row) <= left < of:
            listed += log_choose(left, len(row)) - log_choose(of, len(row))
        used[row] = True
    return listed
