"""Layers that are no linear map: what they compute, and that no theorem takes one for something else."""

import jax
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.graph import ABSENT, Attention, Graph, Input, Normalise, Product, Unknown

RNG = np.random.default_rng(0)


def values(layer, x):
    """What one layer computes from the input x, (batch, size)."""
    return bounds.evaluate(Graph((Input((x.shape[1],), x.shape[1], 1), layer)), x)


def test_normalise_is_layer_norm_without_its_scale():
    x = RNG.normal(size=(3, 8))
    groups = np.arange(8, dtype=np.int32).reshape(2, 4)
    found = values(Normalise(2, 4, groups, groups, True, 1e-5), x).reshape(3, 2, 4)
    u = x.reshape(3, 2, 4)
    expected = (u - u.mean(2, keepdims=True)) / np.sqrt(u.var(2, keepdims=True) + 1e-5)
    assert np.allclose(found, expected, atol=1e-12)


def test_normalise_puts_its_groups_where_they_belong():
    x = RNG.normal(size=(2, 6))
    elements = np.array([[0, 2, 4], [1, 3, 5]], dtype=np.int32)
    found = values(Normalise(3, 2, elements, elements, False, 0.5), x)
    for start in (0, 1):
        u = x[:, start::2]
        assert np.allclose(found[:, start::2], u / np.sqrt((u**2).mean(1, keepdims=True) + 0.5))


def test_attention_is_the_softmax_of_scaled_products_with_a_mask():
    t, h, d = 3, 2, 2
    x = RNG.normal(size=(4, 3 * t * h * d))
    parts = np.arange(x.shape[1], dtype=np.int32).reshape(3, t, h, d)
    mask = np.tril(np.ones((t, t), dtype=bool))
    found = values(Attention(t, h * d, *parts, 0.7, mask), x)
    q, k, v = np.moveaxis(x.reshape(4, 3, t, h, d), 1, 0)
    expected = np.zeros((4, t, h, d))
    for b, i, j in np.ndindex(4, t, h):
        weights = np.exp(0.7 * (k[b, :, j] @ q[b, i, j])) * mask[i]
        expected[b, i, j] = weights @ v[b, :, j] / weights.sum()
    assert np.allclose(found, expected.reshape(4, -1), atol=1e-12)


def test_products_and_unknown_operations_run():
    x = RNG.normal(size=(4, 3))
    left, right = np.array([0, 1, ABSENT], np.int32), np.array([2, 1, 0], np.int32)
    assert np.allclose(
        values(Product(1, 3, left, right), x), np.stack([x[:, 0] * x[:, 2], x[:, 1] ** 2, 0 * x[:, 0]], 1)
    )
    layer = Unknown(1, 3, (np.arange(3, dtype=np.int32),), "sort", lambda z: np.sort(z, axis=1))
    assert np.allclose(values(layer, x), np.sort(x, axis=1))


@pytest.mark.parametrize("name", [name for name in bounds.BOUNDS if name not in ("held_out", "occam_quantised")])
def test_no_theorem_takes_an_unknown_layer_for_something_else(name):
    w = np.eye(3, dtype=np.float32)
    f = lambda x: jax.nn.relu(x @ w) @ w  # noqa: E731
    x, y = RNG.normal(size=(30, 3)).astype(np.float32), np.arange(30) % 3
    graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
    unknown = Unknown(
        1, 3, (np.arange(3, 6, dtype=np.int32),), "sort", lambda z: z, name="layers.1", where="a/b.py:3 (f)"
    )
    layers = (*graph.layers[:2], unknown, graph.layers[2].renumbered(lambda e: np.where(e >= 0, e + 3, e)))
    found = bounds.BOUNDS[name](Graph(layers), sample, delta=0.1)
    written = name in ("occam", "parameter_count")  # they need its program, and it has none
    why = "sort, whose program could not be written down"
    why = why if written else "sort at b.py:3 (f), which this theorem does not cover"
    assert not found.covered and found.note == f"not covered: layers.1 is {why}"
