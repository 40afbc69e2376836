"""Fixed functions of one number, and what theorems may know of them: slopes, value at zero, symmetry.

Slopes were found on grids of 10⁶ points and are rounded outwards in the seventh place; tests/bounds/graph check each.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy import special

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

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled by name and numbers."""
        return of_name, (self.name, self.numbers)


def _softplus(t: Float64[np.ndarray, " ..."]) -> Float64[np.ndarray, " ..."]:
    return np.logaddexp(t, 0.0)


def _elu(t: Float64[np.ndarray, " ..."]) -> Float64[np.ndarray, " ..."]:
    return np.where(t > 0, t, np.expm1(np.minimum(t, 0.0)))


SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772
_LOG2 = math.log(2.0)

TANH = Nonlinearity("tanh", np.tanh, 0.0, 1.0, odd=True, bound=1.0)
SIGMOID = Nonlinearity("sigmoid", special.expit, 0.0, 0.25, at_zero=0.5, bound=1.0)
SOFTPLUS = Nonlinearity("softplus", _softplus, 0.0, 1.0, at_zero=_LOG2)
LOG_SIGMOID = Nonlinearity("log-sigmoid", lambda t: -_softplus(-t), 0.0, 1.0, at_zero=-_LOG2)
GELU = Nonlinearity("GELU", lambda t: t * special.ndtr(t), -0.1289042, 1.1289042)
TANH_GELU = Nonlinearity(
    "GELU (tanh)",
    lambda t: 0.5 * t * (1 + np.tanh(math.sqrt(2 / math.pi) * (t + 0.044715 * np.power(t, 3)))),
    *(-0.1289932, 1.1289932),
)
MISH = Nonlinearity("Mish", lambda t: t * np.tanh(_softplus(t)), -0.1125262, 1.0884983)
HARD_SWISH = Nonlinearity("hard swish", lambda t: t * np.clip(t + 3, 0, 6) / 6, -0.5, 1.5)
HARD_SIGMOID = Nonlinearity("hard sigmoid", lambda t: np.clip(t + 3, 0, 6) / 6, 0.0, 0.1666667, at_zero=0.5, bound=1.0)
SELU = Nonlinearity(
    "SELU",
    lambda t: SELU_SCALE * np.where(t > 0, t, SELU_ALPHA * np.expm1(np.minimum(t, 0.0))),
    *(0.0, 1.7580994),
)
SOFTSIGN = Nonlinearity("softsign", lambda t: t / (1 + np.abs(t)), 0.0, 1.0, odd=True, bound=1.0)
SIN = Nonlinearity("sin", np.sin, -1.0, 1.0, odd=True, bound=1.0)
COS = Nonlinearity("cos", np.cos, -1.0, 1.0, at_zero=1.0, bound=1.0)
ERF = Nonlinearity("erf", special.erf, 0.0, 1.1283792, odd=True, bound=1.0)
ARCTAN = Nonlinearity("arctan", np.arctan, 0.0, 1.0, odd=True, bound=1.5707964)
TANH_SHRINK = Nonlinearity("tanh-shrink", lambda t: t - np.tanh(t), 0.0, 1.0, odd=True)
ABS = Nonlinearity("abs", np.abs, -1.0, 1.0, homogeneous=True)
FIXED = (
    *(TANH, SIGMOID, GELU, TANH_GELU, SOFTPLUS, LOG_SIGMOID, MISH, HARD_SWISH, HARD_SIGMOID, SELU, SOFTSIGN),
    *(SIN, COS, ERF, ARCTAN, TANH_SHRINK, ABS),
)
"""Those that have no numbers."""


def silu(beta: float = 1.0) -> Nonlinearity:
    """t · sigmoid(βt), also called swish; its slopes are the same for every β ≠ 0."""
    numbers = () if beta in (1.0, 1.702) else (beta,)
    name = "SiLU" if beta == 1.0 else "quick GELU" if beta == 1.702 else "SiLU of slope"
    return Nonlinearity(name, lambda t: t * special.expit(beta * t), -0.0998394, 1.0998394, numbers=numbers)


def elu(alpha: float = 1.0) -> Nonlinearity:
    """t above 0, α(e^t − 1) below, α ≥ 0."""
    numbers = () if alpha == 1.0 else (alpha,)
    return Nonlinearity("ELU", lambda t: np.where(t > 0, t, alpha * _elu(t)), 0.0, max(1.0, alpha), numbers=numbers)


def celu(alpha: float) -> Nonlinearity:
    """t above 0, α(e^{t/α} − 1) below, α > 0."""
    return Nonlinearity("CELU", lambda t: np.where(t > 0, t, alpha * _elu(t / alpha)), 0.0, 1.0, numbers=(alpha,))


def clip(low: float, high: float) -> Nonlinearity:
    """min(max(t, low), high): ReLU6 is clip(0, 6), hard tanh clip(−1, 1); ends may be infinite."""
    name = {(0.0, 6.0): "ReLU6", (-1.0, 1.0): "hard tanh"}.get((low, high), "clip")
    return Nonlinearity(
        name,
        lambda t: np.clip(t, low, high),
        *(0.0, 1.0),
        at_zero=min(max(0.0, low), high),
        odd=low == -high,
        bound=max(abs(low), abs(high)),
        numbers=() if name != "clip" else (low, high),
    )


def soft_shrink(width: float) -> Nonlinearity:
    """sign(t) · max(|t| − width, 0)."""
    return Nonlinearity(
        "soft-shrink", lambda t: np.sign(t) * np.maximum(np.abs(t) - width, 0.0), 0.0, 1.0, odd=True, numbers=(width,)
    )


def two_slopes(below: float, above: float) -> Nonlinearity:
    """below · t for t < 0, above · t for t > 0: PReLU of any slope."""
    if (below, above) == (-1.0, 1.0):
        return ABS
    return Nonlinearity(
        "PReLU",
        lambda t: np.where(t < 0, below * t, above * t),
        *(min(below, above), max(below, above)),
        homogeneous=True,
        numbers=(below, above),
    )


FAMILIES: dict[str, Callable[..., Nonlinearity]] = {
    "SiLU": silu,
    "quick GELU": lambda: silu(1.702),
    "SiLU of slope": silu,
    "ELU": elu,
    "CELU": celu,
    "ReLU6": lambda: clip(0.0, 6.0),
    "hard tanh": lambda: clip(-1.0, 1.0),
    "clip": clip,
    "soft-shrink": soft_shrink,
    "PReLU": two_slopes,
}
"""Name → function of the numbers."""


def of_name(name: str, numbers: tuple[float, ...] = ()) -> Nonlinearity:
    """The function that has this name and these numbers.

    Raises:
        ValueError: there is none.

    Example:
        >>> of_name("ELU", (0.5,)) == elu(0.5), of_name("tanh") is TANH
        (True, True)
    """
    for known in FIXED:
        if known.name == name:
            return known
    if name not in FAMILIES:
        raise ValueError(
            f"no activation is called {name!r}; the known ones are {', '.join(FAMILIES)} and those without numbers"
        )
    return FAMILIES[name](*numbers)
