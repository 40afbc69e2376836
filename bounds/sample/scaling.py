"""A sample that was never drawn: more or fewer samples with the same shares of margins and energies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.statistics import STATISTICS


@dataclass(frozen=True, eq=False)
class ScaledSample(Sample):
    """What `scaled` makes: sums of m samples, and the margins of those that were measured, as a distribution."""

    def __post_init__(self) -> None:
        """Nothing to check: it comes from a sample, and its margins are not m."""

    @property
    def unchecked(self) -> str:
        """Nothing: its preprocessing says already that it is no measurement."""
        return ""

    def save(self, path: str | os.PathLike[str]) -> NoReturn:
        """Refused: a file of samples that were never drawn could pass for a measurement."""
        raise ValueError("a scaled sample was not measured and is not saved; save the sample it came from")


def scaled(sample: Sample, m: int) -> ScaledSample:
    """The sample with m in place of its own number of samples, everything else in proportion.

    Energies and fourth powers are multiplied by m over the sample's own m, the shares of the margins stay, class counts
    are shared out in whole numbers. Largest values stay as they are, though more samples may show larger ones.

    Args:
        sample: measured.
        m: at least 1.

    Returns:
        For what-if questions only: nothing computed from it is a certificate.

    Raises:
        ValueError: m below 1.

    Example:
        >>> x = np.array([[3.0, 0.0], [0.0, 4.0]], dtype=np.float32)
        >>> more = scaled(Sample.measure(lambda x: x, x, np.array([0, 1])), 10)
        >>> more.m, more.energies.tolist(), more.class_counts.tolist(), more.ramp(8.0)
        (10, [45.0, 80.0], [5, 5], 0.5625)
    """
    if isinstance(m, bool) or m != int(m) or m < 1:
        raise ValueError(f"m is {m!r}; a whole number of samples of at least 1 is needed")
    factor = int(m) / sample.m
    known = {s.name: value for s in STATISTICS if (value := getattr(sample, s.name)) is not None}
    more = {s.name: s.scaled(known[s.name], factor) for s in STATISTICS if s.name in known}
    return ScaledSample(
        m=int(m),
        classes=sample.classes,
        energies=sample.energies * factor,
        class_counts=_shared_out(sample.class_counts, int(m)),
        preprocessing="scaled",  # whatever it was: no bound takes it for a sample that was drawn
        **more | {"margins": sample.margins},
    )


def _shared_out(counts: np.ndarray, m: int) -> np.ndarray:
    """m in whole numbers, in proportion to the counts: the largest remainders are rounded up.

    Example:
        >>> _shared_out(np.array([2, 1]), 10).tolist()
        [7, 3]
    """
    total = int(counts.sum())
    whole = [int(n) * m // total for n in counts]  # Python's integers: m may be 10^18
    remainders = [int(n) * m % total for n in counts]
    for i in sorted(range(len(whole)), key=lambda i: -remainders[i])[: m - sum(whole)]:
        whole[i] += 1
    return np.array(whole, dtype=np.int64)
