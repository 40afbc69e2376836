"""What a user can put right: one line on stderr, exit status 2."""

import math
from collections.abc import Iterable
from typing import Literal


class Problem(Exception):
    """A mistake in what came in from outside; its text says what came, what is needed and what to do."""


def unknown(kind: str, given: str, known: Iterable[str]) -> Problem:
    """The problem of a name that is not in a list.

    Args:
        kind: what the name stands for, e.g. `"architecture"`.
        given: the name that came.
        known: the names there are.

    Example:
        >>> str(unknown("bound", "galant", ["galanti", "galanti_published"]))
        "unknown bound 'galant': choose from galanti, galanti_published"
    """
    return Problem(f"unknown {kind} {given!r}: choose from {', '.join(sorted(known))}")


def one_line(error: BaseException) -> str:
    """Text of an error without line breaks, so that scripts can read it as one line.

    Example:
        >>> one_line(ValueError("first\\n  second"))
        'first second'
    """
    return " ".join(str(error).split()) or type(error).__name__


def margin_of(text: str) -> float | Literal["best"]:
    """γ as the command line takes it: a positive number, or "best".

    Example:
        >>> margin_of("0.5"), margin_of("best")
        (0.5, 'best')
    """
    if text == "best":
        return "best"
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise Problem(f"--gamma {text} is no margin above 0: give a positive number, or best")
    return value


def check_delta(delta: float) -> None:
    """δ is a probability strictly between 0 and 1."""
    if not 0 < delta < 1:
        raise Problem(f"--delta {delta:g} is not strictly between 0 and 1: try 0.001")
