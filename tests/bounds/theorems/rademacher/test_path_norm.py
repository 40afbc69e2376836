"""Path norms: the tables, paths walked one by one, stages of peeling, exact suprema.

The search for violations is in test_audit.
"""

import itertools
import math

import chains
import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from networks import network
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.audit.search.inputs import sign_patterns
from sparsebounds.bounds.theorems.chains.activations import log_growth
from sparsebounds.bounds.theorems.chains.stages import Stages, read_stages
from sparsebounds.bounds.theorems.rademacher.path_norm import dag_complexities, layered_complexity, layered_logs

M = 50


LOG2 = math.log(2)


@pytest.mark.parametrize("layers", [1, 2, 3, 5, 10])
def test_the_layered_table(layers):
    """r = 2, S = 10, m = 100, D = 784: √2 for every ReLU; below the table of 2 for every ReLU."""
    of_two = {1: (0.767206, 0.879097), 2: (0.802531, 0.910090), 3: (0.836366, 0.940061)}
    of_two |= {5: (0.900229, 0.997306), 10: (1.042914, 1.127775)}
    for classes, before in zip((1, 10), of_two[layers], strict=True):
        found = 2 * 10 / 100 * math.sqrt(2 * layered_logs([log_growth(0.0)] * (layers - 1), 784, classes))
        logs = math.log(2 * math.sqrt(2) ** (layers - 1) * 784 * classes)
        assert found == pytest.approx(2 * 10 / 100 * math.sqrt(2 * logs), rel=1e-12)
        assert found < before if layers > 1 else found == pytest.approx(before, abs=1e-6)


@pytest.mark.parametrize(("kappas", "before"), [((), 0.9973566950), ((1,), 1.0404851562), ((9,), 1.1217786441)])
def test_the_dag_numbers(kappas, before):
    """r = 2, S = 10, m = 100, D = 784, C = 10, three ReLU stages: x = 1, 2.41, 4.41, 7.24, not 1, 3, 7, 15."""
    kinds = (("activation", 0.0),) * 3 + (("max", 9),) * len(kappas)
    grown = 7.2426406871 * math.prod(1 + 2 * kappa for kappa in kappas)
    logs = Stages(kinds, True).logs(kappas, 785, 10)
    assert logs == pytest.approx(math.log(2 * grown * 7850), rel=1e-10)
    assert 2 * 10 / 100 * math.sqrt(2 * logs) < before
    signed = Stages(kinds[:3], False).logs((), 785, 10)
    assert signed == pytest.approx(math.log(2 * (1 + math.sqrt(2)) ** 3 * 7850), rel=1e-12)


# ---- by hand and by walking --------------------------------------------------------------------


def small_dag(x):
    """Two inputs; h = σ(Ax + b); p = max(h_1, h_2); g = σ(2p + x_1 − 3); scores (g + 4x_2, 5h_3)."""
    a, b = np.float32([[1, -2], [3, 0], [0, 1]]), np.float32([1, 0, -1])
    h = jax.nn.relu(x @ a.T + b)
    p = jnp.max(h[:, :2], axis=1, keepdims=True)
    g = jax.nn.relu(2 * p + x[:, :1] - 3)
    return jnp.concatenate([g + 4 * x[:, 1:], 5 * h[:, 2:]], axis=1)


def test_a_dag_by_hand():
    """Path norms h: 4, 3, 2. p: 7 as a sum, 2·4 = 8 as K·max. g: 14+1+3 = 18 or 20. Scores 22 or 24, and 10."""
    graph = bounds.read_graph(small_dag, np.ones((2, 2), np.float32))
    uniform, summed = dag_complexities(graph, np.array([9.0, 16.0]), 25)
    assert math.exp(uniform.log_scale) == pytest.approx(34) and math.exp(summed.log_scale) == pytest.approx(32)
    assert not uniform.prices and sum(summed.prices.values()) == pytest.approx(math.log(3))
    # ReLU, max, ReLU over two inputs and the constant, two scores.
    for form, pool in ((uniform, 3), (summed, 5)):
        grown = math.sqrt(2) * pool * (math.sqrt(2) + 1) + 1
        assert form.unit == pytest.approx(5 * math.sqrt(2 * math.log(2 * grown * 3 * 2)))


DESCRIBED = [n for n in networks.NETWORKS if network(n).reference is not None and network(n).reference.depth <= 3]
DESCRIBED = [n for n in DESCRIBED if n not in ("weight_norm", "nnx_batch_norm", "linen_batch_norm_before_padding")]


@pytest.mark.parametrize("name", DESCRIBED)
def test_chains_against_products_of_absolute_matrices(name):
    net = network(name)
    graph, energies = bounds.read_graph(net.f, net.x[:2]), np.full(net.x.shape[1:], 3.0)
    values = np.ones(energies.size)
    for layer in net.reference.layers:
        values = np.abs(layer.matrix) @ values + np.abs(layer.bias)
    slopes = [h.slope for h in net.reference.layers[:-1] if h.slope != 1.0]
    biased = any(getattr(layer, "bias", None) is not None for layer in graph.layers)
    inputs, data = energies.size + biased, math.sqrt(M if biased else 3.0)
    layered = layered_complexity(graph, energies, M)
    assert math.exp(layered.log_scale) == pytest.approx(values.sum(), rel=1e-9)
    logs = sum((1 - slope) / 2 * LOG2 for slope in slopes) + math.log(2 * inputs * len(values))
    expected = values.sum() * data * math.sqrt(2 * logs)
    assert layered.value == pytest.approx(expected, rel=1e-9)
    (dag,) = dag_complexities(graph, energies, M)
    grown = 1.0
    for slope in slopes:
        cost = 2 ** ((1 - slope) / 2)
        grown = cost * grown + (1 if set(slopes) == {0.0} else grown)
    logs = math.log(2 * grown * inputs * len(values))
    assert dag.value == pytest.approx(values.sum() * data * math.sqrt(2 * logs), rel=1e-9)


def test_every_path_of_a_network_walked():
    rng = np.random.default_rng(3)
    matrices = [rng.normal(size=s) for s in ((3, 2), (4, 3), (2, 4))]
    total = 0.0
    for i, j, k, r in itertools.product(range(2), range(3), range(4), range(2)):
        total += abs(matrices[0][j, i] * matrices[1][k, j] * matrices[2][r, k])
    assert math.exp(layered_complexity(chains.graph_of(matrices), np.ones(2), 5).log_scale) == pytest.approx(total)


def test_a_layered_network_is_never_above_theorem_2_of_golowich():
    for name in DESCRIBED:
        net = network(name)
        graph, sample = bounds.read_graph(net.f, net.x[:2]), sample_of(np.ones(net.x.shape[1:]), M, 4)
        assert bounds.path_norm_layered(graph, sample, delta=0.01).value <= 1.1 * (
            bounds.golowich_l1(graph, sample, delta=0.01).value
        )


def pooled(weights):
    """ReLU with a bias, overlapping maxima of three, a dense layer."""
    a, b, c = (w.astype(np.float32) for w in weights)

    def f(x):
        h = jax.nn.relu(x @ a + b)
        return jax.lax.reduce_window(h, -jnp.inf, jax.lax.max, (1, 3), (1, 1), "VALID") @ c

    return bounds.read_graph(f, np.ones((2, 2), np.float32))


def test_a_chain_with_max_pools_by_hand():
    """Path norms 2, 3, 5, 4, 2, the biases counted; three maxima 3 · 5, so that r = 15 · (1 + 2 + 4); D = 3."""
    a, b = np.array([[1.0, -2.0, 4.0, 3.0, 0.0], [1.0, 1.0, 0.0, 0.0, 2.0]]), np.array([0.0, 0.0, -1.0, 1.0, 0.0])
    graph = pooled([a, b, np.array([[1.0, 0.0], [0.0, 2.0], [4.0, 0.0]])])
    form = layered_complexity(graph, np.array([9.0, 1.0]), 4)
    logs = math.log(2 * (2 * (math.sqrt(2) + 1 / 3) + 1 / 3) * 3 * 2)
    assert math.exp(form.log_scale) == pytest.approx(105) and form.unit == pytest.approx(3 * math.sqrt(2 * logs))
    twice = layered_complexity(pooled([4 * a, 4 * b, np.eye(3, 2)]), np.array([9.0, 1.0]), 4)
    assert math.exp(twice.log_scale) == pytest.approx(4 * 30) and twice.unit == form.unit


def test_sampled_chains_with_max_pools_stay_below_the_claim():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2)).astype(np.float32)
    signs, best = np.array(list(itertools.product((-1.0, 1.0), repeat=6))), 0.0
    for _ in range(8):
        graph = pooled([rng.normal(size=s) for s in ((2, 5), (5,), (3, 2))])
        form = layered_complexity(graph, np.square(x).sum(axis=0), 6)
        best = np.maximum(best, np.abs(signs @ bounds.evaluate(graph, x)).max(axis=1) / math.exp(form.log_scale))
    assert 0 < best.mean() <= form.unit


# ---- stages ------------------------------------------------------------------------------------


def stages_of(f, shape=(4,)):
    return read_stages(bounds.read_graph(f, np.ones((2, *shape), np.float32)))


def counts(f):
    found = stages_of(f)
    return found.activations, found.windows, found.nonnegative


def pool(x):
    return jnp.max(x.reshape(x.shape[0], -1, 2), axis=2)


def top(x):
    return x @ np.ones((x.shape[1], 2), np.float32)


def test_stages_of_chains_and_skips():
    assert counts(top) == (0, (), True)
    assert counts(lambda x: top(pool(jax.nn.relu(x)))) == (1, (2,), True)
    assert counts(lambda x: top(pool(x))) == (0, (2,), False)
    assert counts(lambda x: top(jax.nn.relu(top(pool(x))))) == (1, (2,), False)
    assert counts(lambda x: top(jax.nn.leaky_relu(x))) == (1, (), False)
    assert counts(lambda x: top(jax.nn.relu(jax.nn.relu(x) + x[:, ::-1]) + x)) == (2, (), True)
    assert counts(lambda x: top(jax.nn.relu(jax.nn.relu(x) + x))) == (1, (), True)  # it is 2 relu(x)


def test_branches_side_by_side_share_stages_of_one_kind_only():
    """relu → max beside max → relu: one of each on every path, and three stages all the same."""

    def same(x):
        return top(jnp.concatenate([pool(jax.nn.relu(x)), pool(jax.nn.relu(2 * x))], axis=1))

    def crossed(x):
        return top(jnp.concatenate([pool(jax.nn.relu(x)), jax.nn.relu(top(pool(x)))], axis=1))

    assert counts(same) == (1, (2,), True)
    found = stages_of(crossed)
    assert found.activations + len(found.windows) == 3 and not found.nonnegative


def test_windows_of_different_sizes_are_different_stages():
    def f(x):
        x = jax.nn.relu(x)
        return top(jnp.concatenate([pool(x), jnp.max(x.reshape(-1, 1, 4), axis=2)], axis=1))

    assert sorted(stages_of(f).windows) == [2, 4]


def test_an_activation_at_the_end_is_one_more_stage():
    assert counts(lambda x: jax.nn.relu(top(jax.nn.relu(x)))) == (2, (), True)


def test_biases_bring_the_constant_one():
    """One input of energy 4, m = 25: S = 5 and two inputs with a bias, 2 and one without."""
    plain, biased = (chains.graph_of([np.eye(1), np.eye(1)], [b, None]) for b in (None, np.ones(1)))
    (without,), (with_one,) = (dag_complexities(g, np.array([4.0]), 25) for g in (plain, biased))
    assert without.unit == pytest.approx(2 * math.sqrt(2 * math.log(2 * (math.sqrt(2) + 1))))
    assert with_one.unit == pytest.approx(5 * math.sqrt(2 * math.log(2 * (math.sqrt(2) + 1) * 2)))
    assert math.exp(with_one.log_scale) == pytest.approx(2)


# ---- is it a bound? ----------------------------------------------------------------------------


def test_within_15_percent_on_sign_patterns():
    """Linear, all sign columns: sup = r m exactly, layered 0.849; a twin without the factor 2 fails, here and below."""
    m = 8
    x = sign_patterns(m)
    graph, energies = chains.graph_of([np.eye(1, x.shape[1])]), (x**2).sum(0).astype(float)
    layered = m / layered_complexity(graph, energies, m).value
    (dag,) = dag_complexities(graph, energies, m)
    assert layered == pytest.approx(0.849, abs=1e-3)
    assert 0.8 < m / dag.value < 1
