"""Inputs that occur twice, in a sample or in two that must not meet: one rule for what they mean.

Samples are drawn independently, so that an input occurs twice only if the distribution repeats inputs. Let L_j be the
number of levels of the lattice that coordinate j of the sample spans: (max − min)/common step + 1, where all its values
lie on an arithmetic lattice of at most 65536 levels, and of at most u² for u different values (a few numbers lie on
some lattice by chance); else infinite. N = Π_j L_j inputs are then possible.

* N ≤ pairs of samples compared (m²/2 in a sample, n m between two), and in one sample no more than twice (and ten more)
  as many copies as a uniform draw would have: repetitions say nothing.
* Otherwise at most one sample in a thousand may be a copy, which is taken for coincidence.
* More: the samples are not taken for independent, and no row is a certificate, unless the caller states that the
  distribution itself repeats inputs (`repetitions="natural"`).

Copies are found by their fingerprints, 8 bytes for every sample, whatever their labels. Samples that overlap without
being copies (`bounds.sample.windows`) are judged in the same way: a quarter of them is too many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from sparsebounds.bounds.sample.lattice import Lattice
from sparsebounds.bounds.sample.pieces import pieces
from sparsebounds.bounds.sample.windows import SHARE

REPETITIONS = ("counted", "natural")
COINCIDENCE = 1000
"""One sample in so many may be a copy."""
MADE = (
    "if you made them (augmented, oversampled, joined files), measure the originals alone; if the distribution itself "
    "repeats inputs, keep all and state repetitions='natural'"
)
"""What to do: to leave out what the distribution repeats would change what the statement is about."""
CUT = (
    "windows that overlap are one observation: keep some that lie apart, and split the series before it is cut, "
    "not its windows; if the distribution itself moves the same pieces about, state repetitions='natural'"
)


def check_repetitions(repetitions: str) -> None:
    """Raise ValueError unless it is one of `REPETITIONS`."""
    if repetitions not in REPETITIONS:
        raise ValueError(f"repetitions is {repetitions!r}; it is one of {', '.join(map(repr, REPETITIONS))}")


@dataclass(frozen=True)
class Copies:
    """What copies among samples mean for a row."""

    number: int
    excluded: bool = False
    """The samples cannot pass for independent: no certificate."""
    coincidence: bool = False
    """Few enough, and explained by nothing else."""
    note: str = ""


NO_COPIES = Copies(0)


def judged(number: int, of: int, pairs: float, space: float | None, repetitions: str, said: str) -> Copies:
    """Apply the rule.

    Args:
        number: of copies.
        of: samples among which they are.
        pairs: of samples compared.
        space: how many inputs are possible, as `input_space` finds it; None: unknown, which explains nothing.
        repetitions: "counted", or "natural" as stated by the caller.
        said: what the copies are, such as "repeat an earlier input".

    Returns:
        The verdict, with a note unless there are none.

    Example:
        >>> judged(3, 5000, 5000**2 / 2, math.inf, "counted", "repeat an earlier input").note
        '3 of 5000 samples repeat an earlier input: taken for coincidence'
        >>> judged(6, 5000, 5000**2 / 2, math.inf, "counted", "repeat an earlier input").excluded
        True
    """
    found = f"{number} of {of} samples {said}"
    if number == 0:
        return NO_COPIES
    if repetitions == "natural":
        return Copies(number, note=f"{found}: natural, as stated")
    if space is not None and space <= pairs:
        return Copies(number, note=f"{found}: the inputs span only {space:.0f} values")
    if COINCIDENCE * number <= of:
        return Copies(number, coincidence=True, note=f"{found}: taken for coincidence")
    return Copies(number, excluded=True, note=f"no certificate: {found}; {MADE}")


def repeats(marks: np.ndarray | None) -> np.ndarray:
    """Which samples have the input of an earlier one.

    Args:
        marks: (m,) fingerprints; None where they are unknown, as if all inputs differed.

    Returns:
        bool (m,), or (0,) without fingerprints.

    Example:
        >>> repeats(np.array([7, 5, 7, 7], dtype=np.uint64)).tolist()
        [False, False, True, True]
    """
    if marks is None:
        return np.zeros(0, dtype=bool)
    again = np.ones(len(marks), dtype=bool)
    again[np.unique(marks, return_index=True)[1]] = False
    return again


def within(marks: np.ndarray | None, space: float | None, repetitions: str, overlapping: float | None = None) -> Copies:
    """The rule for what is not drawn apart in one sample: what `Sample.copies` and `Margins.copies` are.

    Args:
        marks: fingerprints, or None.
        space: as `input_space` finds it.
        repetitions: as in `judged`.
        overlapping: as `windows.overlapping` finds it; None: not looked for.

    Example:
        >>> within(None, None, "counted", 0.9).note[:75]
        'no certificate: 90% of the samples share runs of numbers with others, moved'
    """
    found = _copied(marks, space, repetitions)
    if overlapping is None or overlapping <= SHARE or found.excluded:
        return found
    said = f"{overlapping:.0%} of the samples share runs of numbers with others, moved, as windows of one series do"
    if repetitions == "natural":
        return replace(found, note="; ".join(part for part in (found.note, f"{said}: natural, as stated") if part))
    return Copies(found.number, excluded=True, note=f"no certificate: {said}; {CUT}")


def _copied(marks: np.ndarray | None, space: float | None, repetitions: str) -> Copies:
    m, number = 0 if marks is None else len(marks), int(repeats(marks).sum())
    if space is not None and number > 2 * _of_uniform(m, space) + 10:
        space = math.inf  # the size of the space explains some of them, not so many
    return judged(number, m, m * m / 2, space, repetitions, "repeat an earlier input")


def _of_uniform(m: int, space: float) -> float:
    """Expected copies among m uniform draws: m − N (1 − (1 − 1/N)^m)."""
    if space <= 1.0:
        return m - 1.0
    return m + space * math.expm1(m * math.log1p(-1.0 / space)) if space < math.inf else 0.0


class Marked(Protocol):
    """Samples that are known by their fingerprints: a `Sample`, or `Margins`."""

    @property
    def fingerprints(self) -> np.ndarray | None: ...

    @property
    def input_space(self) -> float | None: ...

    @property
    def repetitions(self) -> str: ...

    @property
    def near(self) -> np.ndarray | None: ...


def input_space(x: Any) -> float:
    """How many inputs the lattice has that the inputs span.

    Args:
        x: (m, …) inputs.

    Returns:
        N = Π_j L_j as above; infinite beyond 2^64.

    Example:
        >>> input_space(np.array([[0.0, 1.0], [0.5, 1.0], [1.0, 1.0]]))
        3.0
        >>> input_space(np.random.default_rng(0).normal(size=(100, 1)))
        inf
    """
    found = Lattice()
    for part in pieces(x):
        found.add(part)
        if found.unbounded:
            break
    return found.size()
