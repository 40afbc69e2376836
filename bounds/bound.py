"""What a bound returns, what it declares about itself, and how it says that it does not apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeVar

Guarantee = Literal["certificate", "expectation", "published", "shape"]


@dataclass(frozen=True)
class Bound:
    """A number said about the error of a network on new data, with every factor that went into it.

    For a certificate: with probability at least 1 − δ over the sample, P(M ≤ 0) ≤ value.
    value = margin_error + complexity + confidence.
    """

    value: float
    """The bound on the test error; NaN where the theorem does not cover the network (`note` says why)."""
    margin_error: float
    """What the sample shows: mean ramp loss, or share of margins at most γ, as the theorem says."""
    complexity: float
    """The part that measures the class of networks."""
    confidence: float
    """The price of δ and of every choice made after looking at the data."""
    gamma: float
    delta: float
    guarantee: Guarantee
    """certificate: holds as stated, every cost paid · expectation · published: as printed, refuted or unverified ·
    shape: constants unknown."""
    terms: Mapping[str, Any] = field(default_factory=dict)
    """Every factor, in the order in which one redoes the computation on paper."""
    source: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "terms", MappingProxyType(dict(self.terms)))

    @property
    def covered(self) -> bool:
        """Whether the theorem covers the network."""
        return self.value == self.value


@dataclass(frozen=True)
class Declaration:
    """What a bound says about itself, for tables, tests and `sparsebounds list`."""

    summary: str
    guarantee: Guarantee
    assumes: tuple[str, ...]
    source: str


F = TypeVar("F", bound=Callable[..., Bound])


def declare(*, summary: str, guarantee: Guarantee, assumes: tuple[str, ...], source: str) -> Callable[[F], F]:
    """Attach a Declaration to a bound, as its attribute `declaration`."""

    def attach(function: F) -> F:
        function.declaration = Declaration(summary, guarantee, assumes, source)  # type: ignore[attr-defined]
        return function

    return attach


class NotCovered(Exception):
    """Raised inside a bound: the network is outside the theorem. Becomes a Bound with value NaN."""


def refused(reason: str, *, gamma: float, delta: float, declaration: Declaration) -> Bound:
    """The row of a bound that does not apply."""
    nan = float("nan")
    return Bound(
        nan,
        nan,
        nan,
        nan,
        gamma,
        delta,
        declaration.guarantee,
        {},
        declaration.source,
        f"not covered: {reason}",
    )


MASK_FIXED = "fixed without the sample, as stated"
MASK_NONE = "no zero lowers a count of predecessors"
MASK_UNCOUNTED = "zeros are not counted on"
MASK_PAID = "from the sample, paid for"
"""What `terms` say of the zeros of the weights."""
