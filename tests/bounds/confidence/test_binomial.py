"""Binomial and kl inversion: exact rational arithmetic, the beta quantile, extremes."""

import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from sparsebounds.bounds.confidence.binomial import binomial_upper, kl, kl_upper, log_binomial_cdf

LOG2 = math.log(2)


def exact_cdf(k: int, n: int, e: float) -> Fraction:
    p = Fraction(e)
    return sum((math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1)), Fraction(0))


def test_vectors():
    assert binomial_upper(5, 100, math.log(0.05)) == pytest.approx(0.102253378, abs=1e-9)
    assert kl_upper(0.1, 0.05) == pytest.approx(0.220078601, abs=1e-9)


@pytest.mark.parametrize("delta", [0.5, 0.05, 1e-3, 1e-12])
@pytest.mark.parametrize(("k", "n"), [(0, 1), (0, 50), (1, 2), (7, 50), (49, 50), (300, 60000), (30000, 60000)])
def test_is_the_clopper_pearson_limit(k, n, delta):
    expected = beta.isf(delta, k + 1, n - k)
    assert binomial_upper(k, n, math.log(delta)) == pytest.approx(expected, rel=1e-8)


@given(st.integers(1, 40), st.data(), st.integers(0, 3000))
@settings(max_examples=60, deadline=None)
def test_never_below_the_exact_limit(n, data, bits):
    """Rational arithmetic, no rounding: the tail at the returned point is at most δ·2^-bits, and just below it more."""
    k = data.draw(st.integers(0, n - 1))
    delta = Fraction(1, 1024) / 2**bits
    upper = binomial_upper(k, n, -(10 + bits) * LOG2)
    assert exact_cdf(k, n, upper) <= delta
    lower = upper * (1 - 1e-9)
    if upper < 1 - 1e-6:
        assert exact_cdf(k, n, lower) > delta


def test_no_errors_by_hand():
    """(1−e)^n = δ·2^-bits."""
    assert binomial_upper(0, 10, -1000 * LOG2) == 1.0  # 1 − 2^-100
    assert binomial_upper(0, 10, -10 * LOG2) == pytest.approx(0.5, abs=1e-12)
    assert binomial_upper(0, 1, math.log(0.25)) == pytest.approx(0.75, abs=1e-12)
    assert binomial_upper(0, 10**6, math.log(1e-3) - 100 * LOG2) == pytest.approx(7.62e-5, rel=1e-3)


def test_extremes():
    assert binomial_upper(10, 10, math.log(0.05)) == 1.0
    assert binomial_upper(1, 1, -1e6) == 1.0
    assert binomial_upper(5, 100, math.log(0.05) - 1e6 * LOG2) == 1.0
    million = binomial_upper(100_000, 2_000_000, math.log(0.05) - 1e6 * LOG2)
    assert 0.05 + 0.3 < million < kl_upper(0.05, (1e6 * LOG2 - math.log(0.05)) / 2e6)  # below Chernoff
    nearly_one = binomial_upper(0, 2, math.log1p(-1e-12))
    assert 0 < nearly_one < 1e-10


def test_delta_far_below_the_smallest_float():
    """δ·2^-50000 is 0 in float64; the limit is not 1."""
    log_delta = math.log(0.05) - 50000 * LOG2
    upper = binomial_upper(600, 60000, log_delta)
    assert math.exp(log_delta) == 0.0
    assert log_binomial_cdf(600, 60000, upper) == pytest.approx(log_delta, abs=1e-4)
    assert 0.4 < upper < 0.6


@given(st.integers(1, 300), st.data(), st.floats(-500, -1e-3))
@settings(max_examples=60, deadline=None)
def test_monotone(n, data, log_delta):
    k = data.draw(st.integers(0, n))
    here = binomial_upper(k, n, log_delta)
    assert 0 < here <= 1
    assert binomial_upper(k, n, log_delta * 1.5) >= here
    if k < n:
        assert binomial_upper(k + 1, n, log_delta) >= here
    assert binomial_upper(k, n + 1, log_delta) <= here
    assert here <= kl_upper(k / n, -log_delta / n) + 1e-12 or k / n > here


@given(st.floats(0, 1), st.floats(0, 50))
@settings(max_examples=200, deadline=None)
def test_kl_upper_never_below(q, budget):
    p = kl_upper(q, budget)
    assert q <= p <= 1
    assert kl(q, p) >= budget * (1 - 1e-12) or p == 1.0
    if p < 1 - 1e-6 and budget > 1e-9:
        assert kl(q, q + (p - q) * (1 - 1e-5)) < budget
    assert p <= q + math.sqrt(budget / 2) + 1e-7  # Pinsker


def test_log_cdf_is_exact_arithmetic():
    for k, n, e in ((0, 1, 0.25), (3, 9, 0.125), (8, 9, 0.5), (2, 40, 0.9375)):
        assert math.exp(log_binomial_cdf(k, n, e)) == pytest.approx(float(exact_cdf(k, n, e)), rel=1e-12)
    assert log_binomial_cdf(4, 4, 1.0) == 0.0 == log_binomial_cdf(0, 4, 0.0)
    assert log_binomial_cdf(3, 4, 1.0) == -math.inf


@pytest.mark.parametrize(
    "call",
    [
        lambda: binomial_upper(-1, 5, -1.0),
        lambda: binomial_upper(6, 5, -1.0),
        lambda: binomial_upper(0, 0, -1.0),
        lambda: binomial_upper(0, 5, 0.0),
        lambda: binomial_upper(0, 5, -math.inf),
        lambda: binomial_upper(0, 5, math.nan),
        lambda: log_binomial_cdf(0, 5, 1.5),
        lambda: kl_upper(1.5, 0.1),
        lambda: kl_upper(0.5, -0.1),
    ],
)
def test_bad_arguments(call):
    with pytest.raises(ValueError, match="needed"):
        call()
