"""Try to break the bounds: search small networks for a violation of what each theorem says about its class.

    rows = audit("golowich", preset="quick")
    max(row.ratio for row in rows)        # closest to 1 that the search came; above 1 the bound is none

Three kinds of statements, each with its own file: `statements` (E sup of signed sums of scores, at fixed norms),
`losses` (the same for ramp losses, against a whole row of the table), `simulate` (how often a certificate fails on a
distribution known exactly). A bound that is not listed in one of them is still simulated. The library's own theorems
have more: `rules` (Theorem 1, rule by rule and on random graphs), `orthants` and `boxes` (with fixed signs), `margins`
(Theorem 2), `coverage` (Theorem 3).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bounds.audit.boxes import audit_boxes
from bounds.audit.cases import Preset
from bounds.audit.coverage import audit_coverage
from bounds.audit.losses import LOSSES, audit_losses
from bounds.audit.margins import audit_margins
from bounds.audit.orthants import audit_orthants
from bounds.audit.rules import audit_nets, graph_cases, rule_cases
from bounds.audit.run import ERRORS, TOLERANCE, Row, audit_statement
from bounds.audit.simulate import audit_certificate, audit_code, audit_held_out
from bounds.audit.statements import STATEMENTS

CODES = {
    "occam": "tests/bounds/theorems/description/test_occam.py::test_literal_twin_on_networks",
    "parameter_count": "tests/bounds/theorems/description/test_occam.py::test_hand_worked",
}
"""Bounds that pay for a code, and the test of its length."""


def audit(bound: str, row_of: Callable[..., Any] | None = None, *, preset: Preset = "quick") -> list[Row]:
    """Every attack on one bound.

    Args:
        bound: its name.
        row_of: the bound itself; None: `bounds.BOUNDS[bound]`.
        preset: "quick" or "full".

    Returns:
        One row per statement and case, each with the ratio of what was attained to what the bound says.

    Raises:
        KeyError: no bound of this name.
        ArithmeticError: the search itself is at fault: it left the class.

    Example:
        >>> rows = audit("held_out")
        >>> 0.99 < max(row.ratio for row in rows) <= 1.0 + 1e-9
        True
    """
    if row_of is None:
        import bounds

        row_of = bounds.BOUNDS[bound]
    return list(_rows(bound, row_of, preset))


def _rows(bound: str, row_of: Any, preset: Preset) -> Iterator[Row]:
    for statement in STATEMENTS:
        if statement.bound == bound:
            yield from audit_statement(statement, preset)
    if bound == "peeling":
        yield from audit_nets(rule_cases(preset))
        yield from audit_nets(graph_cases(preset))
        yield from audit_orthants(preset)
        yield from audit_boxes(preset)
        yield from audit_margins(preset)
        yield from audit_coverage()
    for loss in LOSSES:
        if loss.bound == bound:
            yield from audit_losses(loss, row_of, preset)
    if bound in CODES:
        yield from audit_code(bound, row_of, CODES[bound], preset)
    if bound == "held_out":
        yield from audit_held_out()
    elif row_of.declaration.guarantee == "certificate":
        yield from audit_certificate(bound, row_of, preset)


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
    inside: tuple[tuple[str, str], ...]
    """Those that none does: their error is smaller than the slack; with the test that sees them."""
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
    tests = {name: test for row in rows for name, test, _ in row.broken}
    caught = tuple(n for n in tests if any(row.catches(f) for row in rows for name, _, f in row.broken if name == n))
    inside = tuple((name, test) for name, test in tests.items() if name not in caught)
    best = max(rows, key=lambda row: row.sure)
    return Closest(bound, statement, best, caught, inside, any(row.violated for row in rows), best.refuted)


__all__ = ["ERRORS", "TOLERANCE", "Closest", "Row", "audit", "closest", "plan"]
