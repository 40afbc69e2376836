"""Seconds between the marks of a watch."""

import itertools
from collections.abc import Mapping


def laps(marks: Mapping[str, float]) -> dict[str, float]:
    """What lay before every mark but the first.

    Example:
        >>> laps({"start": 1.0, "training": 3.5, "certificate": 4.0})
        {'training': 2.5, 'certificate': 0.5}
    """
    return {name: round(t - before, 2) for (_, before), (name, t) in itertools.pairwise(marks.items())}
