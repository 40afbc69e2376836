"""Functions of one view, element by element, as the program composes them of its primitives.

A program writes GELU in eight primitives and SiLU in two. They are collected into one function of the view that they
start from; what function that is, `recognise` finds out when something else than another elementwise operation
needs its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sparsebounds.bounds.reader.values import Const, Pointwise, Value, Variable, View, same_view

Function = Callable[[jax.Array], jax.Array]

ELEMENTWISE = frozenset(
    "abs acos acosh add add_any and asin asinh atan atan2 atanh cbrt ceil clamp convert_element_type copy cos cosh div "
    "eq erf erf_inv erfc exp exp2 expm1 floor ge gt integer_pow is_finite le lgamma log log1p logistic lt max min mul "
    "ne neg not or pow rem round rsqrt select_n sign sin sinh sqrt square stop_gradient sub tan tanh xor".split()
)
LINEAR = frozenset("add add_any sub neg mul div convert_element_type copy stop_gradient".split())
"""Those that give a multiple of a view plus a number, where all else is constant."""

WHOLE = 1 << 24
"""Up to here every whole number is a float32."""


def composed(eqn: JaxprEqn, values: list[Value]) -> Pointwise | None:
    """The operation as a function of one view, or None where it is no such thing.

    Args:
        eqn: the operation; one output.
        values: its operands; at least one depends on the input.

    Returns:
        None for what is linear in views alone, for operands that come from several views, and where an array of
        different constants takes part.
    """
    if eqn.primitive.name not in ELEMENTWISE:
        return None
    moving = [v for v in values if isinstance(v, View | Pointwise)]
    if eqn.primitive.name in LINEAR and len(moving) == 1 and isinstance(moving[0], View):
        return None
    if eqn.primitive.name in ("add", "sub", "add_any") and all(isinstance(v, View) for v in moving):
        return None
    root = _common_root(moving)
    arguments = [_argument(v, _kind(atom)) for v, atom in zip(values, eqn.invars, strict=True)]
    if root is None or any(a is None for a in arguments) or not all(map(_exact, values)):
        return None
    shape = tuple(eqn.outvars[0].aval.shape)  # type: ignore[attr-defined]
    if shape != root.shape:
        return None

    def function(t: jax.Array) -> jax.Array:
        given = [a(t) for a in arguments if a is not None]
        return _bind(eqn, given, np.shape(t))

    variables = [variable for v in moving for variable in _variables(v)]
    inner = _affine_of(eqn, values)
    number = next((v.number for v in moving if isinstance(v, Pointwise)), "")
    kinds = (_number(_kind(atom)) for v, atom in zip(values, eqn.invars, strict=True) if isinstance(v, View))
    return Pointwise(root, function, _distinct(variables), eqn, tuple(values), inner, number or next(kinds))


def _common_root(moving: Sequence[View | Pointwise]) -> View | None:
    """The view that all of them are functions of, or None."""
    roots = [
        v.root if isinstance(v, Pointwise) else _ancestors(v)[-1].view
        for v in moving
        if isinstance(v, Pointwise | View)
    ]
    first = roots[0]
    return first if len(roots) == len(moving) and all(same_view(first, other) for other in roots[1:]) else None


def _ancestors(view: View) -> list[Variable]:
    """The view and those that it is a multiple of plus a number, each with view = factor · ancestor + offset."""
    found, factor, offset = [Variable(view, 1.0, 0.0)], 1.0, 0.0
    while view.of is not None:
        inner, r, c = view.of
        factor, offset, view = factor * r, factor * c + offset, inner
        found.append(Variable(view, factor, offset))
    return found


def _variables(value: View | Pointwise) -> list[Variable]:
    """What a function may be a customary one of: a view or what it was made of, as a function of the root."""
    if isinstance(value, Pointwise):
        return list(value.variables)
    chain = _ancestors(value)
    last = chain[-1]
    # The value is factor · view + offset for each view of the chain, the root among them.
    return [
        Variable(v.view, last.factor / v.factor, (last.offset - v.offset) / v.factor) for v in chain if v.factor != 0.0
    ]


def _distinct(variables: list[Variable]) -> tuple[Variable, ...]:
    found: list[Variable] = []
    for variable in variables:
        if all((variable.factor, variable.offset) != (known.factor, known.offset) for known in found):
            found.append(variable)
    return tuple(found)


def _kind(atom: Any) -> np.dtype[Any]:
    """The type of an operand; float32 for integers, on which what cannot wrap around gives the same."""
    kind = np.dtype(atom.aval.dtype)
    return np.dtype(np.float32) if jnp.issubdtype(kind, jnp.integer) else kind


def _number(kind: np.dtype[Any]) -> str:
    """The type of a view's values: those of a layer of truth values are the numbers 0 and 1."""
    return "float32" if kind.kind == "b" else str(kind)


def _argument(value: Value, kind: np.dtype[Any]) -> Function | None:
    """An operand as a function of the root, None for an array of different constants."""
    if isinstance(value, Pointwise):
        return value.function
    if isinstance(value, View):
        last = _ancestors(value)[-1]
        if (last.factor, last.offset) == (1.0, 0.0):
            return lambda t: t.astype(kind)
        return lambda t: t.astype(kind) * np.asarray(last.factor, kind) + np.asarray(last.offset, kind)
    scalar = scalar_of(value)
    return None if scalar is None else lambda t: scalar


def scalar_of(value: Value) -> Any:
    """The one number that a constant holds, of its type; None where it holds several, or was handed in as an array."""
    if not isinstance(value, Const):
        return None
    array = np.asarray(value.value)
    if array.ndim == 0 or array.size == 1:
        return array.reshape(())
    if value.given or value.names or not (array == array.flat[0]).all():
        return None
    return array.flat[0]


def _exact(value: Value) -> bool:
    """Whether float32 holds what a constant says: not so for long whole numbers, such as words of bits."""
    if not isinstance(value, Const) or np.asarray(value.value).dtype.kind not in "iu":
        return True
    return bool((np.abs(value.array) <= WHOLE).all())


def is_sign_test(value: Pointwise) -> bool:
    """Whether it is true on one side of zero alone, and where that does not depend on how far from zero."""
    points = np.logspace(-30, 30, 121)
    sides = [np.asarray(value.function(np.asarray(sign * points, value.number))) for sign in (-1.0, 1.0)]
    return value.truth and all(bool((side == side[0]).all()) for side in sides)


def _floating(array: jax.Array) -> jax.Array:
    """Integers as floats: what cannot wrap around gives the same on both."""
    return array.astype(jnp.float32) if jnp.issubdtype(array.dtype, jnp.integer) else array


def _bind(eqn: JaxprEqn, given: list[Any], shape: tuple[int, ...]) -> jax.Array:
    """The operation on arrays of another shape than the program's."""
    arrays = [jnp.broadcast_to(_floating(jnp.asarray(a)), shape) for a in given]
    out: jax.Array = eqn.primitive.bind(*arrays, **eqn.params)
    return out


def _affine_of(eqn: JaxprEqn, values: list[Value]) -> tuple[Pointwise, float, float] | None:
    """(inner, r, c) where the operation gives r · inner + c."""
    name = eqn.primitive.name
    if name not in LINEAR:
        return None
    places = [i for i, v in enumerate(values) if isinstance(v, Pointwise)]
    if len(places) != 1 or any(isinstance(v, View) for v in values):
        return None
    inner = values[places[0]]
    scalars = [float(scalar_of(v)) for v in values if isinstance(v, Const)]
    if not isinstance(inner, Pointwise) or inner.truth:
        return None
    if name in ("convert_element_type", "copy", "stop_gradient"):
        return inner, 1.0, 0.0
    if name == "neg":
        return inner, -1.0, 0.0
    (number,) = scalars
    if name == "mul":
        return inner, number, 0.0
    if name in ("add", "add_any"):
        return inner, 1.0, number
    if name == "sub":
        return (inner, 1.0, -number) if places[0] == 0 else (inner, -1.0, number)
    return (inner, 1.0 / number, 0.0) if places[0] == 0 and number != 0.0 else None
