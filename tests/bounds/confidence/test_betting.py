"""The betting e-value on differences: exact expectations, monotone, one root, no category left out."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import multinomial

from sparsebounds.bounds.confidence.betting import STAKES, excess_upper, log_betting

DELTA = 0.05
POINTS = [(0.1, 0.3), (0.3, 0.1), (0.02, 0.01), (0.0, 0.4), (0.5, 0.5), (0.9, 0.0), (0.05, 0.0), (0.0, 0.95)]


def literal(plus, minus, m, d):
    x = np.repeat([1.0, -1.0, 0.0], [plus, minus, m - plus - minus])
    cut = [min(stake, 1 / (1 - d)) if d < 1 else stake for stake in STAKES]
    return np.mean([np.prod(1 + one * (d - x)) for one in cut])


def types(m):
    return [(a, b) for a, b in itertools.product(range(m + 1), repeat=2) if a + b <= m]


@pytest.mark.parametrize(("p", "q"), POINTS)
def test_its_expectation_is_one(p, q):
    """Over all outcomes of m = 6 with probabilities (p, q, rest); D = p − q."""
    m = 6
    total = sum(
        float(multinomial.pmf([a, b, m - a - b], m, [p, q, 1 - p - q])) * math.exp(log_betting(a, b, m, p - q))
        for a, b in types(m)
    )
    assert total == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize(("plus", "minus"), [(0, 0), (0, 3), (3, 0), (2, 5), (9, 0), (0, 9)])
def test_it_is_the_literal_product_and_increases(plus, minus):
    found = []
    for d in np.linspace(-0.999, 1.0, 101):
        expected = literal(plus, minus, 9, d)
        found.append(log_betting(plus, minus, 9, d))
        assert math.exp(found[-1]) == pytest.approx(expected, rel=1e-9, abs=1e-300)
    assert all(a <= b + 1e-12 for a, b in itertools.pairwise(found))


def test_the_root():
    found = excess_upper(37, 41, 5000, 9.0)
    assert log_betting(37, 41, 5000, found) == pytest.approx(9.0, rel=1e-6)
    assert log_betting(37, 41, 5000, found) >= 9.0  # not below the root


def test_no_sample_where_the_first_alone_is_wrong():
    """plus = 0 needs no case of its own: by hand, minus = 0 too, the product of λ = 1 is (1 + D)^m."""
    m, nats = 50, 8.0
    found = excess_upper(0, 0, m, nats)
    assert np.mean([(1 + stake * found) ** m for stake in STAKES]) == pytest.approx(math.exp(nats), rel=1e-9)
    assert found > 0 and excess_upper(0, 5, m, nats) > excess_upper(0, 0, m, nats) - 0.2


def test_extremes():
    assert excess_upper(5, 0, 5, 1.0) == 1.0
    assert excess_upper(1, 0, 10, 1e6) == 1.0
    assert excess_upper(0, 10, 10, -40.0) < -0.99
    for bad in ((-1, 0, 5), (3, 3, 5), (0, 0, 0)):
        with pytest.raises(ValueError, match="disjoint"):
            excess_upper(*bad, 1.0)


def worst(m, p, q):
    """Of all posteriors: (1/δ) Σ P(type) sup{r: the bound is below D}."""
    total, d = 0.0, p - q
    for a, b in types(m):
        low, high = -12.0, 14.0
        if excess_upper(a, b, m, low + math.log(1 / DELTA)) >= d:
            continue
        for _ in range(26):
            middle = (low + high) / 2
            low, high = (middle, high) if excess_upper(a, b, m, middle + math.log(1 / DELTA)) < d else (low, middle)
        total += float(multinomial.pmf([a, b, m - a - b], m, [p, q, 1 - p - q])) * math.exp(low)
    return total / DELTA


@pytest.mark.parametrize(("p", "q"), [(0.3, 0.1), (0.02, 0.01), (0.5, 0.5), (0.2, 0.0)])
def test_no_posterior_whatever_fails_more_often(p, q):
    assert 0.5 < worst(5, p, q) <= 1 + 1e-6
