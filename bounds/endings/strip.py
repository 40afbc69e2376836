"""A network without its monotone end: the same predictions, other margins."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from sparsebounds.bounds.endings.known import known
from sparsebounds.bounds.endings.moves import last_moves, moved_below
from sparsebounds.bounds.endings.tail import cuts

BENDS = frozenset("exp exp2 expm1 logistic tanh".split())
"""One of these is in every end: a tail without them need not be compared."""


def stripped(program: ClosedJaxpr) -> tuple[ClosedJaxpr, tuple[str, ...]]:
    """A program up to where softmax, log-softmax or sigmoid begins, if all that follows is one of them.

    An end is known by two things: by its operations, among which there are no weights and nothing but what such ends
    are written with, and by its values on random scores. Its name and its layer do not matter. Slices and other moves
    of the scores behind it are done below it instead (`moved_below`). One score may be turned, as in (p, 1 − p) or
    1 − p with p = sigmoid(d): the score is −d then.

    Args:
        program: of any network.

    Returns:
        The program below, and the names of what was taken off, the last one of the network first; () for none.

    Example:
        >>> import jax, numpy as np
        >>> below, ends = stripped(jax.make_jaxpr(lambda x: jax.nn.softmax(2.0 * x))(np.ones((4, 3), np.float32)))
        >>> [eqn.primitive.name for eqn in below.eqns], ends
        (['mul'], ('softmax',))
        >>> below, ends = stripped(jax.make_jaxpr(lambda x: jax.nn.sigmoid(2.0 * x)[:, 0])(np.ones((4, 1), np.float32)))
        >>> [eqn.primitive.name for eqn in below.eqns], ends
        (['mul'], ('sigmoid',))

    Source: scores that one strictly increasing map takes to others have the same largest one (docs/theory.md).
    """
    ends: tuple[str, ...] = ()
    while len(program.jaxpr.outvars) == 1:
        found = _end(program) or _end_below_moves(program)
        if found is None:
            break
        program, ends = found[0], (*ends, found[1])
    return program, ends


Found = tuple[ClosedJaxpr, str]
"""The program below an end, and the name of the end."""


def _end(program: ClosedJaxpr) -> Found | None:
    # Scores less their maximum are scores too, and nothing that the reader covers: the longest tail counts.
    for cut in reversed(list(cuts(program))):
        if not any(eqn.primitive.name in BENDS for eqn in cut.tail.eqns):
            continue
        if name := known(cut.tail):
            return cut.below, name
        one = cut.tail.in_avals[0].size == cut.tail.in_avals[0].shape[0]
        if one and (name := known(_after(_minus(cut.tail.in_avals), cut.tail))):
            return _after(cut.below, _minus(cut.tail.in_avals)), name
    return None


def _end_below_moves(program: ClosedJaxpr) -> Found | None:
    moved = last_moves(program)
    found = None if moved is None else _end(moved.below)
    if moved is None or found is None:
        return None
    (below, name), given = found, moved.below.out_avals[0]
    if below.out_avals[0].shape != given.shape:  # (0, d) of the one score d
        below = _after(
            below,
            jax.make_jaxpr(lambda d: jnp.stack([0.0 * d, d], axis=-1).reshape(given.shape))(
                jax.ShapeDtypeStruct(below.out_avals[0].shape, below.out_avals[0].dtype)
            ),
        )
    order = moved_below(moved, name)
    return None if order is None else (_after(below, order), name)


def _minus(avals: Any) -> ClosedJaxpr:
    return jax.make_jaxpr(jnp.negative)(*(jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in avals))


def _after(first: ClosedJaxpr, then: ClosedJaxpr) -> ClosedJaxpr:
    """One program after another."""
    given = [jax.ShapeDtypeStruct(aval.shape, aval.dtype) for aval in first.in_avals]
    return jax.make_jaxpr(lambda *values: jaxpr_as_fun(then)(*jaxpr_as_fun(first)(*values))[0])(*given)
