"""One margin for all rows of a table: a number, the best, or a percentile of the training margins."""

from __future__ import annotations

import math
from dataclasses import replace

from sparsebounds.bounds.arguments import check_gamma
from sparsebounds.bounds.bound import Bound, Theorem
from sparsebounds.bounds.sample.margins import margin_percentile
from sparsebounds.bounds.sample.sample import Sample

PERCENTILE = "percentile:"
FROM_SAMPLE = (
    "no guarantee: the theorem speaks of a margin fixed in advance, and this one is a percentile of the sample's"
)


def margin_at(gamma: float | str, sample: Sample) -> float | str:
    """The margin that a table is asked for.

    Args:
        gamma: "best", a number, or "percentile:p", 0 < p < 100: |the ⌊m p/100⌋-th smallest margin of the sample|.
        sample: measured.

    Returns:
        "best" or a number above 0.

    Raises:
        ValueError: something else, or a percentile that is 0.

    Example:
        >>> margin_at("percentile:10", sample) == margin_percentile(sample.margins, 10)
        True
        >>> margin_at(0.5, None)
        0.5
    """
    check_margin(gamma)
    if not (isinstance(gamma, str) and gamma.startswith(PERCENTILE)):
        return gamma
    found = margin_percentile(sample.margins, _share(gamma))
    if found == 0:
        raise ValueError(f"gamma={gamma!r}, and that percentile of the margins is 0; needed another, or a number")
    return found


def check_margin(gamma: float | str) -> None:
    """Raise ValueError unless it is one of the words and numbers of `margin_at`."""
    if isinstance(gamma, str) and gamma.startswith(PERCENTILE):
        if not 0 < _share(gamma) < 100:
            raise ValueError(f"gamma={gamma!r}; needed a percentage between 0 and 100, such as 'percentile:10'")
        return
    try:
        check_gamma(gamma)
    except (ValueError, TypeError) as error:
        raise ValueError(f"gamma={gamma!r}; needed a positive margin, 'best', or such as 'percentile:10'") from error


def _share(gamma: str) -> float:
    """The percentage; NaN where there is none."""
    try:
        return float(gamma.removeprefix(PERCENTILE))
    except ValueError:
        return math.nan


def at_percentile(found: Bound, bound: Theorem[...], gamma: float | str | None) -> Bound:
    """A row at a margin that the sample chose says less where its theorem speaks of one fixed in advance."""
    if not (
        isinstance(gamma, str) and gamma.startswith(PERCENTILE) and bound.declaration.fixed_gamma and found.covered
    ):
        return found
    return replace(found, guarantee="published", note="; ".join(note for note in (found.note, FROM_SAMPLE) if note))
