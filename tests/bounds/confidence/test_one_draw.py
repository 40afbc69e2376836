"""E-values on a count: exact sums, the worst posterior of all by enumeration, figures worked elsewhere."""

import math
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from sparsebounds.bounds.confidence.binomial import binomial_upper, kl, kl_upper
from sparsebounds.bounds.confidence.one_draw import (
    budget_upper,
    calibrated_upper,
    log_g,
    log_xi,
    maurer_upper,
    one_sided_upper,
)

DELTA = 0.05


def g(k: int, m: int) -> Fraction:
    share = Fraction(k, m)
    return math.comb(m, k) * share**k * (1 - share) ** (m - k)


@pytest.mark.parametrize("m", [1, 2, 7, 40])
def test_g_and_its_sum_are_those_of_fractions(m):
    assert np.exp(log_g(m)) == pytest.approx([float(g(k, m)) for k in range(m + 1)], rel=1e-11)
    exact = sum(g(k, m) for k in range(m + 1))
    assert float(exact) <= math.exp(log_xi(m)) * (1 + 1e-15) and math.exp(log_xi(m)) == pytest.approx(float(exact))


def test_xi_at_30000():
    """log ξ = 5.38 where log 2√m = 5.85 (Maurer)."""
    assert log_xi(30000) == pytest.approx(5.38, abs=0.005)
    assert log_xi(30000) < math.log(2 + math.sqrt(math.pi * 30000 / 2)) < math.log(2 * math.sqrt(30000))


def test_maurer_solves_its_equation():
    assert 100 * kl(0.03, maurer_upper(3, 100, 4.0)) == pytest.approx(4.0 + log_xi(100), rel=1e-9)


def test_one_sided_solves_its_equation_with_the_step_function():
    m, k, nats = 100, 3, 4.0
    found = one_sided_upper(k, m, nats)
    z = float(sum(g(j, m) for j in range(math.floor(m * found) + 1)))
    assert m * kl(k / m, found) == pytest.approx(nats + math.log(z), rel=1e-9)
    grid = np.linspace(found + 1e-6, 1 - 1e-9, 2000)  # and nothing above satisfies it
    z = np.cumsum([float(g(j, m)) for j in range(m + 1)])[np.floor(m * grid).astype(int)]
    assert all(m * kl(k / m, p) > nats + math.log(zp) for p, zp in zip(grid, z, strict=True))


def test_a_negative_right_side_counts_as_zero():
    assert maurer_upper(30, 100, -50.0) == pytest.approx(0.3, abs=1e-7)
    assert one_sided_upper(30, 100, -50.0) == pytest.approx(0.3, abs=1e-7)
    assert calibrated_upper(30, 100, -50.0) == pytest.approx(binomial_upper(30, 100, -2.0), rel=1e-8)
    assert budget_upper(99, 100, -50.0, math.log(0.9999), (0.0,))[0] >= 0.99


@pytest.mark.parametrize(("ratio", "cost"), [(0, -2.0), (2, -2.2), (10, -2.5), (31, -2.8), (100, -3.2), (500, -3.6)])
def test_what_the_binomial_tail_gains_over_kl(ratio, cost):
    """m = 30000, k = 390, δ = 0.001: m kl(k/m‖limit) less R + log(1/δ)."""
    limit, _ = budget_upper(390, 30000, ratio, math.log(1e-3), (float(ratio),))
    assert 30000 * kl(0.013, limit) - ratio - math.log(1e3) == pytest.approx(cost, abs=0.05)


def test_the_smallest_budget_that_covers():
    budgets = (0.0, 2.0, 8.0)
    for nats, budget in ((-3.0, 0.0), (0.0, 0.0), (0.1, 2.0), (2.0, 2.0), (2.1, 8.0)):
        value, found = budget_upper(5, 200, nats, math.log(DELTA), budgets)
        assert found == budget
        assert value == pytest.approx(binomial_upper(5, 200, math.log(DELTA / 3) - budget), rel=1e-7)
    assert budget_upper(5, 200, 8.1, math.log(DELTA), budgets) == (1.0, math.inf)


def test_calibrated_solves_its_equation():
    """f(q) = e^nats with f(u) = 2/(u log² u), by a root of SciPy; f integrates to 1."""
    for nats in (1.5, 4.0, 20.0, 300.0):
        length = brentq(lambda v, n=nats: v + math.log(2) - 2 * math.log(v) - n, 2.0, nats + 60)
        assert calibrated_upper(40, 3000, nats) == pytest.approx(binomial_upper(40, 3000, -length), rel=1e-7)
    u = np.exp(-np.linspace(2, 2000, 2_000_001))
    length = np.linspace(2, 2000, 2_000_001)
    assert np.trapezoid(2 / length**2, length) + 2 / 2000 == pytest.approx(1.0, abs=1e-6) and u[0] == math.exp(-2)


LIMITS = {
    "maurer": lambda k, m, r: maurer_upper(k, m, r + math.log(1 / DELTA)),
    "one-sided": lambda k, m, r: one_sided_upper(k, m, r + math.log(1 / DELTA)),
    "budgets": lambda k, m, r: budget_upper(k, m, r, math.log(DELTA), (0.0, 1.0, 2.0, 5.0, 10.0))[0],
    "one budget": lambda k, m, r: budget_upper(k, m, r, math.log(DELTA), (0.0,))[0],
    "calibrated": lambda k, m, r: calibrated_upper(k, m, r + math.log(1 / DELTA)),
    "half budgets, half kl": lambda k, m, r: min(
        budget_upper(k, m, r, math.log(DELTA / 2), (0.0, 2.0, 5.0))[0], one_sided_upper(k, m, r + math.log(2 / DELTA))
    ),
}


def worst(limit, m: int, error: float) -> float:
    """Over all posteriors: P(fail)/δ ≤ (1/δ) Σ_k P(Bin(m, L) = k) sup{r: limit(k, r) < L}, attained by Tonelli."""
    total = 0.0
    for k in range(m + 1):
        low, high = -12.0, 12.0
        if limit(k, m, low) >= error:
            continue
        for _ in range(30):
            middle = (low + high) / 2
            low, high = (middle, high) if limit(k, m, middle) < error else (low, middle)
        total += float(binom.pmf(k, m, error)) * math.exp(low)
    return total / DELTA


@pytest.mark.parametrize(("name", "least"), [("maurer", 0.3), ("one-sided", 0.9), ("budgets", 0.2), ("one budget", 0.5),
                                             ("calibrated", 0.1), ("half budgets, half kl", 0.3)])  # fmt: skip
def test_no_posterior_whatever_fails_more_often(name, least):
    """Every posterior at once, by enumeration, errors beside k/m among them; the search is sharp."""
    found = [
        worst(LIMITS[name], m, error)
        for m in (2, 7, 20)
        for error in (0.02, 0.3, 0.5, 0.9, 1 / m - 1e-9, 1 / m + 1e-9, 2 / m + 1e-9)
        if error < 1
    ]
    assert least < max(found) <= 1 + 1e-6


def test_without_z_the_same_enumeration_says_no():
    bare = lambda k, m, r: kl_upper(k / m, max(r + math.log(1 / DELTA), 0.0) / m)  # noqa: E731
    assert max(worst(bare, 20, error) for error in (0.3, 0.5)) > 1


def test_logarithms_hold_where_the_probability_is_zero():
    """At 1500 nats scipy's tail is −∞ and gives too small a limit; the exact rational tail at ours is as asked."""
    k, m, nats = 20, 2000, 1500.0
    found, _ = budget_upper(k, m, nats, math.log(1e-3), (nats,))
    below = Fraction(round(found * (1 - 1e-6) * 2**40), 2**40)
    exact = sum(math.comb(m, i) * below**i * (1 - below) ** (m - i) for i in range(k + 1))
    assert _log(exact) > math.log(1e-3) - nats
    naive = brentq(lambda p: -1 if binom.logcdf(k, m, p) > math.log(1e-3) - nats else 1, 0.01, 0.999)
    assert naive < found - 0.02


def _log(x: Fraction) -> float:
    shift = x.numerator.bit_length() - x.denominator.bit_length()
    return math.log(float(x / Fraction(2) ** shift)) + shift * math.log(2)
