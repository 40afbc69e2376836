"""The node pass (theorem N of docs/theory.md): worked by hand, what changes nothing, and its steps by enumeration."""

import itertools
import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.graph import Activation, Diagonal, Dot, Graph, Input, Linear, MaxPool, Taps
from sparsebounds.bounds.graph.nonlinearities import TANH, Nonlinearity
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.grids import grid_up
from sparsebounds.bounds.theorems.passes.gains import LOG2, Way, run_pass
from sparsebounds.bounds.theorems.passes.nodes_fixed_numbers import FixedNumbers
from sparsebounds.bounds.theorems.passes.nodes_scores import all_scores, each_score

M, ROOT2 = 20, math.sqrt(2)
X = np.ones((2, 3), np.float32)
A = np.array([[1.0, -2.0, 0.5], [0.0, 1.0, 1.0], [2.0, 0.0, -1.0], [1.0, 1.0, 1.0]])
B = np.array([[0.5, 0.0, 1.0, 0.0], [0.0, -1.0, 0.0, 1.0], [1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]])
C = np.array([[1.0, -1.0, 0.5, 2.0, 1.0], [0.0, 2.0, 1.0, 0.0, -1.0]])
a, b, c = np.array([0.1, -0.2, 0.0, 0.3]), np.array([0.0, 0.5, -0.5, 0.25]), np.array([1.0, -1.0])
ENERGIES = np.array([4.0, 9.0, 16.0])


def scores_of(net, energies=ENERGIES, m=M, **way):
    graph = net if isinstance(net, Graph) else bounds.read_graph(net, X, nodes="scalar")
    return run_pass(graph, energies, m, Way(**way))


def difference_of(net, **way):
    """What is said of the one output d = f_1 − f_0."""
    return all_scores(scores_of(score_difference(bounds.read_graph(net, X, nodes="scalar")), **way))


def value(output):
    return math.exp(output.log_gain + output.log_energy / 2) * (1 + math.sqrt(2 * output.log_count))


# ---- by hand -----------------------------------------------------------------------------------


def joined(x):
    """Skips below an activation, biases, a max pool over overlapping pairs, a concatenation with the input."""
    h = jax.nn.relu(x @ A.T.astype(np.float32) + a.astype(np.float32))
    u = jax.nn.relu(h + h @ B.T.astype(np.float32) + b.astype(np.float32))
    p = nn.max_pool(u[:, :, None], (2,), (1,))[..., 0]
    v = jnp.concatenate([p, x[:, :2]], axis=1)
    return v @ C.T.astype(np.float32) + c.astype(np.float32)


def test_a_network_with_everything_by_hand():
    state = scores_of(joined)
    h = np.abs(A).sum(1) + np.abs(a)
    u = h + np.abs(B) @ h + np.abs(b)
    p = 2 * np.maximum(u[:-1], u[1:])
    f = np.abs(C) @ np.append(p, [1, 1]) + np.abs(c)
    n_h = ROOT2 * (3 + 1)
    n_u = ROOT2 * (5 * n_h + 1)
    n_f = 3 * 2 * n_u + 2 + 1
    found = each_score(state)
    np.testing.assert_allclose(np.exp(found.gain), f, rtol=1e-6)
    np.testing.assert_allclose(np.exp(found.count), n_f, rtol=1e-12)
    np.testing.assert_allclose(np.exp(found.energy), M, rtol=1e-12)  # of the constant; 16 of the inputs
    row = C[1] - C[0]
    both, d = all_scores(state), difference_of(joined)
    assert math.exp(both.log_gain) == pytest.approx(f.sum(), rel=1e-6)
    assert math.exp(both.log_count) == pytest.approx(2 * n_f)
    assert math.exp(d.log_gain) == pytest.approx(np.abs(row) @ np.append(p, [1, 1]) + 2.0, rel=1e-6)
    assert math.exp(d.log_count) == pytest.approx(n_f)


def test_the_rows_of_inputs_count_as_vectors():
    """‖(3, 4)‖ · 1 at an input node of two channels; Σ |w| g above it."""
    graph = bounds.read_graph(
        lambda x: jax.nn.relu(x @ np.array([[3.0, 0.0], [4.0, 1.0]], np.float32)) @ np.ones((2, 1), np.float32),
        np.ones((2, 2), np.float32), input_nodes=np.zeros(2, int),
    )  # fmt: skip
    found = each_score(run_pass(graph, np.ones(2), M, Way()))
    assert math.exp(found.gain[1]) == pytest.approx(5 + 1)  # of d in (0, d)
    # Norms of blocks everywhere: ‖(1, 1)‖ · ‖(5, 1)‖.
    found = each_score(run_pass(graph, np.ones(2), M, Way(whole=frozenset((0, 1)), blocks=True)))
    assert math.exp(found.gain[1]) == pytest.approx(ROOT2 * math.sqrt(26))


def test_another_constant_divides_the_biases():
    state = scores_of(joined, log_constant=math.log(4.0))
    h = np.abs(A).sum(1) + np.abs(a) / 4
    u = h + np.abs(B) @ h + np.abs(b) / 4
    p = 2 * np.maximum(u[:-1], u[1:])
    f = np.abs(C) @ np.append(p, [1, 1]) + np.abs(c) / 4
    assert math.exp(all_scores(state).log_gain) == pytest.approx(f.sum(), rel=1e-6)
    assert math.exp(all_scores(state).log_energy) == pytest.approx(16 * M)


def test_one_logit_and_its_negative():
    """f = (t, −t): d = −2t, so that nothing is lost where two scores are one number."""
    d = difference_of(lambda x: x[:, :1] @ np.array([[1.0, -1.0]], np.float32))
    assert math.exp(d.log_gain) == pytest.approx(2.0)
    assert d.log_count == 0.0 and d.log_energy == pytest.approx(math.log(4.0))


# ---- what changes nothing, and what must change something --------------------------------------


def dense(matrix, first, bias=None, slope=1.0):
    rows = np.arange(first, first + matrix.shape[1], dtype=np.int32)
    return Linear(1, len(matrix), (Dot(Taps.spelled(rows[None, None]), matrix.T[None].astype(float)),), bias, slope)


def chain(*between):
    """Three inputs, A with ReLU, what stands between, two scores; the layers between show each element once."""
    layers, first = [Input((3,), 1, 3), dense(A, 0, a, 0.0)], 3
    for make in between:
        layers.append(make(np.arange(first, first + 4, dtype=np.int32)))
        first += 4
    return Graph((*layers, dense(C[:, :4], first, c)))


IDENTITIES = {
    "a skip alone": lambda e: Linear(1, 4, (Diagonal(e),)),
    "a scale of ones": lambda e: Linear(1, 4, (Diagonal(e, np.ones(4)),)),
    "a maximum over one": lambda e: MaxPool(1, 4, Taps(e[None, None], np.zeros((1, 1), np.int32))),
    "an activation that does nothing": lambda e: Activation(
        1, 4, e, Nonlinearity("identity", lambda t: t, 1.0, 1.0, homogeneous=True, odd=True)
    ),
}


@pytest.mark.parametrize("blocks", [False, True])
@pytest.mark.parametrize("name", IDENTITIES)
def test_identities_change_nothing(name, blocks):
    expected, found = (
        all_scores(scores_of(graph, blocks=blocks)) for graph in (chain(), chain(IDENTITIES[name], IDENTITIES[name]))
    )
    assert found.log_gain == pytest.approx(expected.log_gain, rel=1e-9)
    assert (found.log_count, found.log_energy) == (pytest.approx(expected.log_count), expected.log_energy)


def test_a_skip_written_as_a_wider_dense_layer_is_not_smaller():
    first, second, top = A[:3].T.astype(np.float32), B[:3, :3].T.astype(np.float32), np.ones((3, 2), np.float32)
    wide = np.concatenate([np.eye(3), second]).astype(np.float32)

    def block(add):
        def f(x):
            h = jax.nn.relu(x @ first)
            return jax.nn.relu(add(h, jax.nn.relu(h @ first))) @ top

        return bounds.read_graph(f, X)

    graphs = block(lambda h, v: h + v @ second), block(lambda h, v: jnp.concatenate([h, v], axis=1) @ wide)
    for partition, blocks in itertools.product(("position", "scalar"), (False, True)):
        skip, dense = (value(all_scores(scores_of(g.partition(partition), blocks=blocks))) for g in graphs)
        assert skip <= dense * (1 + 1e-9)


@pytest.mark.parametrize("bound", ["galanti", "golowich", "golowich_sharp"])
def test_every_weight_counts(bound):
    graph, sample = bounds.read_graph(joined, X), sample_of(ENERGIES, M, 2)
    before = bounds.BOUNDS[bound](graph, sample, delta=0.1).terms["c = scale/gamma"]
    for index, layer in graph.linear_layers():
        if layer.dots:
            terms = tuple(replace(t, weight=2 * t.weight) if t.learned else t for t in layer.terms)
            layers = [*graph.layers[:index], replace(layer, terms=terms), *graph.layers[index + 1 :]]
            doubled = replace(graph, layers=tuple(layers))
            assert bounds.BOUNDS[bound](doubled, sample, delta=0.1).terms["c = scale/gamma"] > before * 1.01


# ---- other activations -------------------------------------------------------------------------

HALF_LINE = Nonlinearity("shifted", lambda t: np.maximum(t, 0) - 0.5 * (t > 1) * (t - 1) + 0.25, 0.0, 1.0, at_zero=0.25)
ABS = Nonlinearity("abs", np.abs, -1.0, 1.0, homogeneous=True)


def with_activation(function, matrix=A, bias=a):
    first = np.arange(3, 7, dtype=np.int32)
    layers = Input((3,), 1, 3), dense(matrix, 0, bias), Activation(1, 4, first, function), dense(C[:, :4], 7, c)
    return Graph(layers, "scalar")


def test_what_is_not_homogeneous_fixes_the_largest_row():
    numbers = FixedNumbers(grid_up)
    found = all_scores(scores_of(with_activation(TANH), numbers=numbers))
    row, bias = grid_up(4.0 - 0.5), grid_up(0.3)
    gain = np.abs(C[:, :4]).sum() * (row[0] + bias[0]) + 2.0
    assert math.exp(found.log_gain) == pytest.approx(gain)
    assert numbers.nats == pytest.approx(row[1] + bias[1])
    assert math.exp(found.log_count) == pytest.approx(2 * (4 * 4 + 1))  # no factor for tanh, which is odd


def test_a_value_at_zero_is_read_from_the_constant():
    found = all_scores(scores_of(with_activation(HALF_LINE), numbers=FixedNumbers(lambda t: (t, 0.0))))
    assert math.exp(found.log_gain) == pytest.approx(np.abs(C[:, :4]).sum() * (3.5 + 0.3 + 0.25) + 2.0)
    assert math.exp(found.log_count) == pytest.approx(2 * (4 * (ROOT2 * 4 + 1) + 1))


def test_an_absolute_value_has_one_number_and_the_full_factor():
    found = all_scores(scores_of(with_activation(ABS)))
    h = np.abs(A).sum(1) + np.abs(a)
    assert math.exp(found.log_gain) == pytest.approx((np.abs(C[:, :4]) @ h).sum() + 2.0)
    assert math.exp(found.log_count) == pytest.approx(2 * (4 * 2 * 4 + 1))


@pytest.mark.parametrize("function", [TANH, ABS, HALF_LINE], ids=lambda f: f.name)
def test_rows_of_networks_with_other_activations(function):
    graph, sample = with_activation(function), sample_of(ENERGIES, M, 2)
    for name in ("galanti", "galanti_best", "golowich", "golowich_sharp"):
        row = bounds.BOUNDS[name](graph, sample, delta=0.1)
        assert row.covered and row.guarantee == "certificate"
        assert ("norms of layers" in row.terms) == (not function.homogeneous)
    assert math.isnan(bounds.galanti_published(graph, sample, delta=0.1).value)


# ---- is it a bound? ----------------------------------------------------------------------------


def signs(m):
    return np.array(list(itertools.product((-1.0, 1.0), repeat=m)))


def moment(values, mu):
    """E exp(μ sup |Σ ξ t|) over all signs, from vectors t (…, m)."""
    return np.exp(mu * np.abs(signs(values.shape[1]) @ values.T).max(axis=1)).mean()


def circle(inputs):
    angles = np.linspace(0, 2 * np.pi, 181)[:-1]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) @ inputs.T


THREE = np.array([[1.0, 0.0], [0.0, -1.0], [1.0, -1.0]])


@pytest.mark.parametrize(("slope", "attained"), [(0.0, 1.039), (0.3, 1.026), (-1.0, 1.06)])
def test_the_exponential_step_of_an_activation(slope, attained):
    """max(t, s t) of all u·x, |u| ≤ 1: E exp grows by more than 1 and at most by 2^{(1 − s)/2}; all signs."""
    t = circle(THREE)
    ratio = moment(np.maximum(t, slope * t), 0.5127) / np.exp(0.5127 * np.linalg.norm(signs(3) @ THREE, axis=1)).mean()
    assert attained < ratio < 2 ** ((1 - slope) / 2)
    rng = np.random.default_rng(0)
    for _ in range(60):
        x, mu = rng.normal(size=(4, 2)), 10 ** rng.uniform(-1.5, 1)
        t = circle(x)
        assert moment(np.maximum(t, slope * t), mu) <= 2 ** ((1 - slope) / 2) * moment(t, mu) * 1.001


def test_rows_of_all_scales_need_a_factor_where_nothing_is_homogeneous():
    """tanh(k t)/k of all t = u·x, |u| ≤ 1, and all k: 1.02 times what is linear, which one k alone does not exceed."""
    x, mu = np.array([0.0, 1.0, 0.0, 0.0, 1.9716, -1.0])[:, None], 0.29645
    linear, scales = moment(x.T, mu), np.array([0.05, 0.5, 1, 2, 4, 8, 16, 32])[:, None]
    assert moment(np.concatenate([np.tanh(scales * t * x.T) / scales for t in (1.0, 0.5)]), mu) > 1.02 * linear
    assert moment(np.tanh(np.linspace(-1, 1, 201)[:, None] * x.T), mu) <= linear * (1 + 1e-12)


@pytest.mark.parametrize(("k", "each"), [(16, 4), (64, 25)])
def test_a_maximum_costs_as_many_times_as_it_compares(k, each):
    """max_t σ(u_t x_t), |u_t| ≤ 1, and inputs with one coordinate each: sup = Σ_t (S_t)₊, S_t sums of `each` signs."""
    exact = k * each * math.comb(each - 1, (each - 1) // 2) / 2**each
    f = lambda x: jnp.max(jax.nn.relu(x @ np.eye(k, dtype=np.float32)), axis=1, keepdims=True)  # noqa: E731
    found = all_scores(scores_of(bounds.read_graph(f, np.ones((2, k), np.float32), nodes="scalar"), np.full(k, each)))
    assert math.exp(found.log_gain) == pytest.approx(k)
    assert value(found) > exact > value(found) / k


@pytest.mark.parametrize("partition", ["position", "scalar"])
def test_random_networks_of_a_class_stay_below_its_bound(partition):
    """All signs; the networks of one gain that attain most: weights drawn and scaled until their gain is 1."""
    rng, m, best = np.random.default_rng(1), 6, np.full(2**6, -np.inf)
    x = rng.choice([-1.0, 0.0, 1.0], size=(m, 3))
    graph = bounds.read_graph(joined, X, nodes=partition)
    for _ in range(150):
        scale = 10.0 ** rng.uniform(-1, 1, size=3)
        drawn = iter([s * rng.normal(size=w.shape) for s, w in zip(scale, (A.T, B.T, C.T), strict=True)])
        layers = [
            layer
            if not layer.dots
            else replace(
                layer,
                terms=tuple(replace(t, weight=next(drawn).reshape(t.weight.shape)) if t.learned else t
                            for t in layer.terms),
                bias=rng.normal(size=layer.size),
            )
            for layer in graph.layers
        ]  # fmt: skip
        one = replace(graph, layers=tuple(layers))
        output = each_score(run_pass(one, np.square(x).sum(0), m, Way()))
        attained = signs(m) @ (bounds.evaluate(one, x) / np.exp(output.gain))
        best = np.maximum(best, np.abs(attained).max(axis=1))
    claim = 1 + math.sqrt(2 * float(output.count.max()))
    assert 0.1 < best.mean() / (math.exp(output.energy.max() / 2) * claim) < 1
    assert LOG2 < output.count.max()
