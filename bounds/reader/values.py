"""What a variable of the traced program can hold: a constant, a view of elements, or a function of a view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int, Int32, Shaped

from sparsebounds.bounds.graph.elements import ABSENT


class ReadError(ValueError):
    """The function is outside what the reader covers; the message names the operation and where it stands."""


class Refusal(ReadError):
    """No rule covers an operation; it may stand in the graph as an unknown layer."""


@dataclass(frozen=True)
class Const:
    """A value that does not depend on the input, and the parameters it was computed from."""

    value: Any
    names: frozenset[str] = frozenset()
    given: bool = False
    """Whether arrays stand behind it that the program was handed, and not its text alone."""
    origin: Int32[np.ndarray, " ..."] | None = None
    """Of its shape: elements with equal numbers are one number of the program; None: each is one of its own."""

    @property
    def array(self) -> Float64[np.ndarray, " ..."]:
        """The value in float64."""
        return np.asarray(self.value).astype(np.float64)


@dataclass(frozen=True)
class View:
    """Elementwise scale · z[ids] + shift; `ids` has the traced shape, with a batch axis of length 1 somewhere.

    `scale` and `shift` are float64, None (1 and 0) or of the shape of `ids`.
    """

    ids: Int32[np.ndarray, "*shape"]
    scale: Float64[np.ndarray, "*shape"] | None = None
    shift: Float64[np.ndarray, "*shape"] | None = None
    of: tuple[View, float, float] | None = None
    """(inner, r, c) where the program wrote it as r · inner + c with two numbers."""
    shift_of: Int32[np.ndarray, "*shape"] | None = None
    """As `Const.origin`, for the shift."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.ids.shape

    def take(self, index: Int[np.ndarray, " ..."], fill: float = 0.0) -> View:
        """The view at flat indices `index`; ABSENT indices become the constant `fill`."""
        absent = index < 0
        ids = np.where(absent, ABSENT, self.ids.ravel()[index]).astype(np.int32)
        scale = None if self.scale is None else np.where(absent, 1.0, self.scale.ravel()[index])
        shift = None if self.shift is None else self.shift.ravel()[index]
        if fill != 0.0 and absent.any():
            shift = np.zeros(index.shape) if shift is None else shift
        if shift is not None:
            shift = np.where(absent, fill, shift)
        of = (
            None
            if self.shift_of is None
            else np.where(absent, self.shift_of.max(initial=0) + 1, self.shift_of.ravel()[index])
        )
        return View(ids, scale, shift, shift_of=of)

    def scaled(
        self, factor: Float64[np.ndarray, " ..."] | np.float64, origin: Int[np.ndarray, " ..."] | None = None
    ) -> View:
        """factor · view. A factor of zero is kept (a mask is not structure: whoever counts on it has to say so)."""
        of = (self, float(factor), 0.0) if np.ndim(factor) == 0 else None
        numbers = None if self.shift_of is None else joint(self.shift_of, numbered(np.shape(factor), origin))
        factor = np.broadcast_to(factor, self.shape)
        scale = factor if self.scale is None else self.scale * factor
        shift = None if self.shift is None else self.shift * factor
        return View(self.ids, None if (scale == 1.0).all() else scale, shift, of, numbers)

    def shifted(
        self, offset: Float64[np.ndarray, " ..."] | np.float64, origin: Int[np.ndarray, " ..."] | None = None
    ) -> View:
        """view + offset. A shift of zeros stays a shift: a bias that happens to be zero is still a bias."""
        of = (self, 1.0, float(offset)) if np.ndim(offset) == 0 else None
        numbers: np.ndarray | None = np.broadcast_to(numbered(np.shape(offset), origin), self.shape)
        offset = np.broadcast_to(offset, self.shape)
        if self.shift is None:
            return View(self.ids, self.scale, np.array(offset), of, numbers)
        numbers = None if self.shift_of is None or numbers is None else joint(self.shift_of, numbers)
        return View(self.ids, self.scale, self.shift + offset, of, numbers)

    def arranged(self, move: Callable[[np.ndarray], np.ndarray]) -> View:
        """The same elements moved about: `move` acts on numbers, scale and shift alike."""
        scale = None if self.scale is None else move(self.scale)
        shift, numbers = (None if part is None else move(part) for part in (self.shift, self.shift_of))
        return View(move(self.ids), scale, shift, shift_of=numbers)

    def reshaped(self, shape: tuple[int, ...]) -> View:
        """The same elements in another shape, in row-major order."""
        return self.arranged(lambda part: part.reshape(shape))

    @property
    def plain(self) -> bool:
        """No scale and no shift."""
        return self.scale is None and self.shift is None

    def full_scale(self) -> Float64[np.ndarray, " ..."]:
        return np.ones(self.shape) if self.scale is None else self.scale


@dataclass(frozen=True)
class Variable:
    """A view as a function of the root of a `Pointwise`: factor · root + offset."""

    view: View
    factor: float
    offset: float


@dataclass(frozen=True, eq=False)
class Pointwise:
    """A function of one view, element by element, not yet a layer."""

    root: View
    function: Callable[[Any], Any]
    """Values of the root → its values, as the program computes them, of any shape."""
    variables: tuple[Variable, ...]
    """Views that it may be a customary function of; multiples of the root plus a number."""
    eqn: Any
    """The operation that made it."""
    operands: tuple[Value, ...]
    of: tuple[Pointwise, float, float] | None = None
    """(inner, r, c) where it is r · inner + c."""
    number: str = "float32"
    """The type of the root's values."""
    module: str = ""
    where: str = ""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.root.shape

    @property
    def truth(self) -> bool:
        """Whether its values are true and false."""
        return bool(np.issubdtype(self.eqn.outvars[0].aval.dtype, np.bool_))

    @property
    def of_reals(self) -> bool:
        """Whether the root's values are floating-point numbers, neither truth values nor whole numbers."""
        return bool(jnp.issubdtype(jnp.dtype(self.number), jnp.floating))


@dataclass(frozen=True, eq=False)
class Tabulated:
    """Functions of one token each: element e is table[token at places_e, columns_e], of any type."""

    places: Int[np.ndarray, "*shape"]
    columns: Int[np.ndarray, "*shape"]
    table: Shaped[np.ndarray, "V N"]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.places.shape


Value = Const | View | Pointwise | Tabulated


def numbered(shape: tuple[int, ...], origin: Int[np.ndarray, " ..."] | None) -> Int32[np.ndarray, "*shape"]:
    """Which elements are one number: as they are known to be, else each one of its own."""
    return np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape) if origin is None else origin


def joint(*numbers: Int[np.ndarray, " ..."]) -> Int32[np.ndarray, " ..."]:
    """Which elements agree in all of these: what is computed from them is one number there."""
    (first, *others) = np.broadcast_arrays(*numbers)
    for other in others:
        if np.array_equal(first, other):
            continue
        pairs = first.astype(np.int64) * (int(other.max(initial=0)) + 1) + other
        first = np.unique(pairs, return_inverse=True)[1].reshape(pairs.shape)
    return first.astype(np.int32)


def same_view(a: View, b: View) -> bool:
    """Whether two views show the same numbers in the same places."""
    if a is b:
        return True
    pairs = ((a.ids, b.ids), (a.scale, b.scale), (a.shift, b.shift))
    return all(p is q or (p is not None and q is not None and np.array_equal(p, q)) for p, q in pairs)


def same_ratio(a: View, b: View) -> Float64[np.ndarray, " ..."] | None:
    """a = r · b with one ratio r per element: r, or None when there is none."""
    if a.shape != b.shape or not np.array_equal(a.ids, b.ids):
        return None
    if (b.full_scale() == 0.0).any():
        return None
    ratio = a.full_scale() / b.full_scale()
    shift_a = np.zeros(a.shape) if a.shift is None else a.shift
    shift_b = np.zeros(b.shape) if b.shift is None else b.shift
    return ratio if np.allclose(shift_a, ratio * shift_b, rtol=1e-6, atol=1e-12) else None
