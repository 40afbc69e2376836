"""Slices, reshapes and other moves of the scores at the very end of a program: done below an end instead of above it.

sigmoid(z)[:, 0] is sigmoid(z[:, 0]), and the scores softmax(z)[:, :2] are in the order of z[:, :2].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var, jaxpr_as_fun
from jaxtyping import Float64

from sparsebounds.bounds.endings.tail import called, finer, opened

MOVES = frozenset("slice dynamic_slice gather rev reshape squeeze expand_dims transpose copy stop_gradient".split())
"""What neither computes nor puts anything beside something else."""


@dataclass(frozen=True)
class Moved:
    """A program in two: `moves(below(x))`."""

    below: ClosedJaxpr
    moves: ClosedJaxpr
    """Of one array, with lists of indices as constants."""


def last_moves(program: ClosedJaxpr) -> Moved | None:
    """The moves that a program of one result ends in; None where it ends in something else.

    Example:
        >>> f = lambda x: jnp.exp(x)[:, ::-1][:, 0]
        >>> moved = last_moves(jax.make_jaxpr(f)(np.eye(2, dtype=np.float32)))
        >>> [[eqn.primitive.name for eqn in part.eqns] for part in (moved.below, moved.moves)]
        [['exp'], ['rev', 'slice', 'squeeze']]
    """
    jaxpr, (out,) = program.jaxpr, program.jaxpr.outvars
    held: dict[Any, Any] = dict(zip(jaxpr.constvars, program.consts, strict=True))
    rest, moves, at, indices = list(jaxpr.eqns), list[JaxprEqn](), out, set[Any]()
    while rest and isinstance(at, Var):
        eqn = rest.pop()
        if at not in eqn.outvars and indices.isdisjoint(eqn.outvars):
            continue
        if inner := called(eqn):
            constants = {v: Var(v.aval) for v in inner.jaxpr.constvars}
            parts = opened(eqn, inner.jaxpr, constants)
            if parts is None:
                return None
            rest += parts
            held |= {constants[v]: value for v, value in zip(inner.jaxpr.constvars, inner.consts, strict=True)}
            continue
        used = eqn.invars
        if at in eqn.outvars:
            if not _is_move(eqn):
                rest.append(eqn)
                break
            at, *used = eqn.invars
        moves.insert(0, eqn)
        indices = indices.difference(eqn.outvars).union(v for v in used if isinstance(v, Var))
    if not moves or not isinstance(at, Var) or not indices <= held.keys():
        return None
    below = jaxpr.replace(constvars=list(held), outvars=[at], eqns=rest)
    above = jaxpr.replace(constvars=list(indices), invars=[at], outvars=[out], eqns=moves)
    return Moved(ClosedJaxpr(below, list(held.values())), ClosedJaxpr(above, [held[v] for v in indices]))


def _is_move(eqn: JaxprEqn) -> bool:
    if eqn.primitive.name == "convert_element_type":  # nothing is rounded
        return finer(eqn.params["new_dtype"], eqn.invars[0].aval.dtype)  # type: ignore[attr-defined]
    return eqn.primitive.name in MOVES and not isinstance(eqn.invars[0], Literal)


def moved_below(moved: Moved, end: str) -> ClosedJaxpr | None:
    """The moves as a program of the scores below the end, which has the same predictions; None where there is none.

    One of two probabilities of a softmax is that of one logit, z_k − z_other: the scores are (z_other, z_k).

    Args:
        moved: what follows the end.
        end: its name.
    """
    given, found = moved.moves.in_avals[0], moved.moves.out_avals[0].shape
    single = found in (given.shape[:1], (*given.shape[:1], 1))
    rows = _shown(moved.moves, given.shape, lambda shape: np.indices(shape)[0])
    if not (single or len(found) == 2) or (rows != np.arange(given.shape[0]).reshape(-1, *[1] * (rows.ndim - 1))).any():
        return None
    if end == "sigmoid" or not single:
        return moved.moves
    if end != "softmax" or given.shape[1] != 2:
        return None
    classes = _shown(moved.moves, given.shape, lambda shape: np.indices(shape)[1])
    if (classes != classes.flat[0]).any():
        return None
    order = (lambda z: z) if classes.flat[0] == 1 else (lambda z: z[:, ::-1])
    return jax.make_jaxpr(order)(jax.ShapeDtypeStruct(given.shape, given.dtype))


def _shown(
    moves: ClosedJaxpr, shape: tuple[int, ...], numbers: Callable[[tuple[int, ...]], np.ndarray]
) -> Float64[np.ndarray, "*moved"]:
    """Where the moves take the numbers that stand in an array; NaN or anything else where they put other ones."""
    (out,) = jaxpr_as_fun(moves)(jnp.asarray(numbers(shape), jnp.float32))
    return np.asarray(out, dtype=np.float64)
