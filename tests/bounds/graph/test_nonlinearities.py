"""What is said of an activation is true of it: slopes, value at zero, symmetry, largest value."""

import numpy as np
import pytest

from sparsebounds.bounds.graph.nonlinearities import FIXED, celu, clip, elu, silu, soft_shrink, two_slopes

FAMILIES = (silu(), silu(1.702), silu(0.3), elu(), elu(2.0), celu(0.5), clip(0, 6), clip(-1, 2), clip(-np.inf, 1))
ALL = (*FIXED, *FAMILIES, soft_shrink(0.5), two_slopes(-0.5, 1.0), two_slopes(2.0, 1.0))
T = np.linspace(-40, 40, 2_000_001)


@pytest.mark.parametrize("function", ALL, ids=lambda f: f"{f.name}{f.numbers}")
def test_what_is_said_is_true(function):
    values = function.apply(T)
    slopes = np.diff(values) / np.diff(T)
    noise = 4e-10  # of float64 differences over 1e-5
    assert function.low - noise <= slopes.min() and slopes.max() <= function.high + noise
    assert slopes.min() <= function.low + 1e-3 and slopes.max() >= function.high - 1e-3, "no slope is given away"
    assert function.apply(np.zeros(1))[0] == pytest.approx(function.at_zero, abs=1e-15)
    assert np.abs(values).max() <= function.bound * (1 + 1e-15)
    assert function.odd == bool(np.allclose(values, -function.apply(-T), atol=1e-12))
    assert function.homogeneous == bool(np.allclose(3 * values, function.apply(3 * T), atol=1e-9))
    assert function.lipschitz == max(abs(function.low), abs(function.high))
