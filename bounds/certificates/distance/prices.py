"""What is paid beside the draw: choices made with the certified samples at hand, and the number of draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np


class PaidField(Protocol):
    """One field of a configuration with its price."""

    @property
    def field(self) -> str: ...

    @property
    def nats(self) -> float: ...


@runtime_checkable
class Priced(Protocol):
    """A point of a declared space, `bounds.Configuration`."""

    @property
    def path(self) -> Iterable[PaidField]: ...

    @property
    def terms(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Prices:
    """Nats by name; a choice of scales alone leaves the reference as it is, every other chooses a reference too."""

    choices: Mapping[str, float]
    scales_only: tuple[str, ...] = ()
    draws: int = 1
    terms: Mapping[str, Any] = field(default_factory=dict)

    @property
    def draw(self) -> float:
        """Paid by what is said of the drawn network."""
        return math.fsum(self.choices.values()) + math.log(self.draws)

    @property
    def reference(self) -> float:
        """Paid by what is said of the reference: it was fixed before any draw."""
        return math.fsum(nats for name, nats in self.choices.items() if name not in self.scales_only)


def prices(choices: Mapping[str, int] | Priced | None, scales_only: tuple[str, ...], draws: int) -> Prices:
    """Check and add up.

    Args:
        choices: by name how many stood on a list written down in advance, or a configuration of a declared space.
        scales_only: names of choices among scales of one and the same reference.
        draws: how many networks were drawn and looked at, declared before the first.

    Raises:
        ValueError: a number that is no whole number above 0; a name in `scales_only` that is no choice.

    Example:
        >>> paid = prices({"split": 2, "factor": 16}, ("factor",), 1)
        >>> round(paid.draw, 4), round(paid.reference, 4)
        (3.4657, 0.6931)
    """
    if not _counts(draws):
        raise ValueError(f"draws={draws!r}; needed how many networks were drawn, a whole number of at least 1")
    if isinstance(choices, Priced):
        found, terms = {paid.field: paid.nats for paid in choices.path}, dict(choices.terms)
    else:
        if not isinstance(choices, Mapping | None):
            raise ValueError(
                f"choices is a {type(choices).__name__}; needed how many there were, by name, or a configuration"
            )
        counts, terms = dict(choices or {}), {}
        for name, n in counts.items():
            if not _counts(n):
                raise ValueError(
                    f"choices[{name!r}] is {n!r}; needed how many there were, a whole number of at least 1"
                )
        found = {name: math.log(n) for name, n in counts.items()}
    unknown = [name for name in scales_only if name not in found]
    if unknown:
        raise ValueError(f"scales_only names {unknown[0]!r}, which is none of the choices {sorted(found)}")
    return Prices(found, tuple(scales_only), int(draws), terms)


def _counts(n: Any) -> bool:
    """Whether this is a whole number of at least 1."""
    whole = isinstance(n, int | np.integer) or (isinstance(n, float | np.floating) and float(n).is_integer())
    return whole and not isinstance(n, bool) and n >= 1
