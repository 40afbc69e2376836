"""The ending of every theorem: from the parts of a bound to the row that it returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sparsebounds.bounds.bound import Bound, Theorem
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.step import MarginStep, smallest
from sparsebounds.bounds.sample.margins import Measured
from sparsebounds.bounds.sample.sample import Sample

UNFIXED = {
    "sample": "no certificate: the inputs were normalised by statistics of the sample itself",
    "apparent": (
        "no certificate: the inputs look normalised by statistics of the sample itself (mean 0 and variance 1, or a "
        'largest value of 1, wherever they vary); preprocessing="stated" says that the constants were fixed without it'
    ),
    "scaled": "no certificate: the sample was scaled to another m, and never drawn",
}
"""Preprocessing → why a row says less than its theorem."""
KEPT = ("published", "shape")
"""Guarantees that say so little that they hold whatever the preprocessing and the copies."""


def conclude(
    theorem: Theorem[Any], forms: Iterable[ClassSize], graph: Graph, sample: Sample, payment: Payment, *, note: str = ""
) -> Bound:
    """From the forms of a theorem to its row: the smallest value.

    Args:
        theorem: the bound itself; its declaration says what the row may claim.
        forms: the classes that contain the network, the prices of their choice included.
        graph, sample: as every bound receives them; slopes and lists of what is read that
            may have come from the data are paid for.
        payment: δ, γ and what stands before the complexity.
        note: what a reader must know about every row of this theorem.

    Returns:
        The row, see `bound_from_step`.

    Raises:
        ValueError: norms or slopes that no theorem covers.

    Example:
        >>> from sparsebounds import bounds
        >>> b = conclude(bounds.galanti, [ClassSize(0.0, 1.0)], graph, sample, Payment(0.1, 1.0))
        >>> b.complexity == 4.0 / 1000 * b.terms["c_j"]
        True
    """
    found = list(forms)
    prices = {**payment.prices, **architecture_prices(graph)}
    step = smallest(found, sample, replace(payment, prices=prices))
    return bound_from_step(step, theorem, sample, note=note)


def bound_from_step(
    step: MarginStep,
    theorem: Theorem[Any],
    sample: Measured,
    *,
    terms: Mapping[str, Any] | None = None,
    note: str = "",
    objection: str = "",
) -> Bound:
    """The row of a bound whose parts are known.

    Args:
        step: the parts.
        theorem: what the row may claim, and its source.
        sample: what the row speaks of; its preprocessing and its copies decide whether it may claim so much.
        terms: what the theorem itself has to show, before the terms of the step.
        note: what a reader must know about the row.
        objection: what else keeps it from claiming so much; empty: nothing.

    Returns:
        The bound with the theorem's own guarantee; "published" instead of a certificate or an expectation where the
        inputs were normalised by statistics of the sample, where nobody drew it, where it was not measured and so
        cannot be checked, where more of its inputs are copies than `bounds.sample.repetitions` explains, or where there
        is an objection.
    """
    declared, preprocessing = theorem.declaration, getattr(sample, "preprocessing", "fixed")
    copies, unchecked = sample.copies, sample.unchecked
    earned = preprocessing not in UNFIXED and not copies.excluded and not unchecked and not objection
    notes = (UNFIXED.get(preprocessing, ""), unchecked, objection, copies.note, note)
    return Bound(
        value=step.value,
        margin_error=step.margin_error,
        complexity=step.complexity,
        confidence=step.confidence,
        gamma=step.gamma,
        delta=step.delta,
        guarantee=declared.guarantee if earned or declared.guarantee in KEPT else "published",
        terms={**(terms or {}), **step.terms},
        source=declared.source,
        note="; ".join(part for part in notes if part),
    )
