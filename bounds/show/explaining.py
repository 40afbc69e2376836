"""A bound explained: its formula with the numbers put in, factor by factor, as text, Markdown or HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.printed import percent, readable, upwards
from sparsebounds.bounds.show.formula import Formula
from sparsebounds.bounds.show.formulas_of_counts import COUNTS
from sparsebounds.bounds.show.formulas_of_norms import NORMS, UNCAPPED
from sparsebounds.bounds.verdicts import verdict_of

FORMULAS = (*NORMS, *COUNTS)
PARTS = ("complexity", "confidence")
SUMMANDS = ("margin_error", *PARTS)
VALUE = Formula(
    "value",
    "{margin_error} + {complexity} + {confidence}",
    lambda t: t["margin_error"] + t["complexity"] + t["confidence"],
)
WORDS = {"margin_error": "margin error", "gamma": "γ", "delta": "δ"}


@dataclass(frozen=True)
class Step:
    """One number on the way to a bound."""

    name: str
    value: Any
    symbols: str = ""
    """The formula that gives it; empty: measured, counted or chosen."""
    numbers: str = ""
    """The same with numbers put in."""

    @property
    def shown(self) -> str:
        """The value as people read it; the parts of a bound are rounded up."""
        if self.name in ("value", "margin error", *PARTS):
            return upwards(self.value)
        return readable(self.value)


@dataclass(frozen=True)
class Explanation:
    """Steps from what was measured to the value; `str` gives text, a notebook shows HTML."""

    bound: Bound
    steps: tuple[Step, ...]
    complete: bool
    """Whether complexity, confidence and value follow from the steps before them, to nine digits."""

    @property
    def verdict(self) -> str:
        """What the bound says, in one sentence."""
        return sentence(self.bound)

    @property
    def text(self) -> str:
        """For a terminal."""
        lines = [self.verdict, ""]
        width = max((len(step.name) for step in self.steps), default=0)
        for step in self.steps:
            left = f"{step.name:<{width}} = "
            if not step.symbols:
                lines.append(left + step.shown)
                continue
            lines.append(left + step.symbols)
            if step.numbers != step.symbols:
                lines.append(f"{'':<{width}} = {step.numbers}")
            lines.append(f"{'':<{width}} = {step.shown}")
        return "\n".join([*lines, "", *self._remarks()]).rstrip()

    @property
    def markdown(self) -> str:
        """A table of the steps, for a note or an issue."""
        rows = [[step.name, step.symbols, step.numbers, step.shown]
                for step in self.steps]  # fmt: skip
        table = ["| | formula | with numbers | value |", "|---|---|---|---|"]
        table += [f"| {' | '.join(_cell(one) for one in row)} |" for row in rows]
        return "\n".join([f"**{_cell(self.verdict)}**", "", *table, "", *map(_cell, self._remarks())]).rstrip()

    @property
    def html(self) -> str:
        """A table of the steps; every text in it is escaped."""
        rows = "".join(
            f"<tr><th scope=row>{escape(step.name)}</th><td>{self._computed(step)}</td>"
            f"<td>{escape(step.shown)}</td></tr>"
            for step in self.steps
        )
        remarks = "".join(f"<p>{escape(one)}</p>" for one in self._remarks())
        head = "<thead><tr><th scope=col>term<th scope=col>how<th scope=col>value</tr></thead>"
        return f"<p><strong>{escape(self.verdict)}</strong></p><table>{head}<tbody>{rows}</tbody></table>{remarks}"

    @staticmethod
    def _computed(step: Step) -> str:
        if not step.symbols:
            return ""
        numbers = "" if step.numbers == step.symbols else f"<br>= {escape(step.numbers)}"
        return f"{escape(step.symbols)}{numbers}"

    def _remarks(self) -> list[str]:
        found = [] if self.complete or not self.bound.covered else [INCOMPLETE]
        return found + [f"note: {self.bound.note}"] * bool(self.bound.note) + [f"source: {self.bound.source}"]

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return self.html


INCOMPLETE = "The factors above do not redo every part of this number; the theorem computed the rest by itself."


def explain(bound: Bound) -> Explanation:
    """How a bound came about: every factor, the formula that joins them, and the numbers put into it.

    A formula is shown only if it gives the recorded number again, to nine digits: nothing is explained by a formula
    that is not the one behind it.

    Args:
        bound: what a bound of `bounds.BOUNDS`, `bounds.certificate` or `bounds.distance_certificate` returned.

    Returns:
        Explanation with `text`, `markdown`, `html`, `steps`, and whether it is `complete`.

    Raises:
        ValueError: something that is no Bound.

    Example:
        >>> from sparsebounds import bounds
        >>> explained = explain(bounds.golowich(graph, sample, delta=0.001))
        >>> explained.complete, explained.steps[-1].symbols
        (True, 'margin error + complexity + confidence')
        >>> print(explained.steps[-1].numbers, "=", explained.steps[-1].shown)
        0 + 0.3614 + 0.1556 = 0.5169
    """
    if not isinstance(bound, Bound):
        raise ValueError(
            f"came a {type(bound).__name__}; needed a Bound, such as bounds.galanti(graph, sample, delta=…)"
        )
    if not bound.covered:
        return Explanation(bound, (), False)
    parts = {name: getattr(bound, name) for name in ("gamma", "delta", "margin_error", *PARTS, "value")}
    known = {**parts, **bound.terms}
    chosen = (name for name in ("gamma", "delta") if name not in bound.terms and parts[name])  # γ = 0: no margin
    steps = [_step(name, parts[name], known) for name in chosen]
    steps += [_step(name, value, known) for name, value in bound.terms.items()]
    steps += [Step("margin error", bound.margin_error)]
    ends = [_step(name, parts[name], known) for name in PARTS]
    value = Step("value", bound.value, VALUE.symbols, " + ".join(upwards(parts[name]) for name in SUMMANDS))
    needed = [*ends, *(step for step in steps if step.name == UNCAPPED)]
    complete = all(step.symbols for step in needed) and VALUE.explains(known, bound.value)
    return Explanation(bound, (*steps, *ends, value), complete)


def _step(name: str, value: Any, known: Mapping[str, Any]) -> Step:
    shown = WORDS.get(name, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Step(shown, value)
    for formula in FORMULAS:
        if formula.of == name and formula.explains(known, value):
            return Step(shown, value, formula.symbols, formula.numbers(known))
    return Step(shown, value)


def sentence(bound: Bound) -> str:
    """What a bound says, in one sentence.

    Example:
        >>> sentence(Bound(0.0523, 0.02, 0.01, 0.0223, 0.0, 0.001, "certificate"))
        'With probability 99.9 % the error on new data is at most 5.23 %: informative.'
    """
    verdict = verdict_of(bound.value, bound.guarantee)
    if not bound.covered:
        return bound.note or "not covered"
    value = upwards(bound.value)
    if verdict == "informative":
        sure = readable(100 * (1 - bound.delta), 6)
        return f"With probability {sure} % the error on new data is at most {percent(bound.value)}: informative."
    if verdict == "vacuous":
        return f"{value}: a valid statement that says nothing, because no error is above 1 (vacuous)."
    if verdict == "on average":
        return (
            f"On average over samples the error is at most {percent(bound.value)}; of this network it promises nothing."
        )
    return f"{value}: no guarantee, a formula as published or as others use it."


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_").replace("\n", " ")
