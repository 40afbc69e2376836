"""The path norm against all paths, one by one, and where logarithms are needed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import jax
import jax.numpy as jnp
import norms_oracle as oracle
import numpy as np
import pytest
from flax import linen as nn

from sparsebounds import bounds
from sparsebounds.bounds import norms
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Input

PATHS = 400_000
"""Paths into one output that are walked; networks with more are checked at their layers by the others."""


class Edges:
    """For every element of a graph: (|weight|, element below), element −1 for the constant that biases read."""

    def __init__(self, graph: Graph):
        self.of: dict[int, list[tuple[float, int]]] = {}
        for i, layer in enumerate(graph.layers):
            first = int(graph.offsets[i])
            if isinstance(layer, Input):
                continue
            for target, sources, weights in oracle.entries(layer):
                below = zip(np.abs(weights).tolist(), sources.tolist(), strict=True)
                self.of.setdefault(first + int(target), []).extend(below)
            for j, b in enumerate(() if getattr(layer, "bias", None) is None else layer.bias):
                self.of.setdefault(first + j, []).append((abs(float(b)), -1))
        self.inputs = graph.input.size

    def products(self, element: int) -> Iterator[float]:
        """Π |w| of every path from an input, or the constant, to this element."""
        if element < self.inputs:
            yield 1.0
            return
        for weight, below in self.of.get(element, ()):
            for product in self.products(below):
                yield weight * product

    def count(self, element: int, known: dict[int, int]) -> int:
        if element < self.inputs:
            return 1
        if element not in known:
            known[element] = sum(self.count(below, known) for _, below in self.of.get(element, ()))
        return known[element]


@pytest.mark.parametrize("name", oracle.ZOO)
def test_all_paths_of_the_zoo(name):
    graph = oracle.graph(name)
    edges, found = Edges(graph), norms.log_path_norms(graph)
    outputs = [r for r in (0, graph.classes - 1) if edges.count(int(graph.offsets[-2]) + r, {}) <= PATHS]
    if not outputs:
        assert name in ("scanned", "residual_post_activation")
        return
    for r in outputs:
        assert math.exp(found[r]) == pytest.approx(math.fsum(edges.products(int(graph.offsets[-2]) + r)), rel=1e-10)


def test_total_is_the_sum_over_outputs():
    graph = oracle.graph("native_biased")
    assert math.exp(norms.log_path_norm(graph)) == pytest.approx(np.exp(norms.log_path_norms(graph)).sum())


def test_residual_block_by_hand():
    """|2| through the skip, |−3| · |4| through the branch, |5| · |4| from its bias; then |7|, and the output's |1|."""

    def f(x):
        branch = jax.nn.relu(x @ jnp.array([[-3.0]]) + jnp.array([5.0])) @ jnp.array([[4.0]])
        return jax.nn.relu(x @ jnp.array([[2.0]]) + branch) @ jnp.array([[7.0]]) - jnp.array([1.0])

    graph = bounds.read_graph(f, np.ones((1, 1), np.float32))
    assert math.exp(norms.log_path_norm(graph)) == pytest.approx(7 * (2 + 12 + 20) + 1)


def test_max_pool_as_a_sum_and_as_the_largest():
    """Channel values after |w|: 1, 2, 3, 4 per site; a window of four: sum 10, four times the largest 16."""

    def f(x):
        z = jax.nn.relu(x * jnp.array([1.0, -2.0, 3.0, -4.0])[None])
        return nn.max_pool(z.reshape(-1, 2, 2, 1), (2, 2)).reshape(-1, 1) @ jnp.array([[1.0]])

    graph = bounds.read_graph(f, np.ones((1, 4), np.float32))
    assert math.exp(norms.log_path_norm(graph)) == pytest.approx(10.0)
    assert math.exp(norms.log_path_norm(graph, max_pool="max")) == pytest.approx(16.0)


def chain(scales: list[float]) -> Graph:
    """One ReLU unit per layer with these weights; scaled in the graph, since float32 cannot hold them."""

    def f(x):
        for _ in scales[:-1]:
            x = jax.nn.relu(x @ jnp.ones((1, 1)))
        return x @ jnp.ones((1, 1))

    graph = bounds.read_graph(f, np.ones((1, 1), np.float32))
    layers = [
        replace(layer, terms=(replace(layer.terms[0], weight=layer.terms[0].weight * s),))
        for layer, s in zip(graph.layers[1:], scales, strict=True)
    ]
    return replace(graph, layers=(graph.layers[0], *layers))


@pytest.mark.parametrize("scales", [[1e300] * 5, [1e-300] * 5, [1e300, 1e-300, 1e300, 1e-300], [5e-324, 1.0]])
def test_products_far_outside_float64(scales):
    assert norms.log_path_norm(chain(scales)) == pytest.approx(sum(map(math.log, scales)), rel=1e-12, abs=1e-9)


def test_hidden_units_can_be_rescaled():
    rng = np.random.default_rng(0)
    w1, w2, scale = rng.normal(size=(4, 6)), rng.normal(size=(6, 3)), 2.0 ** rng.integers(-40, 40, 6)
    a, b = (
        bounds.read_graph(lambda x, v=v, w=w: jax.nn.relu(x @ v) @ w, np.ones((1, 4), np.float32))
        for v, w in ((w1.astype(np.float32), w2.astype(np.float32)),
                     ((w1 * scale).astype(np.float32), (w2 / scale[:, None]).astype(np.float32)))
    )  # fmt: skip
    np.testing.assert_allclose(norms.log_path_norms(a), norms.log_path_norms(b), rtol=1e-12)


def test_an_output_that_no_path_reaches():
    graph = bounds.read_graph(lambda x: x @ jnp.array([[1.0, 0.0]]), np.ones((1, 1), np.float32))
    assert norms.log_path_norms(graph).tolist() == [0.0, -math.inf]
    zero = bounds.read_graph(
        lambda x: jax.nn.relu(x @ jnp.zeros((2, 3))) @ jnp.ones((3, 2)), np.ones((1, 2), np.float32)
    )
    assert norms.log_path_norm(zero) == -math.inf
    biased = bounds.read_graph(
        lambda x: jax.nn.relu(x @ jnp.zeros((2, 1))) @ jnp.ones((1, 2)) + jnp.array([3.0, 4.0]),
        np.ones((1, 2), np.float32),
    )
    assert math.exp(norms.log_path_norm(biased)) == pytest.approx(7.0)


def test_refusals():
    graph = bounds.read_graph(
        lambda x: jax.nn.relu(x @ jnp.array([[1.0, 1.0]])) @ jnp.ones((2, 1)), np.ones((1, 1), np.float32)
    )
    first = graph.layers[1]
    far = replace(first.terms[0], weight=np.array([[[1e-200, 1e200]]]))
    with pytest.raises(ValueError, match="280 decades"):
        norms.log_path_norms(replace(graph, layers=(graph.layers[0], replace(first, terms=(far,)), graph.layers[2])))
    nan = replace(first.terms[0], weight=np.array([[[np.nan, 1.0]]]))
    with pytest.raises(ValueError, match="not finite"):
        norms.log_path_norms(replace(graph, layers=(graph.layers[0], replace(first, terms=(nan,)), graph.layers[2])))
    with pytest.raises(ValueError, match="biases that are not finite"):
        broken = replace(first, bias=np.array([np.inf, 0.0]))
        norms.log_path_norms(replace(graph, layers=(graph.layers[0], broken, graph.layers[2])))
    with pytest.raises(ValueError, match="'sum' or 'max'"):
        norms.log_path_norms(graph, max_pool="mean")
