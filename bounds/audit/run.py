"""The audit: every statement on every case, the closest ratio, and the twins that it catches."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from sparsebounds.bounds.audit.search.ascent import Found, search, worst_inputs
from sparsebounds.bounds.audit.search.families import Ball, representative, scores
from sparsebounds.bounds.audit.theorems.cases import NORMALISE, Case, Preset
from sparsebounds.bounds.audit.theorems.statement import Statement
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph

TOLERANCE = 1e-9
"""Ratios are float64 quotients of sums; some bounds are attained."""
ERRORS = 4.0
"""Standard errors by which a ratio from drawn signs must exceed 1 to count as a violation."""
CHECKED = 6
"""Networks per case that are read as graphs: their class and what they attain."""


@dataclass(frozen=True)
class Row:
    """One statement on one case."""

    bound: str
    statement: str
    case: str
    lower: float
    """Lower estimate of the left side."""
    claim: float
    """The bound on it."""
    error: float
    """Standard error of `lower`; 0 where nothing was drawn."""
    refuted: bool
    """Whether a violation is expected: a published form known to be none."""
    broken: tuple[tuple[str, float], ...] = ()
    """Twins: name, and the factor by which they are smaller than the claim here."""

    @property
    def ratio(self) -> float:
        """lower / claim; 1 / ratio is the slack."""
        return self.lower / self.claim if self.claim > 0 else math.inf if self.lower > 0 else 0.0

    @property
    def sure(self) -> float:
        """The ratio less four standard errors."""
        return (self.lower - ERRORS * self.error) / self.claim if self.claim > 0 else self.ratio

    @property
    def violated(self) -> bool:
        """Whether the statement is refuted here."""
        return self.sure > 1 + TOLERANCE

    def catches(self, factor: float) -> bool:
        """Whether a claim smaller by this factor would be refuted here."""
        return self.sure * factor > 1 + TOLERANCE


def audit_statement(statement: Statement, preset: Preset = "quick") -> list[Row]:
    """One row per case of a statement.

    Args:
        statement: what to contradict.
        preset: "quick" or "full".

    Returns:
        Rows; lower estimates are attained by networks of the class, up to the error of drawn signs.

    Raises:
        ArithmeticError: the search left the class, or attains something else than the network it stands for. Then
            the audit is at fault, not the bound.
    """
    return [_row(statement, case) for case in statement.cases(preset)]


def _row(statement: Statement, case: Case) -> Row:
    key = representative(case.architecture, statement.norm, statement.ball, case.signs.shape[2])
    graphs = _checked(case, *key)
    case, found = _searched(case, *key)
    energies, m = np.square(case.x).sum(axis=0), len(case.x)
    claims = [statement.claim(graph, energies, m) for graph in graphs]
    claim, graph = max(zip(claims, graphs, strict=True), key=lambda pair: pair[0])
    lower, error = found.moment(statement.moment)
    return Row(
        statement.bound,
        statement.what,
        case.name,
        lower,
        claim,
        0.0 if case.every else error,
        statement.refuted,
        tuple((twin.name, twin.factor(graph, energies, m)) for twin in statement.twins),
    )


@cache
def _searched(case: Case, norm: str, ball: Ball) -> tuple[Case, Found]:
    """The search, once for all statements about one class."""
    family = scores(case.architecture, norm, ball)
    if case.worst:
        case = replace(case, x=worst_inputs(family, case.x, case.signs, NORMALISE[norm]))
    return case, search(family, case.x, case.signs, steps=case.steps, restarts=case.restarts)


@cache
def _checked(given: Case, norm: str, ball: Ball) -> tuple[Graph, ...]:
    """Networks that attain what the search says, as graphs in float64."""
    case, found = _searched(given, norm, ball)
    family = scores(case.architecture, norm, ball)
    tolerance = 1e-6 if case.architecture.paths is not None else TOLERANCE  # read in float32
    graphs = []
    for k in np.linspace(0, len(case.signs) - 1, min(CHECKED, len(case.signs))).astype(int).tolist():
        graph = family.network(found.of(k), case.x, case.signs[k])
        attained = float(np.sum(case.signs[k] * evaluate(graph, case.x)))
        confirmed(case.name, float(found.values[k]), attained, len(case.x), tolerance)
        graphs.append(graph)
    return tuple(graphs)


def confirmed(case: str, searched: float, attained: float, m: int, tolerance: float = TOLERANCE) -> None:
    """Raise ArithmeticError unless the network attains what the search says."""
    if not math.isclose(attained, searched, rel_tol=10 * tolerance, abs_tol=tolerance * m):
        raise ArithmeticError(f"{case}: the search attains {searched}, its network {attained}")
