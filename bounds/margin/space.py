"""A configuration space: a tree of fields with weights, written down in code, and the price of a point of it.

Certificates of the classes k = 1, 2, …, each claimed at δ·w(k) with Σ_k w(k) ≤ 1, hold together w.p. ≥ 1 − δ. So any k
may be picked, also by a search that looks at the sample after every step: what is paid is −log w(k) of the k that is
taken, not the number of those looked at. Proof: docs/theory.md, "What is paid".
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from sparsebounds.bounds.margin.codes import Code, canonical, plain


@dataclass(frozen=True)
class Field:
    """One number or word of a configuration, and the fields that exist only under some of its values.

    Args:
        name: by which a configuration gives it.
        code: its values and their weights.
        below: value → fields that exist under it alone.
    """

    name: str
    code: Code
    below: Mapping[Any, Sequence[Field]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for value in self.below:
            if self.code.nats(value) is None:
                raise ValueError(f"fields hang below {self.name}={value!r}, which is not {self.code.allowed()}")

    def under(self, value: Any) -> Sequence[Field]:
        """The fields that exist under a value."""
        found = [fields for key, fields in self.below.items() if canonical(key) == canonical(value)]
        return found[0] if found else ()

    def stated(self) -> Any:
        """The declaration of the field and of everything below it."""
        below = [[plain(value), [one.stated() for one in fields]] for value, fields in self.below.items()]
        return [self.name, self.code.stated(), below]


@dataclass(frozen=True)
class ConfigurationSpace:
    """Fields, one after the other; the weight of a configuration is the product of the weights along its path.

    Args:
        name: what is configured, and for which statement.
        version: to be raised when the space is widened: every certificate that was claimed in it is repriced.
        fields: those of every configuration; others hang below.

    Example:
        >>> from sparsebounds.bounds.margin.codes import Listed, WholeNumbers
        >>> filters = Field("filters", Listed((4, 8)))
        >>> space = ConfigurationSpace("front ends", 1, (
        ...     Field("front end", Listed(("pixels", "edges")), {"edges": (filters,)}), Field("seed", WholeNumbers())))
        >>> found = space.configuration({"front end": "edges", "filters": 8, "seed": 0})
        >>> found.nats == math.log(2) + math.log(2) + math.log(2)
        True
        >>> space.configuration({"front end": "pixels", "filters": 8, "seed": 0})
        Traceback (most recent call last):
        ...
        ValueError: front ends: filters=8 was given, a field that does not exist in this configuration; remove it
    """

    name: str
    version: int
    fields: tuple[Field, ...]
    names: frozenset[str] = field(init=False)
    """Of all fields, wherever they hang."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", _names_once(self.fields))

    @cached_property
    def hash(self) -> str:
        """Of the declared structure: 16 hexadecimal digits, the same in every process."""
        stated = [self.name, self.version, [one.stated() for one in self.fields]]
        return hashlib.sha256(json.dumps(stated, allow_nan=False).encode()).hexdigest()[:16]

    def configuration(self, values: Mapping[str, Any]) -> Configuration:
        """A priced point.

        Args:
            values: name of a field → value, for exactly the fields that exist under these values.

        Returns:
            Configuration, for `choices=` of a certificate.

        Raises:
            ValueError: a value outside the space, a missing or a superfluous field.
        """
        return Configuration(self, values)


class Paid(NamedTuple):
    """One field of a configuration."""

    field: str
    value: Any
    nats: float


@dataclass(frozen=True, eq=False)
class Configuration:
    """A point of a space with its price; it cannot be made outside the space."""

    space: ConfigurationSpace
    values: Mapping[str, Any]
    path: tuple[Paid, ...] = field(init=False)
    """The fields in the order of the space."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", tuple(_walk(self.space, dict(self.values))))

    @property
    def nats(self) -> float:
        """−log weight."""
        return math.fsum(paid.nats for paid in self.path)

    @property
    def terms(self) -> dict[str, Any]:
        """What a reader needs to redo the price."""
        return {
            "configuration space": self.space.name,
            "configuration space: version": self.space.version,
            "configuration space: hash": self.space.hash,
            "configuration": {p.field: {"value": plain(p.value), "nats": round(p.nats, 12)} for p in self.path},
        }


def _walk(space: ConfigurationSpace, left: dict[str, Any]) -> Iterator[Paid]:
    """Along the path; takes what it reads out of `left`."""
    fields = list(space.fields)
    while fields:
        one = fields.pop(0)
        if one.name not in left:
            raise ValueError(f"{space.name}: the field {one.name} is missing; needed {one.code.allowed()}")
        value = left.pop(one.name)
        nats = one.code.nats(value)
        if nats is None:
            raise ValueError(
                f"{space.name}: {one.name}={value!r} lies outside the space; needed {one.code.allowed()}. A wider "
                "space is another one: raise its version and reprice what was claimed in it"
            )
        if not 0.0 <= nats < math.inf:
            raise ValueError(
                f"{space.name}: {one.name}={value!r} costs {nats} nats; needed log(1/weight), not negative"
            )
        yield Paid(one.name, value, nats)
        fields = [*one.under(value), *fields]
    if left:
        shown = ", ".join(f"{name}={value!r}" for name, value in left.items())
        raise ValueError(
            f"{space.name}: {shown} was given, a field that does not exist in this configuration; remove it"
        )


def _names_once(fields: Sequence[Field]) -> frozenset[str]:
    """All names; ValueError if one could occur twice on one path."""
    seen: frozenset[str] = frozenset()
    for one in fields:
        below = frozenset().union(*(_names_once(under) for under in one.below.values()))
        twice = below.union(seen).intersection([one.name]) or below & seen
        if twice:
            raise ValueError(f"two fields of one configuration are called {min(twice)}; needed different names")
        seen = seen | below | {one.name}
    return seen
