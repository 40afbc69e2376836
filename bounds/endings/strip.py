"""A network without its monotone end: the same predictions, other margins."""

from __future__ import annotations

from jax.extend.core import ClosedJaxpr

from sparsebounds.bounds.endings.known import known
from sparsebounds.bounds.endings.tail import cuts

BENDS = frozenset("exp exp2 expm1 logistic tanh".split())
"""One of these is in every end: a tail without them need not be compared."""


def stripped(program: ClosedJaxpr) -> tuple[ClosedJaxpr, tuple[str, ...]]:
    """A program up to where softmax, log-softmax or sigmoid begins, if all that follows is one of them.

    An end is known by two things: by its operations, among which there are no weights and nothing but what such ends
    are written with, and by its values on random scores. Its name and its layer do not matter.

    Args:
        program: of any network.

    Returns:
        The program below, and the names of what was taken off, the last one of the network first; () for none.

    Example:
        >>> import jax, numpy as np
        >>> below, ends = stripped(jax.make_jaxpr(lambda x: jax.nn.softmax(2.0 * x))(np.ones((4, 3), np.float32)))
        >>> [eqn.primitive.name for eqn in below.eqns], ends
        (['mul'], ('softmax',))

    Source: scores that one strictly increasing map takes to others have the same largest one (docs/theory.md).
    """
    ends: tuple[str, ...] = ()
    while len(program.jaxpr.outvars) == 1:
        # Scores less their maximum are scores too, and nothing that the reader covers: the longest tail counts.
        found = ((cut, known(cut.tail)) for cut in reversed(list(cuts(program))) if _bends(cut.tail))
        cut, name = next((part for part in found if part[1]), (None, ""))
        if cut is None:
            break
        program, ends = cut.below, (*ends, name)
    return program, ends


def _bends(tail: ClosedJaxpr) -> bool:
    return any(eqn.primitive.name in BENDS for eqn in tail.eqns)
