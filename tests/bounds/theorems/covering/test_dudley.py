"""The entropy integral: recorded values, a literal twin, and the closed forms that it must not exceed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebounds.bounds.theorems.covering.dudley import (
    closed_form,
    dudley_upper,
    layered_log_covering,
    log_multisets_upper,
    sparsification_sizes,
)
from sparsebounds.bounds.theorems.covering.graf import params_form


def one_share(c, kinds):
    """The covering numbers with ω_i ∝ c_i^{2/3} alone."""
    share = c ** (2 / 3) / np.sum(c ** (2 / 3))
    return lambda radii: log_multisets_upper(kinds[:, None], sparsification_sizes(c, share, radii)).sum(axis=0)


def test_recorded_values():
    c, kinds = np.array([0.02, 0.01]), 2 * np.array([100.0, 50.0])
    found = dudley_upper(one_share(c, kinds), 1000)
    assert found.value == pytest.approx(0.0800, abs=2e-4)
    assert found.alpha == pytest.approx(0.00695, rel=0.01)
    assert dudley_upper(layered_log_covering(c, kinds), 1000).value <= found.value
    assert dudley_upper(layered_log_covering(10 * c, kinds), 60000).value <= 0.1339


def test_literal_twin():
    """Exact binomials, radius by radius, on the same kind of grid."""
    c, kinds, m = (0.3, 0.05, 0.1), (12, 40, 6), 500
    shares = [x ** (2 / 3) / sum(y ** (2 / 3) for y in c) for x in c]

    def log_n(radius):
        total = 0.0
        for x, w, n in zip(c, shares, kinds, strict=True):
            k = 0 if x <= w * radius else math.ceil((x / (w * radius)) ** 2)
            total += math.log(math.comb(n + k - 1, k))
        return total

    radii = [1e-4 * (0.5 / 1e-4) ** (i / 1500) for i in range(1501)]
    logs = [log_n(r) for r in radii]
    best, tail = 2.0, 0.0
    for i in range(len(radii) - 2, -1, -1):
        tail += (radii[i + 1] - radii[i]) * math.sqrt(logs[i])
        best = min(best, 4 * radii[i] + 12 / math.sqrt(m) * tail)
    found = dudley_upper(one_share(np.array(c), np.array(kinds, float)), m).value
    assert found == pytest.approx(best, rel=0.01)


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5])
def test_never_below_the_integral_and_close(power):
    m = 10**4
    found = dudley_upper(lambda e: 0.01 * e ** (-2 * power), m)

    def value(alpha):
        integral = math.log(0.5 / alpha) if power == 1 else (0.5 ** (1 - power) - alpha ** (1 - power)) / (1 - power)
        return 4 * alpha + 12 / math.sqrt(m) * 0.1 * integral

    exact = min(value(a) for a in np.geomspace(1e-8, 0.5, 3000))
    assert exact * (1 - 1e-4) <= found.value <= exact * 1.01
    assert value(found.alpha) <= found.value


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 400), st.integers(0, 3000))
def test_multisets_are_never_undercounted(kinds, size):
    exact = math.log(math.comb(kinds + size - 1, size))
    found = float(log_multisets_upper(float(kinds), np.array(float(size))))
    assert exact * (1 - 1e-12) - 1e-12 <= found <= exact * 1.002 + 0.005


def test_huge_multisets_grow_as_they_should():
    # log C(2 + k, k) = log((k+1)(k+2)/2); factorials of 1e30 would cancel to nothing.
    assert float(log_multisets_upper(3.0, np.array(1e30))) == pytest.approx(2 * math.log(1e30) - math.log(2), rel=1e-3)
    assert float(log_multisets_upper(3.0, np.array(1e201))) == math.inf


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-4, 4), min_size=1, max_size=5),
    st.lists(st.integers(1, 6), min_size=5, max_size=5),
    st.sampled_from([10, 1000, 10**5]),
)
def test_numeric_is_at_most_both_closed_forms(log_c, log_weights, m):
    c, weights = 10.0 ** np.array(log_c), 10.0 ** np.array(log_weights[: len(log_c)])
    numeric = dudley_upper(layered_log_covering(c, 2 * weights), m).value
    assert numeric <= 2.0 * (1 + 1e-9)
    assert numeric <= closed_form(c, 2 * float(weights.max()), m) * 1.006
    assert numeric <= params_form(c, weights, m) * 1.006


def test_closed_form_by_hand():
    # H_1 = 1, ⌈8^{2/3}⌉ = 4: 4/2 + 12/√2 · √log e⁴ · 4^{3/2} = 2 + 12/√2 · 2 · 8.
    assert closed_form(np.array([8.0]), math.exp(4), 2) == pytest.approx(2 + 192 / math.sqrt(2), rel=1e-12)
    assert closed_form(np.zeros(3), 100.0, 1000) == 0.0
    assert closed_form(np.array([1e300]), 100.0, 1000) > 1e290
    assert closed_form(np.array([math.inf]), 100.0, 1000) == math.inf
    assert closed_form(np.array([1.0]), 100.0, 1) == 4.0


def test_extremes_are_large_never_nan():
    kinds = np.array([10.0, 10.0])
    for c in ([1e160, 1.0], [math.inf, 0.0], [1e308, 1e308]):
        value = dudley_upper(layered_log_covering(np.array(c), kinds), 100).value
        assert value == pytest.approx(2.0)  # chaining stops at once
    assert dudley_upper(layered_log_covering(np.zeros(2), kinds), 100).value < 1e-6


def test_bad_covering_numbers_are_refused():
    for bad in (math.nan, -1.0):
        with pytest.raises(ValueError, match="covering numbers"):
            dudley_upper(lambda e, bad=bad: np.full_like(e, bad), 10)
    with pytest.raises(ValueError, match="m=0"):
        dudley_upper(np.zeros_like, 0)
