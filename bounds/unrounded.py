"""Capacities: a bound's complexity before grids, unions and cuts, which orders networks where its value does not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNROUNDED: ContextVar[bool] = ContextVar("unrounded", default=False)


def unrounded() -> bool:
    """Whether a capacity is asked for: grids leave numbers as they are, choices are free, nothing is cut at 1.

    What is computed then is a complexity alone, never a bound.
    """
    return _UNROUNDED.get()


@contextmanager
def without_rounding() -> Iterator[None]:
    """Ask for capacities inside.

    Example:
        >>> with without_rounding():
        ...     unrounded()
        True
        >>> unrounded()
        False
    """
    token = _UNROUNDED.set(True)
    try:
        yield
    finally:
        _UNROUNDED.reset(token)
