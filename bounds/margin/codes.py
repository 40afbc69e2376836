"""Prefix codes written down in advance: what one value of a configuration costs, −log of its weight.

The weights of a code sum to at most 1 (Kraft), however many values it has. A value outside the code has none.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np


class Code(Protocol):
    """Weights on values that sum to at most 1, declared before any data were seen."""

    def nats(self, value: Any) -> float | None:
        """log(1/weight), the natural logarithm; None for a value outside the code."""

    def stated(self) -> Any:
        """The declaration itself, in what JSON knows: equal codes state the same."""

    def allowed(self) -> str:
        """The values in words, for whoever gave another one."""


@dataclass(frozen=True)
class Listed:
    """One of a list, each with weight 1/n.

    Example:
        >>> code = Listed((1, 2, 5))
        >>> code.nats(2) == math.log(3), code.nats(3), code.nats(True)
        (True, None, None)
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("an empty list of values; needed at least one")
        if len({canonical(value) for value in self.values}) < len(self.values):
            raise ValueError(f"{self.values} names a value twice; needed each once")

    def nats(self, value: Any) -> float | None:
        try:
            found = canonical(value)
        except ValueError:
            return None
        return math.log(len(self.values)) if found in {canonical(one) for one in self.values} else None

    def stated(self) -> Any:
        return ["one of", [plain(value) for value in self.values]]

    def allowed(self) -> str:
        return "one of " + ", ".join(repr(value) for value in self.values)


@dataclass(frozen=True)
class WholeNumbers:
    """The whole numbers from `first` on: weight 1/((k+1)(k+2)) for first + k; the sum telescopes to 1.

    Example:
        >>> code = WholeNumbers()
        >>> code.nats(0) == math.log(2), code.nats(3) == math.log(20), code.nats(-1), code.nats(0.5)
        (True, True, None, None)
    """

    first: int = 0

    def nats(self, value: Any) -> float | None:
        n = _whole(value)
        if n is None or n < self.first:
            return None
        k = n - self.first
        return math.log(k + 1) + math.log(k + 2)

    def stated(self) -> Any:
        return ["first + k with weight 1/((k+1)(k+2))", self.first]

    def allowed(self) -> str:
        return f"a whole number of at least {self.first}"


@dataclass(frozen=True)
class Seeds:
    """Whole numbers by their length of b bits: weight 1/((b+1)(b+2)), shared by the 2^(b−1) numbers of that length.

    Small numbers cost little, and one of 32 bits 28.5 nats where `WholeNumbers` would ask for 44.

    Example:
        >>> code = Seeds()
        >>> code.nats(0) == math.log(2), code.nats(1) == math.log(6), round(code.nats(2**32 - 1), 1)
        (True, True, 28.5)
    """

    def nats(self, value: Any) -> float | None:
        n = _whole(value)
        if n is None or n < 0:
            return None
        b = n.bit_length()
        return math.log(b + 1) + math.log(b + 2) + max(b - 1, 0) * math.log(2.0)

    def stated(self) -> Any:
        return ["b bits with weight 1/((b+1)(b+2)), shared by all of that length"]

    def allowed(self) -> str:
        return "a whole number that is not negative"


@dataclass(frozen=True)
class Trees:
    """Full binary trees whose leaves are the classes 0..C−1, as nested pairs: all (2C−2)!/(C−1)! with one weight.

    Pairs are ordered: which of two halves stands first may decide a rounding, and with it the class of networks.

    Example:
        >>> code = Trees(3)
        >>> code.nats(((0, 2), 1)) == math.log(12), code.nats(((0, 1), 1)), code.nats((0, 1, 2))
        (True, None, None)
    """

    classes: int

    def nats(self, value: Any) -> float | None:
        leaves = _leaves(_known(value))
        if leaves is None or sorted(leaves) != list(range(self.classes)):
            return None
        return math.log(math.factorial(2 * self.classes - 2) // math.factorial(self.classes - 1))

    def stated(self) -> Any:
        return ["ordered binary trees over so many classes", self.classes]

    def allowed(self) -> str:
        return f"nested pairs of the classes 0 to {self.classes - 1}, each once"


def plain(value: Any) -> Any:
    """Lists for tuples, Python's numbers for NumPy's, whole numbers without a point: what JSON knows.

    Raises:
        ValueError: a value that is neither None, bool, a finite number, text, nor a list of such.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not (value is None or isinstance(value, int | str) or (isinstance(value, float) and math.isfinite(value))):
        raise ValueError(f"{value!r} in a configuration; needed a finite number, text, bool, None or a tuple of such")
    return int(value) if isinstance(value, float) and value.is_integer() else value


def canonical(value: Any) -> str:
    """One text per value: 2 and 2.0 are the same, 1 and True are not; ValueError as in `plain`.

    Example:
        >>> canonical((2.0, "a", True)), canonical(2) == canonical(2.0), canonical(1) == canonical(True)
        ('[2, "a", true]', True, False)
    """
    return json.dumps(plain(value))


def _known(value: Any) -> Any:
    """As in `plain`, and None for what no code knows."""
    try:
        return plain(value)
    except ValueError:
        return None


def _whole(value: Any) -> int | None:
    found = _known(value)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _leaves(tree: Any) -> list[int] | None:
    """Of nested pairs; None for anything else."""
    if isinstance(tree, list):
        halves = [_leaves(half) for half in tree]
        return None if len(halves) != 2 or None in halves else [leaf for half in halves for leaf in half or []]
    return [tree] if isinstance(tree, int) and not isinstance(tree, bool) else None
