"""Terms of a linear layer: learned maps, sums over windows, one element each; and what they do to values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from sparsebounds.bounds.graph.elements import ABSENT, CHUNK, distinct, largest_count, take_rows


def window_rows(values: np.ndarray, taps: Taps, b: int, start: int, stop: int, fill: float = 0.0) -> np.ndarray:
    """Values of `taps.rows(b, start:stop)` from the values of `taps.source[b]`: (n, S, C) → (n, rows, T, C)."""
    sites = taps.sites[start:stop]
    taken = values[:, sites]
    absent = sites < 0
    if absent.any():
        taken[:, absent] = fill
    return taken


@dataclass(frozen=True)
class Taps:
    """Which elements each row of a linear map reads: row (b, f) reads `source[b, sites[f, t], c]` for all t, c.

    A convolution keeps its image once (`source`: sites × channels) and a table of windows (`sites`); a dense or
    locally connected layer has one tap (T = 1) and spells its elements out.
    """

    source: np.ndarray
    """int32 (B, S, C): element numbers, ABSENT for zeros."""
    sites: np.ndarray
    """int32 (F, T): indices into S, ABSENT for a tap that falls into padding."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(B, F, K): weight sets, rows per weight set, elements per row."""
        return len(self.source), len(self.sites), self.sites.shape[1] * self.source.shape[2]

    def rows(self, b: int, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Element numbers read by rows (b, start:stop): int32 (rows, K)."""
        return take_rows(self.source[b], self.sites[start:stop], ABSENT)

    @property
    def step(self) -> int:
        """Rows to gather at once."""
        return max(1, CHUNK // max(1, self.shape[2]))

    @cached_property
    def repeats(self) -> int:
        """How often one row reads one element, at most."""
        sites = np.sort(self.sites, axis=1)
        site_twice = bool(((sites[:, 1:] == sites[:, :-1]) & (sites[:, 1:] >= 0)).any())
        most = 1
        for b, source in enumerate(self.source):
            present = source[source >= 0]
            if not site_twice and len(distinct(present)) == len(present):
                continue
            for start in range(0, len(self.sites), self.step):
                rows = self.rows(b, start, start + self.step).astype(np.int64)
                most = max(most, largest_count(rows, np.arange(len(rows))[:, None]))
        return most


@dataclass(frozen=True)
class Dot:
    """A learned linear map: convolution, dense, locally connected, explicit predecessors.

    Row (b, f) computes Σ_k z[taps(b, f)_k] · weight[b, k, :]. `order` sends its outputs (b, f, n), flattened, to the
    elements of the layer; None where they already agree.
    """

    taps: Taps
    weight: np.ndarray
    """float64 (B, K, N)."""
    order: np.ndarray | None = None


@dataclass(frozen=True)
class Pool:
    """A fixed sum over windows, channel by channel (average pooling): element (f, c) = coefficient · Σ_t z."""

    taps: Taps
    """With B = 1."""
    coefficient: np.ndarray
    """float64, broadcastable to (F, C)."""


@dataclass(frozen=True)
class Diagonal:
    """One element each: a skip connection, an elementwise scale, an activation without a linear map before it."""

    elements: np.ndarray
    """int32 (size,): the element that each element of the layer reads."""
    scale: np.ndarray | None = None
    """float64 (size,), None for ones."""


Term = Dot | Pool | Diagonal


Table = Callable[[np.ndarray], np.ndarray]
"""What is done to a weight before it is summed: its square, its absolute value."""


def strengths(term: Term) -> np.ndarray:
    """The weights of a term: of a Dot its table, of a fixed term its coefficients."""
    if isinstance(term, Dot):
        return term.weight
    if isinstance(term, Pool):
        return np.asarray(term.coefficient, dtype=np.float64)
    return np.ones(1) if term.scale is None else term.scale


def column_counts(dot: Dot) -> Iterator[np.ndarray]:
    """For every weight set: how many rows apply each of its columns, float64 (K,)."""
    for b in range(dot.taps.shape[0]):
        used = (dot.taps.source[b] >= 0).astype(np.float64)
        padded = np.concatenate([used, np.zeros((1, used.shape[1]))])  # ABSENT is −1
        yield sum((padded[chunk].sum(axis=0).ravel() for chunk in _chunks(dot.taps)), np.zeros(dot.taps.shape[2]))


def _chunks(taps: Taps) -> Iterator[np.ndarray]:
    for start in range(0, len(taps.sites), taps.step):
        yield taps.sites[start : start + taps.step]


def width(term: Term) -> int:
    """One more than the largest element that a term reads."""
    elements = term.elements if isinstance(term, Diagonal) else term.taps.source
    return int(elements.max(initial=-1)) + 1


def apply(term: Term, values: np.ndarray, table: Table) -> np.ndarray:
    """The term with weights `table(weight)` on one vector of values of all elements, 0 at its end: float64 (size,)."""
    if isinstance(term, Diagonal):
        taken = values[term.elements]
        return taken * table(strengths(term))
    if isinstance(term, Pool):
        sums = [taken.sum(axis=1) for _, _, taken in windows(term.taps, values)]
        return (np.concatenate(sums) * table(strengths(term))).ravel()
    b_count, f_count, _ = term.taps.shape
    out = np.empty((b_count, f_count, term.weight.shape[2]))
    weight = table(term.weight)
    for b, start, taken in windows(term.taps, values):
        out[b, start : start + len(taken)] = taken.reshape(len(taken), -1) @ weight[b]
    if term.order is None:
        return out.ravel()
    placed = np.empty(out.size)
    placed[term.order] = out.ravel()
    return placed


def windows(taps: Taps, values: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """(weight set, first row, values (rows, T, C) that these rows read); values as in `apply`."""
    for b, source in enumerate(taps.source):
        image = np.concatenate([values[source], np.zeros((1, source.shape[1]))])  # ABSENT is −1
        for i, chunk in enumerate(_chunks(taps)):
            yield b, i * taps.step, image[chunk]


def apply_transposed(term: Term, outputs: np.ndarray, table: Table, size: int) -> np.ndarray:
    """The transposed term with weights `table(weight)` on one vector of outputs: float64 (size,), per element."""
    if isinstance(term, Diagonal):
        return _scattered(term.elements, outputs * table(strengths(term)), size)
    if isinstance(term, Pool):
        shape = (len(term.taps.sites), term.taps.source.shape[2])
        scaled = (outputs.reshape(shape) * table(strengths(term)))[:, None]
        starts = range(0, shape[0], term.taps.step)
        spread = (
            (0, chunk, np.broadcast_to(scaled[start : start + len(chunk)], (*chunk.shape, shape[1])))
            for start, chunk in zip(starts, _chunks(term.taps), strict=True)
        )
    else:
        b_count, f_count, _ = term.taps.shape
        rows = (outputs if term.order is None else outputs[term.order]).reshape(b_count, f_count, -1)
        weight = table(term.weight)
        spread = (
            (b, chunk, (rows[b, i * term.taps.step :][: len(chunk)] @ weight[b].T).reshape(*chunk.shape, -1))
            for b in range(b_count)
            for i, chunk in enumerate(_chunks(term.taps))
        )
    result = np.zeros(size)
    for b, chunk, spread_values in spread:
        source = np.concatenate([term.taps.source[b], np.full((1, term.taps.source.shape[2]), -1, dtype=np.int32)])
        result += _scattered(source[chunk], spread_values, size)
    return result


def _scattered(elements: np.ndarray, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(elements.ravel() + 1, weights=values.ravel(), minlength=size + 1)[1:]


def with_shared_rows(dot: Dot) -> Dot:
    """Rows that are written with weights of their own, all equal, share one table."""
    b_count, f_count, _ = dot.taps.shape
    if b_count == 1 or f_count != 1 or not (dot.weight == dot.weight[:1]).all():
        return dot
    rows = np.stack([dot.taps.rows(b)[0] for b in range(b_count)])
    return Dot(Taps(rows[None], np.arange(b_count, dtype=np.int32)[:, None]), dot.weight[:1], dot.order)


def entries_of(term: Term) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, element, weight) of every entry of a term's matrix; ABSENT elements included."""
    if isinstance(term, Diagonal):
        scale = np.ones(term.elements.size) if term.scale is None else term.scale
        return np.arange(term.elements.size), term.elements, scale
    taken = np.concatenate([term.taps.source, np.full_like(term.taps.source[:, :1], -1)], axis=1)[:, term.taps.sites]
    if isinstance(term, Pool):
        f_count, t_count, channels = taken.shape[1:]
        row = np.arange(f_count * channels).reshape(f_count, 1, channels)
        data = np.broadcast_to(term.coefficient, (f_count, channels))[:, None]
        shape = (f_count, t_count, channels)
        return np.broadcast_to(row, shape).ravel(), taken.ravel(), np.broadcast_to(data, shape).ravel()
    b_count, f_count, k_count = term.taps.shape
    n = term.weight.shape[2]
    every = (b_count, f_count, k_count, n)
    place = np.arange(b_count * f_count * n) if term.order is None else term.order
    rows = np.broadcast_to(place.reshape(b_count, f_count, 1, n), every)
    columns = np.broadcast_to(taken.reshape(b_count, f_count, k_count, 1), every)
    return rows.ravel(), columns.ravel(), np.broadcast_to(term.weight[:, None], every).ravel()


def scale_term(term: Term, factor: np.ndarray) -> Term | None:
    """diag(factor) · term, or None where a shared weight would have to differ between rows."""
    if isinstance(term, Diagonal):
        return replace(term, scale=factor if term.scale is None else term.scale * factor)
    if isinstance(term, Pool):
        shape = (len(term.taps.sites), term.taps.source.shape[2])
        return replace(term, coefficient=np.broadcast_to(term.coefficient, shape) * factor.reshape(shape))
    b, f, _ = term.taps.shape
    rows = (factor if term.order is None else factor[term.order]).reshape(b, f, -1)
    if not (rows == rows[:, :1]).all():
        return None
    return replace(term, weight=term.weight * rows[:, 0][:, None, :])
