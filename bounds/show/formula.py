"""A formula as it is printed and as it is computed, and how numbers are put into it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsebounds.bounds.printed import nearest

NEAR = 1e-9
"""A formula explains a number if it gives it to this relative precision; rounding that a bound adds on top is 1e-6."""
MOST_FACTORS = 6
"""Longer lists of factors are shown by their ends."""
_NAMED = re.compile(r"\{([^{}]+)\}")
LETTERS = {"gamma": "γ", "delta": "δ", "margin_error": "margin error"}


@dataclass(frozen=True)
class Formula:
    """What `of` is: `text` with the names of terms in braces, and the function that computes it from these terms."""

    of: str
    text: str
    compute: Callable[[Mapping[str, Any]], float]

    @property
    def needs(self) -> tuple[str, ...]:
        """The terms that stand in the text."""
        return tuple(_NAMED.findall(self.text))

    @property
    def symbols(self) -> str:
        """With names."""
        return _NAMED.sub(lambda found: LETTERS.get(found[1], found[1]), self.text)

    def numbers(self, terms: Mapping[str, Any]) -> str:
        """With numbers put in.

        Example:
            >>> Formula("a", "{b} · √{c}", lambda t: t["b"] * t["c"] ** 0.5).numbers({"b": (2.0, 3.5), "c": 4})
            '(2 · 3.5) · √4'
        """
        return _NAMED.sub(lambda found: _put_in(terms[found[1]]), self.text)

    def explains(self, terms: Mapping[str, Any], value: float) -> bool:
        """Whether it gives this value.

        Example:
            >>> square = Formula("a", "{b}²", lambda t: t["b"] ** 2)
            >>> [square.explains(t, 9.0) for t in ({"b": 3}, {"b": 2}, {"c": 3})]
            [True, False, False]
        """
        if not all(name in terms for name in self.needs):
            return False
        try:
            with np.errstate(all="ignore"):
                found = float(self.compute(terms))
        except (ArithmeticError, ValueError, TypeError):  # terms of another theorem that share these names
            return False
        return found == value or math.isclose(found, value, rel_tol=NEAR, abs_tol=1e-15)


def flat(value: Any) -> list[float]:
    """The numbers of a term, be it one, a list, or one for every layer.

    Example:
        >>> flat({"1: conv": 2.0}), flat((1, 2)), flat(3.0)
        ([2.0], [1.0, 2.0], [3.0])
    """
    if isinstance(value, Mapping):
        return [float(one) for one in value.values()]
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return [float(one) for one in value]
    return [float(value)]


def product(value: Any) -> float:
    """Of the numbers of a term; 1 of none."""
    return math.prod(flat(value))


def _put_in(value: Any) -> str:
    if isinstance(value, str):
        return value
    numbers = [str(int(one)) if one == int(one) and abs(one) < 1e6 else nearest(one) for one in _finite(value)]
    if len(numbers) > MOST_FACTORS:
        numbers = [*numbers[:2], "…", *numbers[-2:]]
    return numbers[0] if len(numbers) == 1 and not numbers[0].startswith("-") else f"({' · '.join(numbers)})"


def _finite(value: Any) -> list[Any]:
    return [one if math.isfinite(one) else _Infinite(one) for one in flat(value)] or [1.0]


class _Infinite(float):
    """inf, which is no whole number and cannot be compared with one by `int`."""

    def __int__(self) -> int:
        return 0
