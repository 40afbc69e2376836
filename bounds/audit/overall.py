"""Every attack on one bound, and of every statement the case that came closest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sparsebounds.bounds.audit.certificates.boxes import audit_boxes
from sparsebounds.bounds.audit.certificates.centred import audit_centred
from sparsebounds.bounds.audit.certificates.distance import audit_distance
from sparsebounds.bounds.audit.certificates.hidden_boxes import audit_hidden_boxes
from sparsebounds.bounds.audit.certificates.search import audit_search
from sparsebounds.bounds.audit.certificates.signs import audit_orthants
from sparsebounds.bounds.audit.moments.activations import activation_cases
from sparsebounds.bounds.audit.moments.theorem_1 import audit_nets, graph_cases, rule_cases
from sparsebounds.bounds.audit.moments.theorem_2 import audit_margins
from sparsebounds.bounds.audit.moments.theorem_3 import audit_coverage
from sparsebounds.bounds.audit.run import Row, audit_statement
from sparsebounds.bounds.audit.slips.slips import audit_slips
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.audit.theorems.losses import LOSSES, audit_losses
from sparsebounds.bounds.audit.theorems.passes import WALKED, audit_passes
from sparsebounds.bounds.audit.theorems.programs import audit_programs
from sparsebounds.bounds.audit.theorems.scales import BOUND as SCALED
from sparsebounds.bounds.audit.theorems.scales import audit_scales
from sparsebounds.bounds.audit.theorems.simulate import CODES, audit_certificate, audit_code, audit_held_out
from sparsebounds.bounds.audit.theorems.statements import STATEMENTS
from sparsebounds.bounds.registry import BOUNDS


def audit(bound: str, row_of: Callable[..., Any] | None = None, *, preset: Preset = "quick") -> list[Row]:
    """Every attack on one bound.

    Args:
        bound: its name.
        row_of: the bound itself; None: `BOUNDS[bound]`.
        preset: "quick" or "full".

    Returns:
        One row per statement and case, each with the ratio of what was attained to what the bound says.

    Raises:
        KeyError: no bound of this name.
        ArithmeticError: the search itself is at fault: it left the class.

    Example:
        >>> rows = audit("held_out")
        >>> 0.99 < max(row.ratio for row in rows if not row.refuted) <= 1.0 + 1e-9  # but for twins
        True
    """
    return list(_rows(bound, BOUNDS[bound] if row_of is None else row_of, preset))


def _rows(bound: str, row_of: Any, preset: Preset) -> Iterator[Row]:
    for statement in STATEMENTS:
        if statement.bound == bound:
            yield from audit_statement(statement, preset)
    if bound == "peeling":
        yield from audit_nets(rule_cases(preset))
        yield from audit_nets(activation_cases())
        yield from audit_nets(graph_cases(preset))
        yield from audit_orthants(preset)
        yield from audit_boxes(preset)
        yield from audit_hidden_boxes(preset)
        yield from audit_centred(preset)
        yield from audit_margins(preset)
        yield from audit_coverage()
        yield from audit_search(preset)
        yield from audit_distance(preset)
    if bound == SCALED:
        yield from audit_scales()
    for loss in LOSSES:
        if loss.bound == bound:
            yield from audit_losses(loss, row_of, preset)
    if bound in WALKED:
        yield from audit_passes(bound, preset)
    if bound in CODES:
        yield from audit_code(bound, row_of, preset)
        yield from audit_programs(bound, row_of)
    if bound == "held_out":
        yield from audit_held_out()
    elif row_of.declaration.guarantee == "certificate":
        yield from audit_certificate(bound, row_of, preset)
    yield from audit_slips(bound, row_of, preset)


def plan(bound: str, preset: Preset = "quick") -> list[str]:
    """What `audit` would search, one line per statement."""
    lines = [f"{s.bound}: {s.what}, {len(s.cases(preset))} cases" for s in STATEMENTS if s.bound == bound]
    return lines + [f"{s.bound}: ramp losses" for s in LOSSES if s.bound == bound]


@dataclass(frozen=True)
class Closest:
    """One statement after all its cases."""

    bound: str
    statement: str
    row: Row
    """The case that came closest."""
    caught: tuple[str, ...]
    """Broken twins that some case refutes."""
    inside: tuple[tuple[str, float], ...]
    """Those that none does: their error is smaller than the slack, the least of the cases in which they differ."""
    violated: bool
    refuted: bool

    @property
    def failed(self) -> bool:
        """A violation of what should hold."""
        return self.violated and not self.refuted


def closest(rows: Sequence[Row]) -> list[Closest]:
    """The closest case of every statement, and what happens to its twins."""
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.bound, row.statement), []).append(row)
    return [_closest(bound, statement, found) for (bound, statement), found in grouped.items()]


def _closest(bound: str, statement: str, rows: list[Row]) -> Closest:
    twins: dict[str, list[tuple[Row, float]]] = {}
    for row in rows:
        for name, factor in row.broken:
            twins.setdefault(name, []).append((row, factor))
    caught = tuple(name for name, found in twins.items() if any(row.catches(factor) for row, factor in found))
    inside = tuple((name, _least_slack(found)) for name, found in twins.items() if name not in caught)
    best = max(rows, key=lambda row: row.sure)
    return Closest(bound, statement, best, caught, inside, any(row.violated for row in rows), best.refuted)


def _least_slack(found: list[tuple[Row, float]]) -> float:
    """Of the cases in which a twin is smaller than the claim."""
    sharpest = max((row.sure for row, factor in found if factor > 1), default=0.0)
    return 1 / sharpest if sharpest > 0 else math.inf
