"""Elements that a program picks by a list: which ones is a choice, as the positions of zero weights are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln


@dataclass(frozen=True, eq=False)
class Selection:
    """Lists of elements that a network reads, written as constant indices, as a mask, or slice by slice.

    Example:
        >>> Selection(np.array([[3, 5, 8]]), of=10).nats == math.log(120) + math.log(10)
        True
    """

    lists: np.ndarray
    """int (lists, k): numbers from 0 to of − 1, those of one list in the order in which the network sees them."""
    of: int
    """D: how many there are to pick from."""
    name: str = ""
    where: str = ""

    @property
    def key(self) -> bytes:
        """Equal for equal lists: what is used twice is chosen once."""
        return np.array([self.of, *self.lists.shape]).tobytes() + self.lists.tobytes()

    @property
    def nats(self) -> float:
        """Σ over the lists of log C(D, k) + log D.

        A list that is not ascending costs log k! more, for its order; one that names an element twice is written out,
        k log D + log D. Lists in regular steps cost no more than their start, steps and counts.
        """
        k, of = self.lists.shape[1], self.of
        steps = np.diff(self.lists, axis=1)
        ascending = (steps > 0).all(axis=1)
        twice = (np.diff(np.sort(self.lists, axis=1), axis=1) == 0).any(axis=1)
        sets = math.log(math.comb(of, k)) if k <= of and of < 1000 else float(log_choose(of, min(k, of)))
        order = np.where(ascending, 0.0, float(gammaln(k + 1)))
        listed = float(np.where(twice, k * math.log(of), sets + order).sum()) + len(self.lists) * math.log(of)
        axes = 1 if len(self.lists) == 1 else 2
        return min(listed, (1 + 2 * axes) * math.log(2 * of)) if self._regular else listed

    @property
    def _regular(self) -> bool:
        """Whether both within a list and from list to list the numbers go in equal steps."""
        steps = [np.diff(self.lists, axis=axis) for axis in (0, 1)]
        return all(step.size == 0 or bool((step == step.flat[0]).all()) for step in steps)

    def __str__(self) -> str:
        count, k = self.lists.shape
        lists = f"{k} of {self.of}" if count == 1 else f"{count} lists, each {k} of {self.of}"
        place = self.where.rpartition("/")[2]
        return lists + (f", in {self.name}" if self.name else "") + (f", {place}" if place else "")


@dataclass(frozen=True)
class Wiring:
    """Elements of a layer that a finished graph reads in an order without a rule, by lists or whatever else."""

    count: int
    of: int
    nats: float
    name: str = ""
    where: str = ""

    def __str__(self) -> str:
        return f"{self.count} readings of {self.of} elements without a rule" + (f", {self.name}" if self.name else "")


def log_choose(n: int, k: int) -> float:
    return float(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
