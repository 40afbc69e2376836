"""What the smallest of several certificates costs: it was picked after looking, so that the δ of all are added up."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sparsebounds.bounds.registry import BOUNDS

CERTIFICATE = "certificate"
SUBJECTS = {
    "occam_quantised": "the network rounded to few bits",
    "distance": "a network of this kind, drawn near a reference,",
}
"""Of bounds that speak of another network than the one that came."""


@dataclass(frozen=True)
class Picked:
    """How many certificates one is picked from, and the probability that some of them fails, at most."""

    count: int
    spent: float

    @classmethod
    def among(cls, rows: Iterable[tuple[str, str, float]]) -> Picked:
        """The price of picking from the rows of a table.

        Counted are the rows that are certificates and those that are declared so: whether one covers the network, and
        what a margin that the sample chose makes of it, is seen only afterwards.

        Args:
            rows: name, guarantee and δ of each, without a number or with one.

        Example:
            >>> rows = [("galanti", "certificate"), ("gonon", "expectation"), ("occam", "published")]
            >>> Picked.among((*row, 0.01) for row in rows)
            Picked(count=2, spent=0.02)
        """
        deltas = [delta for name, guarantee, delta in rows if guarantee == CERTIFICATE or _declared(name)]
        return cls(len(deltas), math.fsum(deltas))

    @property
    def nothing_left(self) -> bool:
        """Whether no probability is left for the one that is picked."""
        return self.spent >= 1.0

    @property
    def among_words(self) -> str:
        """ "the smallest of 21 certificates asked for"; empty where there was no choice."""
        return f"the smallest of {self.count} certificates asked for" if self.count > 1 else ""


def subject(name: str) -> str:
    """Of which network a bound speaks.

    Example:
        >>> subject("held_out"), subject("occam_quantised")
        ('the network', 'the network rounded to few bits')
    """
    return SUBJECTS.get(name, "the network")


def _declared(name: str) -> bool:
    return name in BOUNDS and BOUNDS[name].declaration.guarantee == CERTIFICATE
