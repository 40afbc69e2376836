"""Theorem 1: constants by hand, the pass against enumerated paths and enumerated signs, invariances, refusals."""

import itertools
import math
from dataclasses import replace

import jax
import networks
import numpy as np
import pytest
from networks import network
from node_moments import moments, top

from sparsebounds import bounds
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.moments import (
    P_GRID,
    contraction,
    khintchine,
    read_plan,
    window,
)

DEPTH = {1: 1.2071, 2: 1.455, 3: 1.686, 5: 2.064, 8: 2.52, 10: 2.79, 20: 3.84, 50: 5.96}


# ---- constants -----------------------------------------------------------------------------------


def test_constants_by_hand():
    """p = 2: s = (1 + √2)/2, B = 1; p = 4: E (Σξ)⁴ = 3 for many equal numbers; two elements then ReLU: D = 2."""
    assert contraction(2.0) == pytest.approx((1 + math.sqrt(2)) / 2)
    assert contraction(2.0, 0.5) == pytest.approx(0.75 + 0.25 * math.sqrt(2))
    assert khintchine(2.0) == pytest.approx(1) and khintchine(4.0) == pytest.approx(3**0.25)
    root = math.sqrt(2)
    assert [float(window(2.0, k)) for k in (1, 2, 3, 4, 9)] == pytest.approx(
        [1, (1 + root) / 2, (1 + 3 * root) / 4, (1 + 3 * root) / 4, (1 + 15 * root) / 16]
    )
    assert window(2.0, 2, 0.0) == pytest.approx(float(window(2.0, 4)))
    assert window(2.0, 2, 1.0) == pytest.approx(float(window(2.0, 2)))


@pytest.mark.parametrize("depth", DEPTH)
def test_the_factor_of_depth(depth):
    p = np.linspace(2, 60, 6000)
    assert (khintchine(p) * contraction(p) ** depth).min() == pytest.approx(DEPTH[depth], rel=2e-3)
    grid = np.array(P_GRID)
    assert (khintchine(grid) * contraction(grid) ** depth).min() <= 1.02 * DEPTH[depth]


@pytest.mark.parametrize("m", [1, 2, 5, 8])
@pytest.mark.parametrize("p", [2.0, 3.0, 6.0, 10.0])
def test_khintchine_by_all_signs(m, p):
    signs = np.array(list(itertools.product((-1, 1), repeat=m)))
    exact = np.mean(np.abs(signs.sum(1)) ** p) ** (1 / p)
    assert exact <= khintchine(p) * math.sqrt(m) * (1 + 1e-12)
    # Dropping B is caught: at p = 6 and m = 8 the ratio to √m is 1.50.
    assert m < 8 or p < 6 or exact > 1.4 * math.sqrt(m)


# ---- against all paths ---------------------------------------------------------------------------


@pytest.mark.parametrize("biased", [False, True])
def test_tap_form_is_the_sum_over_all_paths(biased):
    """A 6×6 image, two 2×2 convolutions: 16 paths into each of the 16 nodes, and those from the constant."""
    net = networks.two_convolutions(biased)
    graph = bounds.read_graph(networks.network("native_biased" if biased else "native").f, networks.images()[:2])
    rng = np.random.default_rng(3)
    energies, m, p = rng.uniform(0, 5, (6, 6, 2)), 30, 3.0
    s, b = float(contraction(p)), float(khintchine(p))
    root = np.sqrt(energies.sum(-1))
    k1, k2 = (np.sqrt(np.square(k.astype(float)).sum((2, 3))) for k in (net.k1, net.k2))
    expected = np.zeros((4, 4))
    for i, j in np.ndindex(4, 4):
        for (a, c), (d, e) in itertools.product(np.ndindex(2, 2), np.ndindex(2, 2)):
            expected[i, j] += s * s * k2[a, c] * k1[d, e] * b * root[i + a + d, j + c + e]
        if biased:
            b1, b2 = (np.linalg.norm(v.astype(float)) * b * math.sqrt(m) for v in (net.b1, net.b2))
            expected[i, j] += s * s * k2.sum() * b1 + s * b2
    found = top(graph, moments(graph, energies, m, p, tap=True))
    np.testing.assert_allclose(found.reshape(4, 4), expected, rtol=1e-6)


def test_frobenius_form_by_hand():
    """One 2×2 kernel with taps of norm 1, 2, 2, 4 (norm 5), energies 1: tap form 9 s, one number 5·√4 s."""
    kernel = np.array([1.0, 2.0, 2.0, 4.0], np.float32).reshape(2, 2, 1, 1)
    f = lambda x: networks.flat(jax.nn.relu(networks.conv(x, kernel))) @ np.ones((4, 2), np.float32)  # noqa: E731
    graph = bounds.read_graph(f, np.ones((1, 3, 3, 1), np.float32))
    s = (1 + math.sqrt(2)) / 2
    assert top(graph, moments(graph, np.ones((3, 3, 1)), 1, tap=True)) == pytest.approx([9 * s] * 4)
    assert top(graph, moments(graph, np.ones((3, 3, 1)), 1)) == pytest.approx([10 * s] * 4)


@pytest.mark.parametrize(
    "name", ["native_biased", "max_pooled", "residual_post_activation", "average_pooled", "grouped"]
)
@pytest.mark.parametrize("nodes", ["position", "scalar"])
def test_tap_form_is_never_above_frobenius_form(name, nodes):
    net = network(name)
    graph = bounds.read_graph(net.f, net.x[:2]).partition(nodes)
    energies = np.random.default_rng(0).uniform(0, 3, net.x.shape[1:])
    tap, ball = (moments(graph, energies, 20, 2.5, tap=t) for t in (True, False))
    assert (tap <= ball * (1 + 1e-12)).all()
    assert nodes == "scalar" or (tap < 0.999 * ball).any()


# ---- against all signs ---------------------------------------------------------------------------

ANGLES = np.linspace(0, 2 * np.pi, 1500, endpoint=False)
DIRECTIONS = np.stack([np.cos(ANGLES), np.sin(ANGLES)])  # unit rows of a class with ‖w‖ ≤ 1 in the plane


def supremum(values, p):
    """(E sup_u |Σ_n ξ_n values[n, u]|^p)^{1/p} over all signs, exactly, up to the grid of u."""
    signs = np.array(list(itertools.product((-1, 1), repeat=len(values))))
    return float(np.mean(np.abs(signs @ values).max(1) ** p) ** (1 / p))


def inputs(seed, m, shape):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(m, *shape)) + rng.uniform(0, 3) * rng.normal(size=shape)
    return x if seed % 3 else np.repeat(x[:1], m, axis=0)


def one_layer(shape, activate=lambda t: t):
    """A 1×1 convolution with two channels in, activation or pooling, one dense layer above."""
    kernel = np.ones((1, 1, 2, 1), np.float32) / math.sqrt(2)

    def f(x):
        z = activate(networks.conv(x, kernel))
        return networks.flat(z) @ np.ones((math.prod(z.shape[1:]), 2), np.float32)

    return bounds.read_graph(f, np.ones((2, *shape, 2), np.float32))


@pytest.mark.parametrize("slope", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("p", [2.0, 4.0])
def test_one_activation_by_all_signs(slope, p):
    """sup over rows w in the unit disc: the many rows of a block attain no more than one of them."""
    graph = one_layer((1, 1), lambda t: jax.nn.leaky_relu(t, slope) if slope < 1 else t)
    ratios = []
    for seed in range(12):
        x = inputs(seed, 6, (2,))
        t = x @ DIRECTIONS
        bound = top(graph, moments(graph, np.square(x).sum(0).reshape(1, 1, 2), 6, p))[0]
        ratios.append(supremum(np.maximum(t, slope * t), p) / bound)
    assert max(ratios) <= 1 + 1e-9
    # Near the truth, so that dropping the constants is caught: ReLU 0.83 and a = 1 exactly 1 at p = 2.
    assert max(ratios) > {0.0: 0.82, 0.3: 0.86, 1.0: 0.999}[slope] or p > 2


def pooled(size, then=lambda t: t, before=lambda t: t):
    from flax import linen as nn

    return one_layer((1, size), lambda z: then(nn.max_pool(before(z), (1, size), strides=(1, size))))


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("relu", [False, True])
def test_a_maximum_by_all_signs(size, relu):
    graph = pooled(size, before=jax.nn.relu if relu else lambda t: t)
    ratios = []
    for seed in range(12):
        x = inputs(seed, 5, (size, 2))
        if seed % 4 == 1:
            x[:, 1:] *= 0.05
        t = np.maximum((x @ DIRECTIONS).max(1), 0.0 if relu else -np.inf)
        found = moments(graph, np.square(x).sum(0).reshape(1, size, 2), 5, 2.0, tap=True)
        ratios.append(supremum(t, 2.0) / top(graph, found)[0])
    assert 0.5 < max(ratios) <= 1


def test_a_maximum_in_tap_form_by_hand():
    """c_2 √(Σ_t α_t S_t) Σ_w √(Σ_t α_t q_{t,w}²/S_t), S_t = Σ_w q_{t,w}: two windows of a 1×2 kernel, then ReLU."""
    from flax import linen as nn

    kernel = networks.draw(5, 1, 2, 1, 8)

    def f(x):
        z = nn.max_pool(jax.nn.relu(networks.conv(x, kernel)), (1, 2), strides=(1, 2))
        return networks.flat(z) @ networks.draw(6, 8, 2)

    graph, energies = bounds.read_graph(f, np.ones((2, 1, 3, 1), np.float32)), np.array([1.0, 4.0, 9.0])
    alpha, q = np.linalg.norm(kernel[0, :, 0], axis=1), np.array([[1.0, 2.0], [2.0, 3.0]])  # q[w, t]
    reach = math.sqrt(alpha @ q.sum(0)) * np.sqrt(np.square(q) @ (alpha / q.sum(0))).sum()
    found = top(graph, moments(graph, energies.reshape(1, 3, 1), 5, tap=True))
    assert found == pytest.approx([float(window(2.0, 4)) * reach], rel=1e-6)


def test_a_maximum_then_relu_is_relu_then_a_maximum():
    energies = np.arange(8.0).reshape(1, 4, 2)
    one, other = (pooled(4, before=jax.nn.relu), pooled(4, then=jax.nn.relu))
    found = [top(g, moments(g, energies, 5))[0] for g in (one, other)]
    assert found[0] == pytest.approx(found[1])
    # One shared map, four nodes: c_3 · Σ_w √energy.
    assert found[0] == pytest.approx(float(window(2.0, 8)) * np.sqrt(energies.sum(-1)).sum())


@pytest.mark.parametrize("activate, expected", [(jax.nn.relu, (1 + math.sqrt(2)) ** 2 / 2), (lambda t: t, 2.0)])
def test_a_residual_block_by_hand(activate, expected):
    """ReLU(Wv + v), two channels, ‖W‖ = 1: s (1 + √2) q; without the ReLU 2 q: the identity has spectral norm 1."""
    kernel, head = np.array([[0.6, 0.0], [0.0, 0.8]], np.float32), np.ones((2, 2), np.float32)
    graph = bounds.read_graph(lambda x: activate(x[:, 0] @ kernel + x[:, 0]) @ head, np.ones((2, 1, 2), np.float32))
    assert moments(graph, np.full((1, 2), 0.5), 1)[1] == pytest.approx(expected)


# ---- invariances and refusals --------------------------------------------------------------------

K1, K2 = networks.draw(5, 2, 2, 2, 4), networks.draw(6, 3, 3, 4, 3)
HEAD = networks.draw(7, 27, 4)


def chain(k1, k2, head):
    return lambda x: networks.flat(jax.nn.relu(networks.conv(jax.nn.relu(networks.conv(x, k1)), k2))) @ head


def row(f, delta=1e-3, x_scale=1.0, **options):
    rng = np.random.default_rng(1)
    x = (x_scale * rng.normal(size=(400, 6, 6, 2))).astype(np.float32)
    y = rng.integers(0, 4, 400)
    return bounds.peeling(
        bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), delta=delta, gamma=1.0, **options
    )


def test_invariances():
    order = np.array([2, 0, 3, 1])
    shift = networks.draw(8, 27)[:, None]
    base = row(chain(K1, K2, HEAD)).value
    for other in (
        chain(K1[..., order], K2[:, :, order], HEAD),
        chain(4 * K1, K2, HEAD / 4),
        chain(K1, 8 * K2, HEAD / 8),
        chain(K1 * np.ones_like(K1), K2, HEAD),
        chain(K1, K2, HEAD + shift),
    ):
        assert row(other).value == pytest.approx(base, rel=1e-5)
    larger, own = (row(chain(K1, K2, factor * HEAD)).terms["complexity uncapped"] for factor in (2, 1))
    assert larger > 1.8 * own


def test_a_zero_tap_never_raises_q_and_costs_unless_the_mask_is_fixed():
    k = K1.copy()
    k[0, 0] = 0.0
    graphs = [bounds.read_graph(chain(kernel, K2, HEAD), np.ones((2, 6, 6, 2), np.float32)) for kernel in (K1, k)]
    energies = np.ones((6, 6, 2))
    for tap in (False, True):
        full, zeroed = (moments(g, energies, 9, tap=tap) for g in graphs)
        assert (zeroed <= full * (1 + 1e-12)).all() and (zeroed < full).any()
    learned, fixed = (moments(graphs[1], energies, 9, mask_fixed=m) for m in (False, True))
    assert (fixed <= learned).all() and (fixed < learned).any()


def test_a_dead_network_has_the_complexity_of_a_constant():
    assert row(chain(0 * K1, K2, HEAD)).complexity == pytest.approx(0.0, abs=1e-12)
    assert row(chain(K1, K2, 0 * HEAD)).complexity == 0.0


def test_many_layers_neither_overflow_nor_underflow():
    w, head = np.diag([1.0, 0.5, 0.2]).astype(np.float32), np.eye(3, 2, dtype=np.float32)
    x, y = np.eye(3, dtype=np.float32)[[0, 1] * 200], np.array([0, 1] * 200)

    def deep(factors):
        def f(z):
            for factor in factors:
                z = jax.nn.relu(z @ (np.float32(factor) * w))
            return z @ head

        return bounds.peeling(bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), delta=0.01)

    plain, wild = deep(np.ones(40)), deep(np.repeat([1e3, 1e-3, 1e-3, 1e3], 10))
    assert wild.value == pytest.approx(plain.value, rel=1e-4)
    assert 0 < plain.complexity < 1


def test_what_is_refused():
    graph = bounds.read_graph(chain(K1, K2, HEAD), np.ones((2, 6, 6, 2), np.float32))
    *below, last = graph.layers
    with pytest.raises(NotCovered, match="is not linear"):
        read_plan(replace(graph, layers=(*below, replace(last, slope=0.0))))
    with pytest.raises(NotCovered, match=r"slope between 0 and 1"):
        read_plan(replace(graph, layers=(below[0], replace(below[1], slope=-0.5), *below[2:], last)))


@pytest.mark.parametrize("tree", [[0, 1], [[0, 1], [2, 2]], [[0, 1, 2], 3], "0123"])
def test_a_tree_that_is_none(tree):
    with pytest.raises(ValueError, match="tree"):
        row(chain(K1, K2, HEAD), tree=tree)


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan, "small"])
def test_gamma_is_a_margin(gamma):
    graph = bounds.read_graph(chain(K1, K2, HEAD), np.ones((2, 6, 6, 2), np.float32))
    rng = np.random.default_rng(1)
    sample = bounds.Sample.measure(chain(K1, K2, HEAD), rng.normal(size=(9, 6, 6, 2)).astype(np.float32), [0, 1, 2] * 3)
    with pytest.raises(ValueError, match="gamma"):
        bounds.peeling(graph, sample, delta=0.1, gamma=gamma)
