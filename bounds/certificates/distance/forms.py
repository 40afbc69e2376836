"""From counts and a log ratio to a value: the direct form, the excess over the reference, the better of both."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool

from sparsebounds.bounds.certificates.distance.prices import Prices
from sparsebounds.bounds.confidence.betting import excess_upper
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.confidence.one_draw import budget_upper, calibrated_upper, one_sided_upper

Form = Literal["direct", "excess", "both"]
FORMS = ("direct", "excess", "both")
BUDGETS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, "kl")
WORDS = {"kl": "one-sided kl", "tail": "binomial tail without budgets"}
REFERENCE_SHARE = 0.8
"""Of δ in the excess form: for the reference; a nat costs more there."""


@dataclass(frozen=True)
class Counts:
    """What two passes over the sample say."""

    m: int
    errors: int
    reference: int
    """Errors of the reference."""
    worse: int
    """Samples where the drawn network alone is wrong."""
    better: int
    """Where the reference alone is."""
    more: tuple[int, int] = (0, 0)
    """Errors of the reference on more samples that it never saw, and how many."""

    @classmethod
    def of(
        cls, wrong: Bool[np.ndarray, " m"], base: Bool[np.ndarray, " m"], copies: Bool[np.ndarray, " m"],
        more: tuple[int, int] = (0, 0),
    ) -> Counts:  # fmt: skip
        """Copies that pass for coincidence count against both."""
        worse = (wrong & ~base) | copies
        drawn, reference = wrong | copies, base | copies
        better = base & ~wrong & ~copies
        errors, errors_of_reference, alone, spared = (int(one.sum()) for one in (drawn, reference, worse, better))
        return cls(len(wrong), errors, errors_of_reference, alone, spared, more)


@dataclass(frozen=True)
class Value:
    """One form's value and its three parts."""

    form: str
    value: float
    complexity: float
    confidence: float
    terms: dict[str, Any] = field(default_factory=dict)


def check_budgets(budgets: Sequence[float | str]) -> tuple[tuple[float, ...], tuple[str, ...]]:
    """Numbers and words of a list of budgets.

    Raises:
        ValueError: no budget, budgets that do not increase, are negative or not finite, an unknown word.

    Example:
        >>> check_budgets((1, 10, "kl"))
        ((1.0, 10.0), ('kl',))
    """
    given = list(budgets) if isinstance(budgets, Sequence | np.ndarray) and not isinstance(budgets, str) else [budgets]
    if not all(isinstance(one, str | int | float | np.number) and not isinstance(one, bool) for one in given):
        raise ValueError(f"budgets={budgets!r}; needed numbers of nats, increasing, and words such as 'kl'")
    words = tuple(str(one) for one in given if isinstance(one, str))
    numbers = tuple(float(one) for one in given if not isinstance(one, str))
    unknown = [word for word in words if word not in WORDS]
    if unknown or len(set(words)) < len(words):
        raise ValueError(
            f"budgets={budgets!r}; beside numbers of nats the list knows {', '.join(map(repr, WORDS))}, once"
        )
    increasing = all(a < b for a, b in pairwise(numbers))
    if not given or not increasing or not all(0.0 <= one < math.inf for one in numbers):
        raise ValueError(f"budgets={budgets!r}; needed increasing numbers of nats, none negative, at least one")
    return numbers, words


def direct(counts: Counts, log_ratio: float, log_delta: float, paid: Prices, budgets: Sequence[float | str]) -> Value:
    """The count of the drawn network: the list of budgets and every word have the same share of δ.

    All shares are of one e-value, so that the smallest of their bounds holds.
    """
    numbers, words = check_budgets(budgets)
    shares = len(words) + bool(numbers)
    nats, k, m = log_ratio + paid.draw, counts.errors, counts.m
    found: dict[str, float] = {}
    terms: dict[str, Any] = {}
    shared = log_delta - math.log(shares)
    if numbers:
        found["budgets"], terms["budget"] = budget_upper(k, m, nats, shared, numbers)
        terms["budgets"] = list(numbers)
        terms["nats of budgets"] = math.log(len(numbers))
    for word in words:
        invert = one_sided_upper if word == "kl" else calibrated_upper
        found[WORDS[word]] = invert(k, m, nats - shared)
    terms["nats of alternatives"] = math.log(shares)
    best = min(found, key=lambda name: found[name])
    value = found[best]
    confidence = min(binomial_upper(k, m, log_delta), value) - k / m
    terms = {"e-value": best, **terms, **{f"value by {name}": one for name, one in found.items()}}
    return Value("direct", value, value - k / m - confidence, confidence, terms)


def excess(counts: Counts, log_ratio: float, log_delta: float, paid: Prices) -> Value:
    """The reference by its own count, and how much more often the drawn network errs, on the same samples."""
    log_reference = log_delta + math.log(REFERENCE_SHARE) - paid.reference
    log_excess = log_delta + math.log1p(-REFERENCE_SHARE)
    m = counts.m
    k, n = counts.reference + counts.more[0], m + counts.more[1]
    reference = max(binomial_upper(k, n, log_reference), k / n)
    more = excess_upper(counts.worse, counts.better, m, log_ratio + paid.draw - log_excess)
    confidence = max(reference - counts.reference / m, 0.0)
    value = max(min(reference + more, 1.0), counts.errors / m)
    terms = {
        "share of δ for the reference": REFERENCE_SHARE,
        "bound on the reference": reference,
        "bound on the excess": more,
        "drawn network alone wrong": counts.worse,
        "reference alone wrong": counts.better,
    }
    return Value("excess", value, value - counts.errors / m - confidence, confidence, terms)
