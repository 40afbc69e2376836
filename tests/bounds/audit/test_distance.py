"""Certificates of one draw where the truth is known: honest ways fail at most as often as they may, slips do."""

import math

import numpy as np
import pytest

from sparsebounds.bounds.audit.certificates.distance import DELTA, audit_distance, sums, tail
from sparsebounds.bounds.audit.certificates.lottery import HONEST, SLIPS, TRUTH, lotteries

DRAWS = 2000


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_failures_over_2000_samples(name: str) -> None:
    """Adaptive steps, budgets, factors of layers, both forms, ten draws: at most δ = 0.05, up to the error of 2000."""
    values = np.array([HONEST[name](found) for found in lotteries(DRAWS, seed=7)])
    assert (values < TRUTH).mean() <= DELTA + 2 * math.sqrt(DELTA * (1 - DELTA) / DRAWS)
    assert (values < 1.0).all()


def test_the_searches_come_near() -> None:
    """A share of failures near δ: the simulation is no formality."""
    for name, least in (("half-space, one budget", 0.4), ("best of ten draws, paid", 0.6)):
        values = np.array([HONEST[name](found) for found in lotteries(200, seed=3)])
        assert (values < TRUTH).mean() > least * DELTA


@pytest.mark.parametrize("name", SLIPS)
def test_every_slip_is_refuted(name: str) -> None:
    values = np.array([SLIPS[name](found) for found in lotteries(120, seed=5)])
    assert (values < TRUTH).mean() > 2 * DELTA


def test_slips_of_arithmetic() -> None:
    assert all(row.catches(factor) for row in (sums(0), sums(1), tail(20, 2000, 800.0)) for _, factor in row.broken)
    assert sums(0).ratio == pytest.approx(1.0, abs=1e-12)


def test_the_rows_of_the_audit(monkeypatch) -> None:
    from sparsebounds.bounds.audit.certificates import distance

    monkeypatch.setattr(distance, "DRAWS", {"quick": 20})
    monkeypatch.setattr(distance, "SLIPPED", {"quick": 20})
    rows = list(audit_distance())
    assert not any(row.violated and not row.refuted for row in rows)
    assert {row.statement for row in rows if row.refuted} == {f"a twin of one draw: {name}" for name in SLIPS}
