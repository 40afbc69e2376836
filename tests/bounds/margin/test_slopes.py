"""Slopes are customary in the numbers of the network itself, and pay by their width."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.margin.slopes import slope_prices


@pytest.mark.parametrize(("kind", "bits"), [("float64", 63), ("float32", 31), ("float16", 15), ("bfloat16", 15)])
def test_the_width_is_that_of_the_number(kind, bits):
    assert slope_prices([0.2371], [kind])["slopes of activations"] == pytest.approx((bits + 1) * math.log(2))
    assert slope_prices([float(np.asarray(0.01, jnp.dtype(kind)))], [kind]) == {}


def test_near_a_customary_slope_is_not_customary():
    near = float(np.nextafter(np.float32(0.2), np.float32(1)))
    assert slope_prices([near], ["float32"]) and slope_prices([0.2 + 1e-7], ["float64"])
    assert slope_prices([float(np.float32(0.2))], ["float64"]), "another number in float64"


@pytest.mark.parametrize(("kind", "bits"), [(np.float64, 63), (np.float32, 31), (np.float16, 15)])
def test_a_network_pays_by_its_own_type(kind, bits):
    with jax.enable_x64(kind is np.float64):
        x, y = np.random.default_rng(0).normal(size=(50, 2)).astype(kind), np.arange(50) % 2
        eye = np.eye(2, dtype=kind)

        def row(slope):
            def f(x):
                h = x @ eye
                return jnp.where(h > 0, h, np.asarray(slope, kind) * h) @ eye

            return bounds.peeling(bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), delta=0.01, gamma=1.0)

        assert row(0.2371).terms["nats: slopes of activations"] == pytest.approx((bits + 1) * math.log(2))
        assert "nats: slopes of activations" not in row(0.01).terms
