"""Whole certificates on a distribution known exactly: how often does the best of many networks slip below the truth?

Inputs are one of N one-hot vectors, uniformly, labels fair coins: the error of every network without ties is exactly
1/2. The adversary sees the sample and answers each input with the label it met more often, which no other network can
beat. A certificate may fail with probability δ, so the (1 − δ)-quantile of what was attained is compared with what was
paid.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.search.architectures import dense
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.confidence.binomial import binomial_upper, log_binomial_cdf
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.description.quantised import Quantised
from sparsebounds.bounds.theorems.held_out import held_out

DELTA = 0.05
DRAWS = {"quick": 60, "full": 200}
NEEDS_INPUTS = frozenset({"ledent", "long_sedghi", "pac_bayes"})
PROPORTIONS = {
    "quick": ((1, 40), (40, 40), (1000, 1500)),
    "full": ((1, 40), (5, 40), (40, 40), (200, 300), (1000, 1500)),
}
"""(N, m)."""
CODES = frozenset({"occam", "occam_quantised", "parameter_count"})
"""Bounds that pay for a code: `audit_code` has their twins."""


@dataclass(frozen=True, eq=False)
class Draw:
    """A sample and the network that answers it by heart."""

    graph: Graph
    sample: Sample
    answer: Float64[np.ndarray, " points"]
    """−1 or 1, score 0 of each point; score 1 is 0."""
    which: Int64[np.ndarray, " m"]
    """The points of the sample."""
    labels: Int64[np.ndarray, " m"]


@cache
def draws(points: int, m: int, count: int) -> tuple[Draw, ...]:
    """Samples of m among so many points, the same ones each time."""
    rng = np.random.default_rng(points)
    return tuple(_draw(rng, points, m) for _ in range(count))


def _draw(rng: np.random.Generator, points: int, m: int) -> Draw:
    which, labels = rng.integers(0, points, m), rng.integers(0, 2, m)
    ones = np.bincount(which, weights=2.0 * labels - 1, minlength=points)
    answer = np.where(ones > 0, -1.0, 1.0)
    graph = dense((points,)).graph([], np.stack([answer, np.zeros(points)]))
    margins = answer[which] * (1.0 - 2.0 * labels)
    by_class = np.stack([np.bincount(which[labels == r], minlength=points) for r in (0, 1)]).astype(np.float64)
    counts = np.bincount(labels, minlength=2)
    return Draw(graph, Sample(m, 2, by_class.sum(axis=0), by_class, margins, counts), answer, which, labels)


def _quantile(values: np.ndarray) -> float:
    """The (1 − δ)-quantile: exceeded by a share of δ at most."""
    return float(np.quantile(values, 1 - DELTA, method="lower"))


def audit_certificate(bound: str, row_of: Callable[..., Any], preset: Preset = "quick") -> list[Row]:
    """The true error, 1/2, against the certificate's value at γ = 0.9.

    Args:
        bound: its name.
        row_of: the bound, as in BOUNDS.
        preset: "quick" or "full".

    Returns:
        One row per number of inputs N and samples m; none where the bound does not cover linear networks.
    """
    rows = []
    for points, m in PROPORTIONS[preset]:
        found = [
            row_of(draw.graph, draw.sample, delta=DELTA, **_options(row_of, bound), **_measured(row_of, draw))
            for draw in draws(points, m, DRAWS[preset] if points < 1000 else 10)
        ]
        if not all(row.covered for row in found):
            return []
        claim = _claim(row.value for row in found)
        broken = () if bound in CODES else _broken(found, m, claim)
        rows.append(Row(bound, "certificate", f"by heart, {points} points, m = {m}", 0.5, claim, 0.0, False, broken))
    return rows


def _claim(values: Iterable[float]) -> float:
    """Undercut by a share of δ at most."""
    return -_quantile(-np.fromiter(values, np.float64))


def _broken(found: Sequence[Bound], m: int, claim: float) -> tuple[tuple[str, float], ...]:
    """Rows with half their complexity, and rows that pay δ for one class fixed in advance."""
    twins = {"half the complexity": _claim(row.value - row.complexity / 2 for row in found)}
    if all("nats paid for choices" in row.terms for row in found):
        alone = 2 * math.sqrt(math.log(1 / DELTA) / (2 * m))
        twins["without the union"] = _claim(row.value - row.confidence + alone for row in found)
    return tuple((name, claim / value) for name, value in twins.items())


def _options(row_of: Callable[..., Any], bound: str) -> dict[str, Any]:
    options: dict[str, Any] = {"input_bound": 1.0} if bound in NEEDS_INPUTS else {}
    return options | ({"gamma": 0.9} if "gamma" in inspect.signature(row_of).parameters else {})


def _measured(row_of: Callable[..., Any], draw: Draw) -> dict[str, Any]:
    """Its weights lie on a grid of 2 bits: the network that answers by heart is its own quantised one."""
    if "quantised" not in inspect.signature(row_of).parameters:
        return {}
    return {"quantised": Quantised(draw.graph, Margins(draw.sample.margins))}


def audit_code(bound: str, row_of: Callable[..., Any], preset: Preset = "quick") -> list[Row]:
    """Nats that the best of 2^N networks needs to get away with its errors, against the nats its code pays.

    The certificate fails where P(Bin(m, 1/2) ≤ errors) < δ 2^-bits.

    Args:
        bound, row_of, preset: as in `audit_certificate`; a bound whose terms have "bits".
    """
    rows: list[Row] = []
    fixed = {"mask_fixed": True} if bound == "occam" else {}
    for points, m in ((64, 64), (1000, 1000), (1000, 1500), *(((4000, 5000),) if preset == "full" else ())):
        found = draws(points, m, 40 if points < 1000 else 10)
        given = {"delta": DELTA, **fixed}
        lower, claim = nats([row_of(d.graph, d.sample, **given, **_measured(row_of, d)) for d in found])
        half = claim / (math.log(1 / DELTA) + (claim - math.log(1 / DELTA)) / 2)
        broken = (("half the bits", half), ("without the union", claim / math.log(1 / DELTA)))
        rows.append(
            Row(bound, "nats of the code", f"by heart, {points} points, m = {m}", lower, claim, 0.0, False, broken)
        )
    return rows


def nats(rows: Sequence[Bound]) -> tuple[float, float]:
    """Of networks that know their samples by heart: nats that they need, nats that their codes pay."""
    needed = [-log_binomial_cdf(row.terms["errors"], row.terms["m"], 0.5) for row in rows]
    paid = [math.log(1 / DELTA) + row.terms["bits"] * math.log(2) for row in rows]
    claim = float(np.mean(paid))
    return _quantile(np.array(needed) / np.array(paid)) * claim, claim


def audit_held_out() -> list[Row]:
    """Exact failure probability at the error rates where it is largest, against δ."""
    return [_limit(k, n, delta) for k, n, delta in ((0, 50, 0.05), (3, 100, 0.05), (10, 40, 0.001))]


def _limit(k: int, n: int, delta: float) -> Row:
    """The true error is a hair above the limit for k errors: the certificate fails if there are k errors or fewer."""
    draw = draws(1, 40, 1)[0]

    def value(errors: int) -> float:
        margins = np.where(np.arange(n) < errors, -1.0, 1.0)
        return held_out(draw.graph, draw.sample, delta=delta, test=Margins(margins)).value

    truth = math.nextafter(value(k), 1.0)
    failing = max((j for j in range(n + 1) if value(j) < truth), default=-1)
    failure = math.exp(log_binomial_cdf(failing, n, truth))
    fewer = [max(j - 1, 0) for j in range(n + 1)]
    below = max(j for j in range(n + 1) if binomial_upper(fewer[j], n, math.log(delta)) < truth)
    twin = math.exp(log_binomial_cdf(below, n, truth)) / failure
    broken = (("one error fewer", twin), ("δ doubled", 2.0))
    return Row(
        "held_out", "failure probability / δ", f"{k} of {n} errors, δ = {delta:g}", failure, delta, 0.0, False, broken
    )
