"""Prior, draw and certificate against literal NumPy, and everything that is refused."""

import math

import numpy as np
import pytest
from scipy.stats import beta

from sparsebounds import bounds


def linear(params, x):
    return x @ params["w"] + params["b"]


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 2000)
    return (rng.normal(size=(2000, 3)) + y[:, None]).astype(np.float32), y


@pytest.fixture
def weights():
    return {"w": np.array([[-1, 1]] * 3, np.float32), "b": np.array([1.5, -1.5], np.float32)}


def test_the_row_is_that_of_literal_numpy(data, weights):
    """R = ½|u|² + u·ε with ε from the seed, k counted, Clopper–Pearson by the beta quantile at δ π_j e^(−R_j)."""
    x, y = data
    scales = {"w": np.full((3, 2), 0.1), "b": 0.2}
    mean = {"w": weights["w"] + np.float32(0.03), "b": weights["b"]}
    drawn = bounds.draw(bounds.Prior(weights, scales), mean)
    rng = np.random.default_rng(drawn.seed)
    noise = {"b": rng.standard_normal(2), "w": rng.standard_normal(6).reshape(3, 2)}  # jax sorts the names
    u = {name: (mean[name].astype(float) - weights[name].astype(float)) / np.asarray(scales[name]) for name in "wb"}
    expected = sum(float(np.sum(u[name] ** 2 / 2 + u[name] * noise[name])) for name in "wb")
    assert drawn.log_ratio == pytest.approx(expected, rel=1e-12)
    w = {n: (weights[n] + scales[n] * (u[n] + noise[n])).astype(np.float32) for n in "wb"}
    assert all(np.array_equal(drawn.params[n], w[n]) for n in "wb")
    found = bounds.distance_certificate(linear, drawn, x, y, delta=0.01, budgets=(0, 5, 20))
    k = int(((x @ w["w"] + w["b"]).argmax(axis=1) != y).sum())
    budget = next(one for one in (0, 5, 20) if one >= expected)
    limit = beta.isf(0.01 / 3 * math.exp(-budget), k + 1, 2000 - k)
    assert found.terms["errors"] == k and found.terms["budget"] == budget
    assert found.value == pytest.approx(limit, rel=1e-7)
    assert found.value == pytest.approx(found.margin_error + found.complexity + found.confidence, rel=1e-12)
    assert found.guarantee == "certificate"
