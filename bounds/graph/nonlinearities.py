"""Fixed functions of one number, and what theorems may know of them: slopes, value at zero, symmetry."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

Pointwise = Callable[[Float64[np.ndarray, " ..."]], Float64[np.ndarray, " ..."]]


@dataclass(frozen=True)
class Nonlinearity:
    """A fixed function σ of one number, applied element by element, with all that a theorem may use of it.

    Two of them are equal when name and numbers are: the function itself is what the name says.
    """

    name: str
    apply: Pointwise
    """float64 array → float64 array of the same shape."""
    low: float
    """Not above inf σ'."""
    high: float
    """Not below sup σ'."""
    at_zero: float = 0.0
    """σ(0), exact."""
    odd: bool = False
    """σ(−t) = −σ(t)."""
    homogeneous: bool = False
    """σ(ct) = cσ(t) for c ≥ 0."""
    bound: float = math.inf
    """Not below sup |σ|."""
    numbers: tuple[float, ...] = ()
    """What training may have chosen: a slope, an α; a class pays for them."""

    @property
    def lipschitz(self) -> float:
        """max(|a|, |b|) for slopes in [a, b]."""
        return max(abs(self.low), abs(self.high))

    @property
    def monotone(self) -> bool:
        """Whether it never decreases."""
        return self.low >= 0.0

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Nonlinearity):
            return NotImplemented
        return (self.name, self.numbers) == (other.name, other.numbers)

    def __hash__(self) -> int:
        return hash((self.name, self.numbers))


TANH = Nonlinearity("tanh", np.tanh, 0.0, 1.0, odd=True, bound=1.0)
