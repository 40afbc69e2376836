"""Samples that were cut from one series with overlap: windows, patches, contexts. They are no independent draws.

Two windows that overlap share a run of numbers, at another place in each. Runs of K numbers are compared, K so long
that runs of independent numbers with the frequencies of the sample's own agree with probability 2⁻²⁰ in all pairs
together: K ≥ (2 log₂(numbers in all) + 20)/H, 2^−H the probability that two of them agree. What all samples have in
common, such as a background, has the same place in several; what is flat is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

FEWEST = 20
"""Samples."""
SHARE = 0.25
"""More than this share of overlapping samples leave no certificate; windows have nearly 1, images nearly 0."""
EACH, TOGETHER = 16, 1 << 22
"""About so many runs of a sample are kept, and of all samples at most."""
SEEN, NUMBERS = 256, 1 << 24
"""So many numbers of each input are looked at, or of all inputs together: the first ones."""
_PART, _LOOK = 1 << 20, 1 << 16
_BITS = 20.0
_BASE = np.uint64(0x9E3779B97F4A7C15)


def overlapping(x: Any) -> float:
    """The share of samples most of whose runs stand in another sample too, and always at another place.

    Args:
        x: (m, …) inputs; the coordinates of one are numbered in row-major order, so that shifts by whole steps of the
            first axis count, and along the last.

    Returns:
        From 0 to 1; 0 where no run could be told from chance: few samples, short ones, or of few different numbers.

    Example:
        >>> series = np.random.default_rng(0).normal(size=300).astype(np.float32)
        >>> overlapping(np.stack([series[i : i + 20] for i in range(280)])), overlapping(series.reshape(-1, 10))
        (1.0, 0.0)
    """
    size = min(int(np.prod(x.shape[1:])), max(SEEN, NUMBERS // max(1, len(x))))
    length = run_length(x, size, len(x)) if len(x) >= FEWEST and size > 1 else math.inf
    if length > 2 * size / 3:
        return 0.0
    runs = size - int(length) + 1
    every = max(1, runs // EACH, len(x) * runs // TOGETHER)
    kept = [runs_of(part, int(length), every) for part in _parts(x, size)]
    starts = np.cumsum([0, *(rows for _, _, _, rows in kept)])
    marks, places = (np.concatenate([found[i] for found in kept]) for i in (0, 1))
    samples = np.concatenate([found[2] + start for found, start in zip(kept, starts, strict=False)])
    return share_moved(marks, places, samples, len(x))


def share_moved(marks: np.ndarray, places: np.ndarray, samples: np.ndarray, count: int) -> float:
    """The share of `count` samples most of whose runs stand in another one too, and always at another place."""
    if not len(marks):
        return 0.0
    moved = _moved(marks, places, samples)
    held = np.bincount(samples, minlength=count)
    return float(np.mean(2 * np.bincount(samples, weights=moved, minlength=count) >= np.maximum(held, 1)))


def run_length(x: Any, size: int, count: int) -> float:
    """K for `count` samples, from some of the numbers; infinite where hardly two numbers differ."""
    rows = np.unique(np.linspace(0, len(x) - 1, max(2, _LOOK // size)).astype(int))
    some = np.concatenate([codes_of(x[i : i + 1], size).ravel()[:_LOOK] for i in rows])
    shares = np.unique(some, return_counts=True)[1] / len(some)
    bits = -math.log2(float(np.square(shares).sum()))
    return math.ceil((2 * math.log2(count * size) + _BITS) / bits) if bits >= 1.0 else math.inf


def codes_of(part: Any, size: int) -> np.ndarray:
    """The numbers of some inputs, as float32 has them."""
    flat = np.asarray(part).reshape(len(part), -1)[:, :size].astype(np.float32) + np.float32(0.0)  # −0 becomes 0
    return np.ascontiguousarray(flat).view(np.uint32)


def _parts(x: Any, size: int) -> Iterator[np.ndarray]:
    rows = max(1, _PART // size)
    for start in range(0, len(x), rows):
        yield codes_of(x[start : start + rows], size)


def runs_of(codes: np.ndarray, length: int, every: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Marks, places and samples of one run in so many, chosen by what it holds; and how many samples there are.

    Σ_i mark(number_i) r^i mod 2^64 from running sums.
    """
    rows, size = codes.shape
    powers = np.cumprod(np.full(size, _BASE | np.uint64(1)))
    inverse = np.cumprod(np.full(size, np.uint64(pow(int(_BASE) | 1, -1, 1 << 64))))
    sums = np.zeros((rows, size + 1), dtype=np.uint64)
    np.cumsum(_mixed(codes.astype(np.uint64) + np.uint64(1)) * powers, axis=1, out=sums[:, 1:])
    marks = _mixed((sums[:, length:] - sums[:, :-length]) * inverse[: size - length + 1])
    steps = np.zeros((rows, size), dtype=np.int32)
    np.cumsum(codes[:, 1:] != codes[:, :-1], axis=1, out=steps[:, 1:])
    rough = 2 * (steps[:, length - 1 :] - steps[:, : size - length + 1]) >= length - 1
    samples, places = np.nonzero(rough & (marks % np.uint64(every) == 0))
    return marks[samples, places], places.astype(np.int32), samples, rows


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """Every bit of the result depends on every bit."""
    numbers = (numbers ^ (numbers >> np.uint64(31))) * _BASE
    return numbers ^ (numbers >> np.uint64(29))


def _moved(marks: np.ndarray, places: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Which runs stand in two samples or more, and nowhere twice at one place."""
    order = np.lexsort((places, marks))
    same = np.diff(marks[order]) == 0
    group = np.concatenate([[0], np.cumsum(~same)])
    twice = same & (np.diff(places[order]) == 0)
    once = np.bincount(group[1:], weights=twice, minlength=group[-1] + 1) == 0
    starts = np.flatnonzero(np.concatenate([[True], ~same]))
    several = np.maximum.reduceat(samples[order], starts) > np.minimum.reduceat(samples[order], starts)
    found = np.zeros(len(marks), dtype=bool)
    found[order] = (once & several)[group]
    return found
