"""Walks a jaxpr: constants are computed, everything else goes to the rule of its primitive."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import flax
import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal
from jaxtyping import Float64

from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.origins import origin
from sparsebounds.bounds.reader.pointwise import composed
from sparsebounds.bounds.reader.settling import settled
from sparsebounds.bounds.reader.tokens import as_numbers, tabulated
from sparsebounds.bounds.reader.unknown import unknown_function, unknown_operation
from sparsebounds.bounds.reader.uses import CALLS, SAME, Use, uses
from sparsebounds.bounds.reader.values import Const, Pointwise, ReadError, Refusal, Tabulated, Value, View

Rule = Callable[["Interpreter", JaxprEqn, list[Value]], list[Value]]

LIBRARIES = tuple(str(Path(m.__file__ or "").parent) for m in (jax, np, flax))
OWN = Path(__file__).parents[1]
NOT_THE_USERS = (*LIBRARIES, *{f"{path}{os.sep}" for path in (OWN, OWN.resolve())})
WRAPS = frozenset(
    "add add_any sub neg mul div rem integer_pow pow dot_general conv_general_dilated reduce_sum reduce_window_sum "
    "reduce_prod cumsum cumprod shift_left shift_right_logical shift_right_arithmetic and or xor not abs sign".split()
)
"""Operations that are not those of the reals when they are done on integers or truth values."""


RAW = frozenset([*CALLS, *SAME, "scan", "cond"])
"""Operations that hand their operands on as they are."""
COVERS = (
    "; read_graph covers convolution, dense, locally connected and gathered linear maps, tables of tokens, bias, "
    "scale, customary activations, average and max pooling, gates, normalisation, softmax attention, reshaping, sums, "
    "and a softmax, log-softmax or sigmoid of the scores at the end"
)


class Interpreter:
    """Holds the table of rules and the operation being read, for names and errors."""

    def __init__(self, builder: Builder, rules: dict[str, Rule]):
        self.builder = builder
        self.rules = rules
        self.eqn: JaxprEqn | None = None
        self.callers: list[JaxprEqn] = []
        self.uses: dict[Any, Use] = {}
        self.module = ""
        self.scope = ""
        self.refusals: list[Refusal] = []
        """What was refused and stands in the graph as an unknown layer."""
        self.whole_numbers = False
        """Whether the input itself is one of integers: what the program does to them is then the user's to mend."""
        self.reduced: list[tuple[str, list[str]]] = []
        """Scopes in which what depends on the input is summed; a normalisation by the batch is one."""
        self.layers_of: dict[int, tuple[Pointwise, View]] = {}
        builder.where = lambda: (self.module or self.name_stack(), self.source_line())
        builder.number = self.number

    def run(
        self, jaxpr: Jaxpr, consts: Sequence[Value], args: Sequence[Value], outs: Sequence[Use] | None = None
    ) -> list[Value]:
        """Values of the outputs of `jaxpr`; `outs` says what becomes of them (None: all are used)."""
        outer_uses, self.uses = self.uses, uses(jaxpr, [True] * len(jaxpr.outvars) if outs is None else outs)
        env: dict[Any, Value] = {}
        env.update(zip(jaxpr.constvars, consts, strict=True))
        env.update(zip(jaxpr.invars, args, strict=True))

        def read(atom: Any) -> Value:
            return Const(atom.val) if isinstance(atom, Literal) else env[atom]

        for eqn in jaxpr.eqns:
            values = [read(atom) for atom in eqn.invars]
            outer, outer_scope, self.eqn = self.eqn, self.scope, eqn
            self.callers.append(eqn)
            self.scope = "/".join(s for s in (self.scope, str(eqn.source_info.name_stack)) if s)
            results = self.step(eqn, values)
            self.eqn, self.scope = outer, outer_scope
            self.callers.pop()
            env.update(zip(eqn.outvars, results, strict=True))
        self.uses = outer_uses
        return [read(atom) for atom in jaxpr.outvars]

    def closed(self, closed: ClosedJaxpr, args: Sequence[Value], outs: Sequence[Use] | None = None) -> list[Value]:
        """Outputs of a closed jaxpr."""
        return self.run(closed.jaxpr, [Const(c, given=np.size(c) > 1) for c in closed.consts], args, outs)

    def uses_of(self, eqn: JaxprEqn) -> list[Use]:
        """What the program being read does with the results of one of its operations."""
        return [self.uses.get(out) for out in eqn.outvars]

    def step(self, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
        if all(isinstance(v, Const) for v in values):
            return constant(eqn, values)
        if eqn.primitive.name not in RAW and any("complex" in str(v.aval) for v in eqn.outvars):
            raise ReadError(str(self.refuse("computes complex numbers, of which no layer consists", covers=False)))
        self.module = common_module([v for v in values if isinstance(v, Const)])
        if eqn.primitive.name in WRAPS and (kind := integer_operand(eqn, values)):
            refusal = self.refuse(
                f"computes with integers ({kind}), where numbers wrap around and are cut off; convert first, as in "
                "x.astype(jnp.float32)",
                covers=False,
            )
            if self.whole_numbers:
                raise ReadError(str(refusal))
            self.refusals.append(refusal)
            return unknown_operation(self.builder, eqn, values)
        if eqn.primitive.name in RAW:
            return self.applied(eqn, values)
        if any(isinstance(v, Tabulated) for v in values):
            found = tabulated(self.builder, eqn, values)
            return self.step(eqn, [self.as_view(v) for v in values]) if found is None else [found]
        if eqn.primitive.name == "reduce_sum":
            self.reduced.append((self.scope, self.calls()))
        function = composed(eqn, values)
        if function is not None:
            module, where = self.builder.where()
            return [replace(function, module=module, where=where)]
        return self.applied(eqn, [self.settled(v) if isinstance(v, Pointwise) else v for v in values])

    def applied(self, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
        """What the rule of the operation makes of views and constants; an unknown layer where there is none."""
        try:
            rule = self.rules.get(eqn.primitive.name)
            if rule is None:
                raise self.refuse("is not an operation of the networks that bounds speak of")
            return rule(self, eqn, values)
        except Refusal as refusal:
            self.refusals.append(refusal)
            views = [self.settled(v) if isinstance(v, Pointwise) else v for v in values]
            return unknown_operation(self.builder, eqn, views)

    def as_view(self, value: Value) -> Value:
        """Numbers in place of functions of tokens; anything else as it is."""
        return as_numbers(self.builder, value) if isinstance(value, Tabulated) else value

    def settled(self, value: Pointwise) -> Value:
        """The layer of a composed function, made once; truth values stay what they are."""
        if value.truth:
            return value
        if id(value) not in self.layers_of:
            outer = self.builder.where, self.builder.number, self.eqn
            self.builder.where, self.builder.number = lambda: (value.module, value.where), lambda: value.number
            self.eqn = value.eqn
            view = settled(self.builder, value, self._again, self._unknown)
            self.builder.where, self.builder.number, self.eqn = outer
            self.layers_of[id(value)] = (value, view)
        return self.layers_of[id(value)][1]

    def _again(self, value: Pointwise, operands: list[Value]) -> Value:
        """The operation of a composed function on views in place of functions."""
        function = composed(value.eqn, operands)
        if function is not None:
            return replace(function, module=value.module, where=value.where)
        (out,) = self.applied(value.eqn, operands)
        return out

    def _unknown(self, value: Pointwise) -> View:
        self.refusals.append(self.refuse("is part of a function that the table of activations does not have"))
        return unknown_function(self.builder, value)

    def number(self) -> str:
        """The type of what the current operation computes; "float32" where that is an integer."""
        if self.eqn is None:
            return "float32"
        kind = self.eqn.outvars[0].aval.dtype  # type: ignore[attr-defined]
        return str(kind) if jnp.issubdtype(kind, jnp.floating) else "float32"

    # ---- names and errors ---------------------------------------------------------------------------------------

    def refuse(self, why: str, *, covers: bool = True) -> Refusal:
        """An error that names the primitive, the layer and the source line."""
        assert self.eqn is not None
        layer = self.module or self.scope.rpartition("/")[2]
        names = [str(eqn.params.get("name", "_")) for eqn in reversed(self.callers[:-1])]
        function = next((name for name in names if not name.startswith("_")), "")
        layer += f" ({function})" if function and layer else ""
        where = " ".join(part for part in (f"in layer {layer}" if layer else "", f"at {self.source_line()}") if part)
        return Refusal(f"'{self.eqn.primitive.name}' {where} {why}{COVERS if covers else ''}")

    def name_stack(self) -> str:
        """Names of the modules that the operation stands in; NNX gives each with its whole path."""
        path: list[str] = []
        for name in self.scope.split("/"):
            if path and name.startswith(f"{path[-1]}."):
                path.pop()
            path.append(name)
        return "/".join(path)

    def calls(self) -> list[str]:
        """The functions, of libraries too, that made the current operation, innermost first."""
        trace = None if self.eqn is None else self.eqn.source_info.traceback
        return [] if trace is None else [frame.function_name for frame in trace.frames]

    def source_line(self) -> str:
        """file:line (function) of the user's code that made the current operation; empty after the last one.

        Inside a library's own jitted function (jnp.sort) that is the line of the call; in a module that a library
        calls by itself (nnx.Sequential), the line where the user has the network read.
        """
        for eqn in reversed(self.callers):
            trace = eqn.source_info.traceback
            frames: list[Any] = trace.frames if trace is not None else []
            for frame in frames:
                if not frame.file_name.startswith(NOT_THE_USERS):
                    return f"{frame.file_name}:{frame.line_num} ({frame.function_name})"
        if self.eqn is None:
            return ""
        callers = ((frame.f_code, line) for frame, line in traceback.walk_stack(None))
        users = ((code, line) for code, line in callers if not code.co_filename.startswith(NOT_THE_USERS))
        return next((f"{code.co_filename}:{line} ({code.co_name})" for code, line in users), "")


def constant(eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Evaluate an operation on constants, exactly as the program would."""
    constants = [v for v in values if isinstance(v, Const)]
    names = frozenset[str]().union(*(v.names for v in constants))
    out = eqn.primitive.bind(*(v.value for v in constants), **eqn.params)
    given = any(v.given for v in constants)
    if eqn.primitive.multiple_results:
        return [Const(o, names, given) for o in out]
    return [Const(out, names, given, origin(eqn, constants))]


def integer_operand(eqn: JaxprEqn, values: list[Value]) -> str:
    """The type of the first operand that depends on the input and is no floating number; empty where all are."""
    types = (atom.aval.dtype for atom, v in zip(eqn.invars, values, strict=True) if isinstance(v, View))  # type: ignore[attr-defined]
    return next((str(t) for t in types if not jnp.issubdtype(t, jnp.floating)), "")


def common_module(constants: list[Const]) -> str:
    """The module path shared by all parameters behind these constants: 'conv.kernel', 'conv.bias' → 'conv'."""
    names = [name.split(".") for c in constants for name in c.names]
    if not names:
        return ""
    prefix: list[str] = []
    for parts in zip(*(n[:-1] for n in names), strict=False):
        if len(set(parts)) > 1:
            break
        prefix.append(parts[0])
    return ".".join(prefix)


def out_shape(eqn: JaxprEqn) -> tuple[int, ...]:
    """Shape of the first output."""
    return tuple(eqn.outvars[0].aval.shape)  # type: ignore[attr-defined]


def one_view(interpreter: Interpreter, values: list[Value]) -> tuple[int, View]:
    """Position and value of the only operand that depends on the input."""
    views = [(i, v) for i, v in enumerate(values) if not isinstance(v, Const)]
    if len(views) != 1 or not isinstance(views[0][1], View):
        raise interpreter.refuse("joins several values that depend on the input")
    return views[0][0], views[0][1]


def constant_array(value: Value) -> Float64[np.ndarray, " ..."]:
    """A constant in float64."""
    if not isinstance(value, Const):
        raise ReadError("a value that depends on the input stands where the weights of a layer are needed")
    return value.array


def is_zero(value: Value) -> bool:
    """Whether a value is the constant zero."""
    return isinstance(value, Const) and not np.any(np.asarray(value.value))
