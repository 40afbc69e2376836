"""The held-out bound: coverage, hand-worked numbers, and its place in the table."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.confidence.binomial import binomial_upper, kl
from sparsebounds.bounds.sample.margins import Margins


def network(x):
    return x @ np.eye(2, dtype=np.float32)


X = np.eye(2, dtype=np.float32)[[0, 1] * 20]
Y = np.array([0, 1] * 20)
GRAPH, SAMPLE = bounds.read_graph(network, X[:2]), bounds.Sample.measure(network, X, Y)


def margins(errors, n):
    return Margins(np.where(np.arange(n) < errors, -1.0, 1.0))


def bound(errors, n, delta=0.05):
    return bounds.held_out(GRAPH, SAMPLE, delta=delta, test=margins(errors, n))


def test_hand_worked():
    assert bound(5, 100).value == pytest.approx(0.102253378, abs=1e-9)
    assert bound(0, 1).value == pytest.approx(0.95, abs=1e-12)  # 1 − δ
    assert bound(0, 100).value == pytest.approx(1 - 0.05**0.01, abs=1e-12)
    assert bound(1, 2).value == pytest.approx(math.sqrt(0.95), abs=1e-12)  # 1 − e² = δ
    assert bound(7, 7).value == 1.0
    assert kl(0.001, bound(1000, 10**6, delta=1e-300).value) == pytest.approx(690.8e-6, rel=0.01)  # Chernoff's exponent
    b = bound(5, 100)
    assert (b.margin_error, b.complexity, b.guarantee) == (0.05, 0.0, "published")  # numbers alone
    assert b.confidence == pytest.approx(b.value - 0.05) and "orientation" in b.note
    assert b.terms["errors"], b.terms["held-out samples"] == (5, 100)


@pytest.mark.parametrize(("k", "n", "delta"), [(2, 50, 0.1), (7, 20, 0.05), (1, 200, 0.2), (0, 30, 0.1)])
def test_coverage(k, n, delta):
    """2000 draws at the worst error, just above the limit for k: failures δ, up to three standard errors; a bound that
    leaves one error out is caught."""
    error = bound(k, n, delta).value + 1e-9
    drawn = np.random.default_rng(7).binomial(n, error, size=2000)
    limits = {k: bound(k, n, delta).value for k in set(drawn.tolist())}
    allowed = delta + 3 * math.sqrt(delta * (1 - delta) / 2000)
    assert 0.8 * delta < np.mean([limits[k] < error for k in drawn.tolist()]) <= allowed
    broken = {k: binomial_upper(max(k - 1, 0), n, math.log(delta)) for k in limits}
    assert np.mean([broken[k] < error for k in drawn.tolist()]) > allowed


def test_the_network_and_its_held_out_samples():
    """Through Sample.measure: its errors, and the truth of a noisy problem below the bound."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(500, 2)).astype(np.float32)
    y = np.where(rng.random(500) < 0.2, 1, 0) ^ (x[:, 1] > x[:, 0])
    test = bounds.Sample.measure(network, x, y)
    b = bounds.held_out(GRAPH, SAMPLE, delta=1e-3, test=test)
    assert b.margin_error == test.train_error and 0.2 < b.value < 0.3
    own = replace(test, preprocessing="sample")
    assert bounds.held_out(GRAPH, SAMPLE, delta=1e-3, test=own).guarantee == "published"


def test_monotone():
    values = [[bound(k, n).value for k in range(0, n + 1, n // 10)] for n in (10, 100, 1000)]
    for row in values:
        assert row == sorted(row) and row[0] < row[-1] == 1.0
    assert all(a >= b for few, many in itertools.pairwise(values) for a, b in zip(few, many, strict=True))
    by_delta = [bound(5, 100, d).value for d in (0.99, 0.5, 0.05, 1e-9)]
    assert by_delta == sorted(by_delta) and by_delta[0] >= 0.05


def test_without_held_out_samples_it_is_no_row_of_numbers():
    b = bounds.held_out(GRAPH, SAMPLE, delta=0.05)
    assert not b.covered and "x_test" in b.note


def test_in_the_table():
    options = {"delta": 0.05, "names": ["held_out", "occam"]}
    alone = bounds.table(network, X, Y, **options).set_index("bound")
    assert math.isnan(alone.value.held_out) and "held-out" in alone.note.held_out
    assert math.isnan(alone.test_error.held_out) and alone.value.occam > 0
    wrong = Y.copy()
    wrong[:2] = 1 - wrong[:2]
    rows = bounds.table(network, X, Y, X[:39], wrong[:39], **options).set_index("bound")
    assert rows.value.held_out == bound(2, 39).value
    assert rows.margin_error.held_out == rows.test_error.held_out == 2 / 39
    assert rows.value.occam == alone.value.occam


def test_bad_arguments():
    with pytest.raises(ValueError, match="training sample itself"):
        bounds.held_out(GRAPH, SAMPLE, delta=0.05, test=SAMPLE)
    for bad in (np.zeros(0), np.zeros((2, 2)), np.array([1.0, np.nan])):
        with pytest.raises(ValueError, match="held-out margins"):
            bounds.held_out(GRAPH, SAMPLE, delta=0.05, test=Margins(bad))
    for delta in (0.0, 1.0, -0.1, math.nan):
        with pytest.raises(ValueError, match="delta"):
            bounds.held_out(GRAPH, SAMPLE, delta=delta, test=margins(1, 5))
