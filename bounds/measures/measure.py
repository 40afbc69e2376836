"""What a measure is: a function of a `Subject` with a declaration, made by `declare_measure`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from sparsebounds.bounds.bound import Declaration
from sparsebounds.bounds.measures.subject import Subject, Undefined

Needs = Literal["weights", "outputs", "reference", "search", "data", "log"]
Rescale = Literal["root", "log", "none"]


@dataclass(frozen=True, eq=False, repr=False)
class Measure:
    """A quantity of the literature that is no bound: called as `measure(subject)`, made by `declare_measure`.

    Its guarantee is "measure": it has no δ, no margin that is paid for, and stands in no column with bounds.

    Args of every measure:
        subject: what is known of a trained network, see `Subject`.

    Returns:
        The number v of the formula, after `rescale`: √(v/m) ("root"), ½(v − log m) ("log"), or v itself ("none").

    Raises:
        Undefined: it cannot be computed of this network.

    Example:
        >>> from sparsebounds import bounds
        >>> bounds.MEASURES["params"].declaration.guarantee
        'measure'
    """

    call: Callable[[Subject], float]
    declaration: Declaration
    formula: str
    needs: Needs
    """What it is made of: the weights alone; outputs on the sample too; a reference; a search; data; a training log."""
    rescale: Rescale
    name: str

    def __post_init__(self) -> None:
        for attribute in ("__doc__", "__module__"):
            object.__setattr__(self, attribute, getattr(self.call, attribute))

    def __call__(self, subject: Subject) -> float:
        value = float(self.call(subject))
        if self.rescale == "log":
            return 0.5 * (value - math.log(subject.m))
        if self.rescale == "root":
            return math.sqrt(value / subject.m) if value >= 0 else math.nan
        return value

    def __repr__(self) -> str:
        return f"<measure {self.name}: {self.formula}>"

    @property
    def convention(self) -> str:
        """What is done to the formula's value at the end, in words."""
        return {"log": "½(v − log m)", "root": "√(v/m)", "none": "as it is"}[self.rescale]


def declare_measure(
    *, formula: str, source: str, needs: Needs, rescale: Rescale = "none", name: str | None = None, summary: str = ""
) -> Callable[[Callable[[Subject], float]], Measure]:
    """Make a function of a `Subject` a `Measure`.

    Args:
        formula: what it computes, in one line, before `rescale`.
        source: paper, or repository and file.
        needs: "weights", "outputs", "reference", "search", "data" or "log"; `measures(…, searches=False)` leaves out
            those that need a search.
        rescale: "root", "log" or "none", see `Measure`.
        name: in the table; the function's own by default.
        summary: half a line; the formula by default.

    Returns:
        A decorator.

    Raises:
        ValueError: an unknown word for `needs` or `rescale`.

    Example:
        >>> @declare_measure(formula="Σ|b|", source="nowhere", needs="weights")
        ... def sum_of_biases(subject):
        ...     return 0.0
        >>> sum_of_biases.name, sum_of_biases.declaration.guarantee
        ('sum_of_biases', 'measure')
    """
    for what, word, known in (("needs", needs, get_args(Needs)), ("rescale", rescale, get_args(Rescale))):
        if word not in known:
            raise ValueError(f"{what} is {word!r}; it is one of {', '.join(map(repr, known))}")
    declaration = Declaration(summary or formula, "measure", (), source)

    def decorate(function: Callable[[Subject], float]) -> Measure:
        return Measure(function, declaration, formula, needs, rescale, name or function.__name__)

    return decorate


def defined(value: float, why: str) -> float:
    """The number, which must be finite.

    Raises:
        Undefined: it is not; `why` says what that means.
    """
    if not math.isfinite(value):
        raise Undefined(why)
    return value
