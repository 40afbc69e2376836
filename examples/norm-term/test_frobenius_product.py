"""Worked by hand: two layers whose norms are 5 and 1, two inputs of length 1."""

import jax
import numpy as np
from frobenius_product import frobenius_product

from sparsebounds import bounds

HIDDEN = np.array([[3.0, 0.0], [0.0, 4.0]], np.float32)
HEAD = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)


def test_every_factor():
    def f(x):
        return jax.nn.relu(x @ HIDDEN) @ HEAD

    x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
    graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
    row = frobenius_product(graph, sample, delta=0.001)
    assert row.terms["activations"] == 1
    assert np.isclose(row.terms["||X||_F"], np.sqrt(1000))  # 1000 inputs of length 1
    # scores' difference has one row (1, −1) of norm √2: scale √2 · 5, unit 1 · 2¹ · √1000
    c_j = row.terms["c_j"]
    assert np.sqrt(2) * 5 <= c_j <= np.sqrt(2) * 5 * 1.1 * (1 + 1e-9)
    assert np.isclose(row.terms["complexity uncapped"], 2 / 1000 * c_j * 2 * np.sqrt(1000))
