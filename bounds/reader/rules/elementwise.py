"""Rules for bias, scale, residual sums, products and maxima of several values, masks, slopes for each channel."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Float64, Int32

from sparsebounds.bounds.reader.interpreter import Interpreter, Rule, constant_array, is_zero, out_shape
from sparsebounds.bounds.reader.joining import as_view
from sparsebounds.bounds.reader.normalising import normalised
from sparsebounds.bounds.reader.pointwise import is_sign_test, scalar_of
from sparsebounds.bounds.reader.selections import record_mask
from sparsebounds.bounds.reader.values import Const, Pointwise, Value, View, same_ratio


def add(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    a, b = values
    if isinstance(a, View) and isinstance(b, View):
        return [interpreter.builder.sum(a, b)]
    view, const = (a, b) if isinstance(a, View) else (b, a)
    return [_broadcast(interpreter, view, const).shifted(number(const), _origin(const))]


def sub(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    a, b = values
    if isinstance(b, Const):
        return add(interpreter, eqn, [a, replace(b, value=-np.asarray(b.value))])
    return add(interpreter, eqn, [a, _view(interpreter, b).scaled(np.asarray(-1.0))])


def neg(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    return [_view(interpreter, values[0]).scaled(np.asarray(-1.0))]


def mul(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A scale, a mask, a normalisation, or a product of two values that depend on the input."""
    a, b = values
    if isinstance(a, View) and isinstance(b, View):
        builder = interpreter.builder
        left, right = _same_shape(a, b)
        for what, by in ((left, right), (right, left)):
            found = normalised(builder, what, by, 1.0)
            if found is not None:
                return [found]
        return [builder.product(left, right)]
    view, const = (a, b) if isinstance(b, Const) else (b, a)
    record_mask(interpreter.builder, const)
    return [_broadcast(interpreter, view, const).scaled(number(const), _origin(const))]


def div(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    view, const = values
    if isinstance(view, View) and isinstance(const, View):
        found = normalised(interpreter.builder, *_same_shape(view, const), -1.0)
        if found is not None:
            return [found]
    if not isinstance(const, Const):
        raise interpreter.refuse("divides by a value that depends on the input")
    return [_broadcast(interpreter, view, const).scaled(1.0 / number(const), _origin(const))]


def _same_shape(a: View, b: View) -> tuple[View, View]:
    shape = np.broadcast_shapes(a.shape, b.shape)
    left, right = (v.arranged(lambda part: np.broadcast_to(part, shape)) for v in (a, b))
    return left, right


def number(const: Value) -> Float64[np.ndarray, " ..."] | np.float64:
    """A constant in float64: one number where it is the same everywhere."""
    scalar = scalar_of(const)
    return constant_array(const) if scalar is None else np.float64(scalar)


def _origin(const: Value) -> Int32[np.ndarray, " ..."] | None:
    """Which elements of a constant are one number of the program."""
    return const.origin if isinstance(const, Const) and scalar_of(const) is None else None


def extreme(sign: float) -> Rule:
    """max(a, b), or with sign −1 min(a, b), of two values that are not functions of one view."""

    def rule(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
        shape, builder = out_shape(eqn), interpreter.builder
        if isinstance(values[0], Const) or isinstance(values[1], Const):
            return [_limited(interpreter, values, sign)]
        a, b = (as_view(v).arranged(lambda part: np.broadcast_to(part, shape)) for v in values)
        ratio = same_ratio(b, a)
        if ratio is not None:  # max(t, r · t) with a slope for each channel
            ends = np.minimum(1.0, ratio), np.maximum(1.0, ratio)
            below, above = ends if sign > 0 else ends[::-1]
            return [_slopes(interpreter, a, below, above)]
        if sign > 0:
            return [builder.maximum(a, b)]
        flipped = [v.scaled(np.float64(-1.0)) for v in (a, b)]
        return [builder.maximum(*flipped).scaled(np.float64(-1.0))]

    return rule


def _limited(interpreter: Interpreter, values: list[Value], sign: float) -> View:
    """max(t, b) with constants b is max(t − b, 0) + b, and min(t, b) is −max(−t, −b)."""
    view, const = values if isinstance(values[1], Const) else reversed(values)
    limit, origin = sign * number(const), _origin(const)
    turned = _broadcast(interpreter, view, const).scaled(np.float64(sign))
    above = interpreter.builder.activate(turned.shifted(-limit, origin), 0.0)
    return above.shifted(limit, origin).scaled(np.float64(sign))


def select(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """where(condition, …): a fixed mask, or a leaky ReLU with a slope for each channel written with a sign test."""
    which, *cases = values
    if len(cases) != 2:
        raise interpreter.refuse("selects among more than two cases")
    if isinstance(which, Pointwise):
        return [_by_sign(interpreter, which, cases[1], cases[0])]
    if not isinstance(which, Const):
        raise interpreter.refuse("selects by a value that depends on the input")
    record_mask(interpreter.builder, which)
    mask = np.broadcast_to(np.asarray(which.value).astype(bool), out_shape(eqn))
    no, yes = (as_view(c) for c in cases)
    if (no.ids < 0).all() and no.shift is not None and not no.shift.any():
        return [yes.scaled(mask.astype(np.float64))]
    if (yes.ids < 0).all() and yes.shift is not None and not yes.shift.any():
        return [no.scaled(1.0 - mask)]
    scale = np.where(mask, yes.full_scale(), no.full_scale())
    shifts = [np.zeros(v.shape) if v.shift is None else v.shift for v in (yes, no)]
    return [View(np.where(mask, yes.ids, no.ids), scale, np.where(mask, *shifts))]


def _by_sign(interpreter: Interpreter, which: Pointwise, yes: Value, no: Value) -> View:
    """One multiple of the tested view where it is above 0, another below."""
    true = np.asarray(which.function(np.array([-1.0, 1.0], which.number)))
    positive, negative = (yes, no) if true[1] else (no, yes)
    ups, downs = _ratio(positive, which.root), _ratio(negative, which.root)
    if true[0] == true[1] or not is_sign_test(which) or ups is None or downs is None:
        raise interpreter.refuse(
            "selects by a value that depends on the input between values that are not multiples of it"
        )
    return _slopes(interpreter, which.root, downs, ups)


def _slopes(interpreter: Interpreter, view: View, below: np.ndarray, above: np.ndarray) -> View:
    """below · t under zero and above · t over it, a slope for each element: above · max(t, 0) − below · max(−t, 0)."""
    builder = interpreter.builder
    if np.ptp(below) == np.ptp(above) == 0.0:
        return builder.two_slopes(view, float(below.flat[0]), float(above.flat[0]))
    up, down = builder.activate(view, 0.0), builder.activate(view.scaled(np.float64(-1.0)), 0.0)
    return builder.sum(up.scaled(above), down.scaled(-below))


def _ratio(case: Value, view: View) -> np.ndarray | None:
    """case = r · view, r for each element."""
    if is_zero(case):
        return np.zeros(view.shape)
    return same_ratio(case, view) if isinstance(case, View) else None


def convert(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Changes of floating type; a sign test turned into 0 and 1 stays a sign test."""
    if not isinstance(values[0], Const) and not jnp.issubdtype(eqn.params["new_dtype"], jnp.floating):
        raise interpreter.refuse("rounds a value that depends on the input")
    return list(values)


def _view(interpreter: Interpreter, value: Value) -> View:
    if not isinstance(value, View):
        raise interpreter.refuse("uses a truth value that depends on the input as a number")
    return value


def _broadcast(interpreter: Interpreter, value: Value, const: Value) -> View:
    if not isinstance(value, View) or not isinstance(const, Const):
        raise interpreter.refuse("multiplies two values that depend on the input")
    shape = np.broadcast_shapes(value.shape, np.shape(const.value))
    if shape == value.shape:
        return value
    return value.take(np.broadcast_to(np.arange(value.ids.size).reshape(value.shape), shape))


RULES = {
    "add": add,
    "add_any": add,
    "sub": sub,
    "neg": neg,
    "mul": mul,
    "div": div,
    "max": extreme(1.0),
    "min": extreme(-1.0),
    "select_n": select,
    "convert_element_type": convert,
}
