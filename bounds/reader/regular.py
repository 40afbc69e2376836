"""How regular a sequence of numbers is: in how many phrases it is told, each a repetition of what came before."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

MOST = 400
"""Phrases are counted up to here: beyond, a list is cheaper."""
FEW, SOME = 6, 64
"""Phrases of what is structure by itself, and of what is where each says 2.5 runs of equal steps on average:
a few runs cut where it pleases are a choice, a hundred that repeat each other are windows."""
SYMBOLS = 0xD800
"""Code points below it may stand in a string; a sequence with more different steps is not regular."""


@dataclass(frozen=True)
class Regularity:
    """Of the steps from number to number, runs of equal steps taken together."""

    length: int
    phrases: int
    """Lempel and Ziv's factors: loops in loops take two each, however long they are; a list without a rule takes about
    as many as it has entries. At most MOST + 1."""
    runs: int
    """Runs of equal steps."""

    @property
    def structure(self) -> bool:
        """Whether windows, strides, transpositions, shifts explain the sequence: few phrases that say much."""
        return self.phrases <= FEW or (self.phrases <= SOME and 5 * self.phrases <= 2 * self.runs)

    def nats(self, of: int) -> float:
        """What the phrases cost for numbers below `of`: where each began before, its length, the number after it."""
        if self.phrases > MOST:
            return math.inf
        place = 2 * math.log(self.length + 1)
        return self.phrases * (place + math.log(2 * of + 1)) + place


def regularity(numbers: Int[np.ndarray, " n"]) -> Regularity:
    """How a sequence of numbers ≥ 0 is told.

    Example:
        >>> regularity(np.arange(10**6)).phrases, regularity(np.arange(12).reshape(3, 4).T.ravel()).phrases
        (1, 3)
        >>> regularity(np.flatnonzero(np.random.default_rng(0).integers(0, 2, 1000))).structure
        False
    """
    steps = np.diff(numbers.astype(np.int64))
    if not len(steps):
        return Regularity(len(numbers), 1, 1)
    starts = np.flatnonzero(np.concatenate([[True], steps[1:] != steps[:-1]]))
    runs = steps[starts] * (len(steps) + 1) + np.diff(np.append(starts, len(steps)))
    kinds, symbols = np.unique(runs, return_inverse=True)
    if len(kinds) > SYMBOLS:
        return Regularity(len(numbers), MOST + 1, len(runs))
    text = np.ravel(symbols).astype("<u4").tobytes().decode("utf-32-le")
    at, count = 0, 0
    while at < len(text) and count <= MOST:
        at, count = at + max(1, _repeated(text, at)), count + 1
    return Regularity(len(numbers), count, len(text))


def _repeated(text: str, at: int) -> int:
    """How much of the text from `at` on was there before; the earlier copy may run into it."""
    low, high = 0, 1
    while at + high <= len(text) and _seen(text, at, high):
        low, high = high, 2 * high
    high = min(high, len(text) - at + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _seen(text, at, middle) else (low, middle)
    return low


def _seen(text: str, at: int, length: int) -> bool:
    return text.find(text[at : at + length], 0, at + length - 1) >= 0
