"""Which customary function a composed one is: told by its values, never by its name."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.nonlinearities import (
    FIXED,
    Nonlinearity,
    celu,
    clip,
    elu,
    silu,
    soft_shrink,
    two_slopes,
)
from sparsebounds.bounds.reader.values import Pointwise, Variable

ULPS = 8
"""How far values may be apart, in units of the last place of max(|t|, |σ(t)|)."""
FAR = 88.0
"""Beyond, exp overflows in float32."""
FARTHEST = 1e30
"""So far a function must be the one that it is taken for: one that is cut off at 100 is no ReLU."""
SQUARE = "square"
"""What a t² is called; it is no Lipschitz function but a product."""


@dataclass(frozen=True)
class Recognised:
    """function(variable) is what a `Pointwise` computes: σ, or t², times `scale`."""

    variable: Variable
    function: Nonlinearity | str
    scale: float = 1.0


def recognised(value: Pointwise) -> Recognised | None:
    """The customary function that a composed one is, of one of the views that it may be written in.

    It is compared on 10⁶ points between −88 and 88, ±0 among them, and on some up to ±10³⁰, in the type that the
    program computes in; values may differ by 8 units in the last place of the larger of |t| and |σ(t)|. Beyond ±88 a
    program may overflow: its scores are then infinite too, and no sample has any.

    Args:
        value: the composed function.

    Returns:
        None where no function of the table has its values, as none has of truth values and whole numbers.
    """
    if not value.of_reals:
        return None
    for variable in value.variables:
        if variable.factor == 0.0:
            continue
        program = _program(value, variable)
        if program is None or program not in _TOLD:
            best = _told(_Compared(value, variable))
            told = None if best is None else (best.function, best.scale)
            if program is not None and len(_TOLD) < KEPT:
                _TOLD[program] = told
        else:
            told = _TOLD[program]
        if told is not None:
            return Recognised(variable, *told)
    return None


KEPT = 4096
_TOLD: dict[Hashable, tuple[Nonlinearity | str, float] | None] = {}
"""What a program of numbers was recognised as: all layers of a network mostly have one activation."""


def _program(value: Pointwise, variable: Variable) -> Hashable | None:
    """The text of a function of one number, constants and all, and of which variable it is to be told.

    None where it calls what is not in the text, such as a function of Python.
    """
    with jax.numpy_dtype_promotion("standard"):
        text = jax.jit(value.function).lower(jax.ShapeDtypeStruct((), jnp.dtype(value.number))).as_text()
    return None if "custom_call" in text else (text, variable.factor, variable.offset)


def _told(compared: _Compared) -> Recognised | None:
    found = (candidate for candidate in _candidates(compared) if compared.equals(candidate))
    # In half precision several have its values: the closest is the one that was written.
    return next(found, None) if compared.fine else min(found, key=compared.distance, default=None)


class _Compared:
    """A composed function as a function of one variable, on a coarse grid and on a fine one."""

    def __init__(self, value: Pointwise, variable: Variable):
        self.value, self.variable = value, variable
        self.type = jnp.dtype(value.number)

    def at(self, points: Float64[np.ndarray, " n"]) -> tuple[np.ndarray, np.ndarray]:
        """The variable and the function at points of the root near (points − offset) / factor: float64, float64."""
        with np.errstate(over="ignore"):  # far out half precision has no numbers
            root = jnp.asarray((points - self.variable.offset) / self.variable.factor, self.type)
        with jax.numpy_dtype_promotion("standard"):
            values = self.value.function(root)
        exact = np.asarray(root, dtype=np.float64) * self.variable.factor + self.variable.offset
        return exact, np.asarray(values, dtype=np.float64)

    def near(self, *points: float) -> list[float]:
        return self.at(np.array(points))[1].tolist()

    @property
    def fine(self) -> bool:
        """Whether its values tell all functions of the table apart."""
        return float(jnp.finfo(self.type).eps) <= float(jnp.finfo(jnp.float32).eps)

    def distance(self, candidate: Recognised) -> float:
        """The mean difference from a candidate on the coarse grid, in parts of the larger of |t| and |σ(t)|."""
        t, values = self.at(grid_of(200))
        expected = candidate.scale * applied(candidate.function, t)
        return float(np.mean(np.abs(values - expected) / np.maximum(np.abs(expected), np.abs(t) + 1e-30)))

    def equals(self, candidate: Recognised) -> bool:
        """Whether the function is the candidate, on the coarse grid and then on the fine one."""
        grids = ((grid_of(200), False), (far_grid(), True), (grid_of(1_000_000), False))
        return all(self._agree(candidate, grid, overflows) for grid, overflows in grids)

    def _agree(self, candidate: Recognised, points: Float64[np.ndarray, " n"], overflows: bool) -> bool:
        t, values = self.at(points)
        if overflows:
            there = np.isfinite(t) & np.isfinite(values)
            t, values = t[there], values[there]
        with np.errstate(all="ignore"):
            expected = candidate.scale * applied(candidate.function, t)
        size = np.maximum(np.abs(t), np.abs(expected))
        # The variable itself is rounded where it is not the root: an offset costs digits of small values.
        size = np.maximum(size, abs(self.variable.offset))
        kind = jnp.finfo(self.type)
        size = np.maximum(size, float(kind.tiny))  # below, numbers lie evenly spaced
        return bool((np.abs(values - expected) <= ULPS * float(kind.eps) * size).all())


def applied(function: Nonlinearity | str, t: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    return np.square(t) if isinstance(function, str) else function.apply(t)


@cache
def grid_of(count: int) -> Float64[np.ndarray, " n"]:
    """Points between −88 and 88, most of them near 0, ±0 among them."""
    third = count // 3
    small = np.logspace(-12, math.log10(FAR), third // 2)
    grid = np.concatenate([np.linspace(-10, 10, third), np.linspace(-FAR, FAR, third), small, -small, [0.0, -0.0]])
    grid.flags.writeable = False
    return grid


@cache
def far_grid() -> Float64[np.ndarray, " n"]:
    """Points beyond ±88, up to ±`FARTHEST`."""
    far = np.logspace(math.log10(FAR), math.log10(FARTHEST), 500)
    grid = np.concatenate([far, -far])
    grid.flags.writeable = False
    return grid


def _candidates(f: _Compared) -> Iterator[Recognised]:
    """Functions that it may be, their numbers read off its values."""
    at_minus_one, zero, above, low, high, lowest, highest = f.near(-1.0, 0.0, 1.0, -FAR, FAR, -FARTHEST, FARTHEST)
    below = -at_minus_one
    if not all(map(math.isfinite, (below, zero, above))):
        return
    if abs(zero) < 1e-6:
        yield Recognised(f.variable, two_slopes(rounded(below), rounded(above)))
        yield Recognised(f.variable, SQUARE, rounded(above))
    for function in FIXED:
        yield Recognised(f.variable, function)
    yield from (Recognised(f.variable, function) for function in _with_numbers(above, low, high))
    yield from (Recognised(f.variable, function) for function in _cut_off(lowest, highest))
    for function in FIXED:
        at_one = float(function.apply(np.array([1.0]))[0])
        if at_one != 0.0 and above != at_one:
            yield Recognised(f.variable, function, above / at_one)


def _with_numbers(above: float, low: float, high: float) -> Iterator[Nonlinearity]:
    """Members of families, from the value at 1 and far out."""
    for beta in (1.0, 1.702):
        yield silu(beta)
    if 0.0 < above < 1.0:
        yield silu(rounded(math.log(above / (1.0 - above))))
    if low < 0.0 and math.isfinite(low) and low > -FAR / 2:
        alpha = rounded(-low)
        yield elu(alpha)
        yield celu(alpha)
    width = FAR - high
    if low < high and 0.0 < width < FAR:
        yield soft_shrink(rounded(width))


def _cut_off(lowest: float, highest: float) -> Iterator[Nonlinearity]:
    """clip, with the values far out as its ends."""
    ends = (lowest if lowest > -FARTHEST / 2 else -math.inf, highest if highest < FARTHEST / 2 else math.inf)
    if lowest < highest and ends != (-math.inf, math.inf):
        yield clip(*map(rounded, ends))


def rounded(number: float) -> float:
    """The number of six digits that it is a rounding of, if there is one."""
    short = float(f"{number:.6g}") if math.isfinite(number) else number
    return short if abs(short - number) <= 4e-7 * abs(number) else number
