"""Rules for operations that only move elements: they act on the element numbers themselves."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.reader.interpreter import (
    Interpreter,
    constant_array,
    one_view,
    out_shape,
)
from sparsebounds.bounds.reader.joining import as_view, concatenate, stack_axis0
from sparsebounds.bounds.reader.selections import record_gather, record_slices
from sparsebounds.bounds.reader.uses import CALLS, MOVES, SAME, SLICES, inner_program
from sparsebounds.bounds.reader.values import Const, Pointwise, Value, View


def move(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Apply the operation to the numbers 0, 1, 2, … of its operand and see where they went."""
    at, view = one_view(interpreter, values)
    if at != 0:
        raise interpreter.refuse("picks by a value that depends on the input")
    operands = [v.value if isinstance(v, Const) else None for v in values]
    operands[0] = jnp.arange(view.ids.size, dtype=jnp.int32).reshape(view.shape)
    params = dict(eqn.params)
    if "fill_value" in params:
        params["fill_value"] = ABSENT
    moved = eqn.primitive.bind(*operands, **params)
    outs = moved if eqn.primitive.multiple_results else [moved]
    if eqn.primitive.name == "reshape":
        interpreter.builder.refine(view, out_shape(eqn))
    results = [view.take(np.asarray(out)) for out in outs]
    if eqn.primitive.name == "gather" and isinstance(values[1], Const) and values[1].given:
        record_gather(interpreter.builder, view.shape, values[1], params["dimension_numbers"])
    elif eqn.primitive.name in SLICES:
        record_slices(interpreter.builder, view, results, interpreter.uses_of(eqn))
    return [*results]


def pad(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Padding by a constant."""
    operand, fill = values
    if not isinstance(operand, View):
        raise interpreter.refuse("pads with a value that depends on the input")
    index = jnp.arange(operand.ids.size, dtype=jnp.int32).reshape(operand.shape)
    padded = eqn.primitive.bind(index, jnp.int32(ABSENT), **eqn.params)
    return [operand.take(np.asarray(padded), float(constant_array(fill)))]


def join(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Concatenation, also with constants."""
    return [_joined(interpreter, [as_view(v) for v in values], eqn.params["dimension"])]


def stack(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Side by side along a new axis."""
    axis = eqn.params["axis"]
    views = [as_view(v) for v in values]
    return [_joined(interpreter, [v.reshaped((*v.shape[:axis], 1, *v.shape[axis:])) for v in views], axis)]


def _joined(interpreter: Interpreter, views: list[View], axis: int) -> View:
    out = concatenate(views, axis)
    interpreter.builder.pieces.join(out.ids)
    return out


def call(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Nested programs are read in place: jit, custom derivatives, remat."""
    inner, uses = inner_program(eqn), interpreter.uses_of(eqn)
    if isinstance(inner, jax.extend.core.ClosedJaxpr):
        return interpreter.closed(inner, values, uses)
    return interpreter.run(inner, [], values, uses)


def scan(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A scan over layers, unrolled."""
    p = eqn.params
    consts = values[: p["num_consts"]]
    carry = values[p["num_consts"] : p["num_consts"] + p["num_carry"]]
    xs = values[p["num_consts"] + p["num_carry"] :]
    steps: list[list[Value]] = []
    for i in reversed(range(p["length"])) if p["reverse"] else range(p["length"]):
        outs = interpreter.closed(p["jaxpr"], [*consts, *carry, *(_slice(interpreter, x, i) for x in xs)])
        carry, ys = outs[: p["num_carry"]], outs[p["num_carry"] :]
        steps.append(ys)
    if p["reverse"]:
        steps.reverse()
    used = interpreter.uses_of(eqn)[p["num_carry"] :]
    stacked = [[s[k] if used[k] is None else _shown(interpreter, s[k]) for s in steps] for k in range(len(steps[0]))]
    return [
        *carry,
        *(parts[0] if use is None else stack_axis0(parts) for parts, use in zip(stacked, used, strict=True)),
    ]


def _shown(interpreter: Interpreter, value: Value) -> Value:
    """A function of a view, or of tokens, as its values."""
    return interpreter.settled(value) if isinstance(value, Pointwise) else interpreter.as_view(value)


def _slice(interpreter: Interpreter, value: Value, i: int) -> Value:
    if isinstance(value, Const):
        return replace(value, value=value.value[i])
    view = as_view(_shown(interpreter, value))
    return view.take(np.arange(view.ids.size).reshape(view.shape)[i])


def cond(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A branch whose choice does not depend on the input."""
    index, *operands = values
    if not isinstance(index, Const):
        raise interpreter.refuse("chooses a branch by a value that depends on the input")
    return interpreter.closed(eqn.params["branches"][int(index.value)], operands)


def keep(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Operations that change nothing."""
    return list(values)


RULES = (
    dict.fromkeys(MOVES, move)
    | dict.fromkeys(CALLS, call)
    | dict.fromkeys(SAME, keep)
    | {"pad": pad, "concatenate": join, "stack": stack, "scan": scan, "cond": cond}
)
