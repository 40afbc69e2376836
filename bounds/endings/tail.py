"""The last operations of a program that depend on one array alone: where a network can be cut in two."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal, Var

OPERATIONS = frozenset(
    "add sub mul div neg exp exp2 log log1p expm1 logistic tanh integer_pow sign abs is_finite select_n max reduce_max "
    "reduce_sum broadcast_in_dim reshape squeeze expand_dims transpose stop_gradient convert_element_type copy "
    "concatenate stack".split()
)
"""What softmax, its logarithm and sigmoid are written with. No comparison, no weight, nothing that cuts numbers off."""


@dataclass(frozen=True)
class Cut:
    """A program in two: `tail(below(x))`."""

    below: ClosedJaxpr
    tail: ClosedJaxpr


def cuts(program: ClosedJaxpr) -> Iterator[Cut]:
    """All ways to cut off a tail that has one argument and no constant arrays.

    The argument has the shape of the result, or is one number per input, as a vector or a column, where the result is
    one or two.

    Args:
        program: of one result.

    Yields:
        Cut, the shortest tail first. Calls in the tail are opened; the part below keeps its own.

    Example:
        >>> import jax
        >>> for cut in cuts(jax.make_jaxpr(lambda x: jnp.exp(-(x @ x)))(np.eye(2, dtype=np.float32))):
        ...     print([eqn.primitive.name for eqn in cut.below.eqns], [eqn.primitive.name for eqn in cut.tail.eqns])
        ['dot_general', 'neg'] ['exp']
        ['dot_general'] ['neg', 'exp']
    """
    jaxpr, consts = program.jaxpr, list(program.consts)
    constvars, (out,) = list(jaxpr.constvars), jaxpr.outvars
    rest, tail, needed = list(jaxpr.eqns), list[JaxprEqn](), {out}
    while rest and isinstance(out, Var):
        eqn = rest.pop()
        if needed.isdisjoint(eqn.outvars):
            continue
        if inner := called(eqn):
            constants = {v: Var(v.aval) for v in inner.jaxpr.constvars}
            parts = opened(eqn, inner.jaxpr, constants)
            if parts is None:
                return
            rest += parts
            constvars += constants.values()
            consts += inner.consts
            continue
        if not _allowed(eqn, out):
            return
        tail.insert(0, eqn)
        needed = needed.difference(eqn.outvars).union(v for v in eqn.invars if isinstance(v, Var))
        if len(needed) == 1:
            (at,) = needed
            if _like(at, out) and at not in constvars:
                below = jaxpr.replace(constvars=constvars, outvars=[at], eqns=list(rest))
                above = jaxpr.replace(constvars=[], invars=[at], outvars=[out], eqns=list(tail))
                yield Cut(ClosedJaxpr(below, consts), ClosedJaxpr(above, []))


def _like(at: Any, out: Any) -> bool:
    given, found = at.aval.shape, out.aval.shape
    one = len(found) > 0 and found[1:] in ((), (1,), (2,)) and given in (found[:1], (found[0], 1))
    return (given == found or one) and jnp.issubdtype(at.aval.dtype, jnp.floating)


def finer(new: Any, old: Any) -> bool:
    """Whether nothing is rounded: two scores that differ still do."""
    floating = jnp.issubdtype(new, jnp.floating) and jnp.issubdtype(old, jnp.floating)
    return bool(floating and jnp.finfo(new).eps <= jnp.finfo(old).eps)


def _allowed(eqn: JaxprEqn, out: Any) -> bool:
    name = eqn.primitive.name
    if name == "convert_element_type" and eqn.outvars[0].aval.shape == out.aval.shape:  # type: ignore[attr-defined]
        # Scores are not rounded. Sums in half precision are: they are made in float32.
        return finer(eqn.params["new_dtype"], eqn.invars[0].aval.dtype)  # type: ignore[attr-defined]
    if name == "max":  # with a number it cuts off what is below it
        return not any(isinstance(v, Literal) and np.any(np.asarray(v.val) != -np.inf) for v in eqn.invars)
    return name in OPERATIONS


def called(eqn: JaxprEqn) -> ClosedJaxpr | None:
    """The program that an operation calls as it is: jit, custom derivatives, remat."""
    inner = next((eqn.params[k] for k in ("jaxpr", "call_jaxpr", "fun_jaxpr") if k in eqn.params), None)
    if eqn.primitive.name == "scan" or not isinstance(inner, Jaxpr | ClosedJaxpr):
        return None
    return inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, [])


def opened(call: JaxprEqn, inner: Jaxpr, renamed: dict[Any, Any]) -> list[JaxprEqn] | None:
    """The operations of a call in its place, under its name; None where it hands an argument through.

    Every variable is a new one: a program that is called twice has the same variables in both.
    """
    made = {v for eqn in inner.eqns for v in eqn.outvars}
    if len(call.invars) != len(inner.invars) or len(set(inner.outvars)) < len(inner.outvars):
        return None
    if not made.issuperset(inner.outvars):
        return None
    renamed = renamed | dict(zip(inner.invars, call.invars, strict=True))
    renamed |= dict(zip(inner.outvars, call.outvars, strict=True))
    renamed |= {v: Var(v.aval) for v in made if v not in renamed}
    return [
        eqn.replace(
            invars=[v if isinstance(v, Literal) else renamed[v] for v in eqn.invars],
            outvars=[renamed[v] for v in eqn.outvars],
            source_info=eqn.source_info.replace(name_stack=call.source_info.name_stack + eqn.source_info.name_stack),
        )
        for eqn in inner.eqns
    ]
