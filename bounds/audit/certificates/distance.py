"""Certificates of one drawn network: shares of failures where the truth is known, with every slip that voids them.

Besides two slips of arithmetic: sums in float32, and a binomial tail that underflows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom

from sparsebounds.bounds.audit.certificates.lottery import HONEST, NETWORKS, SAMPLES, SLIPS, TRUTH, Attempt, lotteries
from sparsebounds.bounds.audit.moments.theorem_3 import DELTA, failures
from sparsebounds.bounds.audit.run import Row
from sparsebounds.bounds.audit.theorems.cases import Preset
from sparsebounds.bounds.certificates.distance.drawing import draw
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.confidence.one_draw import budget_upper

DRAWS = {"quick": 100, "full": 2000}
SLIPPED = {"quick": 150, "full": 200}
WEIGHTS = 10**6


def audit_distance(preset: Preset = "quick") -> Iterator[Row]:
    """Every honest way and every slip on the lottery, and the two slips of arithmetic."""
    for number, (name, attempt) in enumerate(HONEST.items()):
        yield _row("one draw, share of failures / δ", name, attempt, DRAWS[preset], number)
    for number, (name, attempt) in enumerate(SLIPS.items()):
        yield _row(f"a twin of one draw: {name}", name, attempt, SLIPPED[preset], 100 + number, refuted=True)
    for seed in range(4):
        yield sums(seed)
    for nats in (800.0, 1500.0):
        yield tail(20, 2000, nats)


def _row(statement: str, name: str, attempt: Attempt, draws: int, seed: int, refuted: bool = False) -> Row:
    values = np.array([attempt(found) for found in lotteries(draws, seed)])
    share, error = failures(values, TRUTH)
    case = f"{name}, {NETWORKS} networks, m = {SAMPLES}"
    return Row("distance", statement, case, share, DELTA, error, refuted)


def sums(seed: int) -> Row:
    """log r of a draw of 10⁶ weights, against the sum without rounding; the twin adds up float32 numbers in turn."""
    rng = np.random.default_rng(seed)
    mean = (0.05 * rng.standard_normal(WEIGHTS)).astype(np.float32)
    drawn = draw(Prior({"w": np.zeros(WEIGHTS, np.float32)}, 1.0), {"w": mean}, seed=seed)
    noise = np.random.default_rng(seed).standard_normal(WEIGHTS)
    u = mean.astype(np.float64)
    exact = math.fsum(0.5 * u * u + u * noise)
    short = (0.5 * mean * mean + mean * noise.astype(np.float32)).astype(np.float32)
    single = float(np.cumsum(short, dtype=np.float32)[-1])
    twins = (("sums in float32", drawn.log_ratio / single),)
    return Row(
        "distance", "log ratio of the draw", f"10⁶ weights, number {seed}", exact, drawn.log_ratio, 0.0, False, twins
    )


def tail(k: int, m: int, nats: float) -> Row:
    """The exact binomial limit far below the least float64; what lies just below it is checked in whole numbers."""
    claim, _ = budget_upper(k, m, nats, math.log(DELTA), (nats,))
    lower = claim * (1 - 1e-7)
    if not _tail_is_at_least(k, m, Fraction(round(lower * 2**48), 2**48), math.log(DELTA) - nats):
        raise ArithmeticError(f"{k} of {m} at {nats} nats: the tail just below the limit is smaller than asked")
    with np.errstate(all="ignore"):
        asked = math.log(DELTA) - nats
        naive = brentq(lambda p: -1.0 if binom.logcdf(k, m, p) >= asked else 1.0, k / m, 1 - 1e-12)
    twins = (("binom.logcdf, which underflows at 745 nats", claim / float(naive)),)
    return Row(
        "distance", "binomial limit in logarithms", f"{k} of {m}, {nats:.0f} nats", lower, claim, 0.0, False, twins
    )


def _tail_is_at_least(k: int, m: int, p: Fraction, log_q: float) -> bool:
    """P(Bin(m, p) ≤ k) ≥ q in rational arithmetic."""
    a, b = p.numerator, p.denominator - p.numerator
    total = sum(math.comb(m, i) * a**i * b ** (m - i) for i in range(k + 1))
    bits = total.bit_length()  # log total = bits·log 2 + log(total/2^bits)
    mantissa = total >> max(bits - 60, 0)
    log_total = math.log(mantissa) + max(bits - 60, 0) * math.log(2)
    return log_total - m * math.log(p.denominator) >= log_q
