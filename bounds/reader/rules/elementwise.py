"""Rules for bias, scale, residual sums, and the ways to write ReLU and leaky ReLU."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sparsebounds.bounds.graph.nonlinearities import TANH, Nonlinearity
from sparsebounds.bounds.reader.interpreter import Interpreter, Rule, as_view, constant_array, is_zero, out_shape
from sparsebounds.bounds.reader.selections import record_mask
from sparsebounds.bounds.reader.values import Const, Sign, Value, View, same_ratio


def add(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    a, b = values
    if isinstance(a, View) and isinstance(b, View):
        return [interpreter.builder.sum(a, b)]
    view, const = (a, b) if isinstance(a, View) else (b, a)
    return [_broadcast(interpreter, view, const).shifted(constant_array(const))]


def sub(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    a, b = values
    if isinstance(b, Const):
        return add(interpreter, eqn, [a, Const(-np.asarray(b.value), b.names)])
    return add(interpreter, eqn, [a, _view(interpreter, b).scaled(np.asarray(-1.0))])


def neg(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    return [_view(interpreter, values[0]).scaled(np.asarray(-1.0))]


def mul(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    a, b = values
    if isinstance(a, Sign) and isinstance(b, View):
        a, b = b, a
    if isinstance(a, View) and isinstance(b, Sign):  # x · 1[x > 0]
        return [_select(interpreter, b, positive=a, negative=Const(0.0))]
    view, const = (a, b) if isinstance(b, Const) else (b, a)
    record_mask(interpreter.builder, const)
    return [_broadcast(interpreter, view, const).scaled(constant_array(const))]


def div(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    view, const = values
    if not isinstance(const, Const):
        raise interpreter.refuse("divides by a value that depends on the input")
    return [_broadcast(interpreter, view, const).scaled(1.0 / constant_array(const))]


def maximum(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """max(t, 0) and max(t, a·t)."""
    a, b = values
    if is_zero(a) or is_zero(b):
        return [interpreter.builder.activate(_view(interpreter, b if is_zero(a) else a), 0.0)]
    if isinstance(a, View) and isinstance(b, View):
        for view, other in ((a, b), (b, a)):
            slope = _slope(view, other)
            if slope is not None and slope <= 1:
                return [interpreter.builder.activate(view, slope)]
    raise interpreter.refuse("takes a maximum that is neither ReLU nor leaky ReLU")


def compare(below: bool) -> Rule:
    """t > 0 and t ≥ 0, or (`below`) t < 0 and t ≤ 0. Equality needs no care: every use gives 0 at t = 0."""

    def rule(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
        a, b = values
        if isinstance(a, View) and is_zero(b):
            return [Sign(a, flipped=below)]
        if isinstance(b, View) and is_zero(a):
            return [Sign(b, flipped=not below)]
        raise interpreter.refuse("compares a value that depends on the input with something else than 0")

    return rule


def select(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """where(condition, …): a fixed mask, or ReLU and leaky ReLU written with a sign test."""
    which, *cases = values
    if len(cases) != 2:
        raise interpreter.refuse("selects among more than two cases")
    if isinstance(which, Sign):
        return [_select(interpreter, which, positive=cases[1], negative=cases[0])]
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


def _select(interpreter: Interpreter, sign: Sign, positive: Value, negative: Value) -> View:
    """positive where the tested view is above 0, negative below."""
    if sign.flipped:
        positive, negative = negative, positive
    ups, downs = _ratio(positive, sign.view), _ratio(negative, sign.view)
    if ups is None or downs is None:
        raise interpreter.refuse("selects by a sign between values that are not multiples of the tested one")
    up, down = ups, downs
    if up == 1.0 and 0.0 <= down <= 1.0:
        return interpreter.builder.activate(sign.view, down)
    raise interpreter.refuse(f"has slopes {down:g} and {up:g}; needed 1 above zero and between 0 and 1 below")


def _ratio(case: Value, view: View) -> float | None:
    """case = r · view with one number r."""
    if is_zero(case):
        return 0.0
    if not isinstance(case, View):
        return None
    ratio = same_ratio(case, view)
    return None if ratio is None or np.ptp(ratio) > 1e-12 else float(ratio.flat[0])


def _slope(view: View, other: View) -> float | None:
    """other = slope · view with 0 ≤ slope ≤ 1."""
    slope = _ratio(other, view)
    return slope if slope is not None and 0.0 <= slope <= 1.0 else None


def pointwise(function: Nonlinearity) -> Rule:
    """A fixed function of every element."""

    def rule(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
        return [interpreter.builder.apply(_view(interpreter, values[0]), function)]

    return rule


def convert(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Changes of floating type; a sign test turned into 0 and 1 stays a sign test."""
    if isinstance(values[0], View) and not jnp.issubdtype(eqn.params["new_dtype"], jnp.floating):
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
    "max": maximum,
    "tanh": pointwise(TANH),
    "gt": compare(below=False),
    "ge": compare(below=False),
    "lt": compare(below=True),
    "le": compare(below=True),
    "select_n": select,
    "convert_element_type": convert,
}
