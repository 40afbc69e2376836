"""Norms of layers on graphs: chains give the theorems themselves, numbers worked by hand, sampled networks, twins."""

import itertools
import math

import chains
import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
import reference as ref
from networks import network
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.theorems.passes.one_norms import Paid, run_one_norms
from sparsebounds.bounds.theorems.rademacher.layer_forms import exponential_form, first_moment_form, frobenius_forms
from sparsebounds.bounds.theorems.rademacher.neyshabur import frobenius_complexity, l1_complexity

ROWS = ("neyshabur_frobenius", "neyshabur_l1", "golowich_l1")
PLAIN = [n for n in networks.NETWORKS if network(n).reference is not None and not ref.has_bias(network(n).reference)]
PLAIN = [n for n in PLAIN if n != "shifted_matmuls"]  # written with a bias of zeros
M = 6
SIGNS = np.array(list(itertools.product((-1.0, 1.0), repeat=M)))
X = np.random.default_rng(5).normal(size=(M, 3)).astype(np.float32)
ENERGIES = np.square(X).sum(axis=0).astype(np.float64)


def dense(*shape, seed=0, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(np.float32)


def graph_of(f):
    return bounds.read_graph(f, X[:2])


def one_output(f):
    return score_difference(graph_of(lambda x: jnp.stack([0 * f(x)[:, 0], f(x)[:, 0]], axis=1)))


# ---- chains --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLAIN)
def test_a_chain_gives_the_theorem_itself(name):
    """‖·‖_F: equal. ℓ1 norms: 2^a becomes 2^(a+1) − 1 or 3^a, gains stay."""
    net = network(name)
    energies = 40 * np.random.default_rng(0).uniform(0.1, 1, size=net.x.shape[1:])
    graph = bounds.read_graph(net.f, net.x[:2])
    fixed = any(not layer.dots and not layer.activated for layer in graph.layers[1:])
    expected = frobenius_complexity(graph, energies, M).value
    (form,) = frobenius_forms(graph, energies, M)
    assert form.value == pytest.approx(expected, rel=1e-6) or fixed
    chain, own = l1_complexity(graph, energies, M), first_moment_form(graph, energies, M)
    assert own.log_scale == pytest.approx(chain.log_scale, rel=1e-6)
    a = chain.terms["activations"]
    leaky = any(layer.slope not in (0.0, 1.0) for layer in graph.layers if layer.role == "linear")
    assert own.terms["factor of depth F"] == pytest.approx(3**a if leaky else 2 ** (a + 1) - 1)


def test_numbers_of_a_chain_are_those_of_the_theorem():
    """With every norm fixed the factor is 2^a again: one source a layer, no constant."""
    matrices = [dense(4, 3), dense(5, 4, seed=1), dense(2, 5, seed=2)]
    graph = chains.graph_of(matrices)
    state = run_one_norms(graph, Paid(lambda value: (value, 0.0)))
    below = state.layers[-1]
    assert math.exp(below.first) == pytest.approx(4.0) and math.exp(below.exponential) == pytest.approx(2.0)
    expected = math.prod(np.abs(a).sum(axis=1).max() for a in matrices[:2])
    assert math.exp(below.gain) == pytest.approx(expected)


# ---- by hand -------------------------------------------------------------------------------------


def test_a_residual_network_by_hand():
    """h = σ(2x + 1), z = h + σ(3h), f = 5z on one input: κ 3, 3 + 9 = 12, 60; N 4·2 = 8, 8 + 4·8 = 40 each output.

    m = 4, Σx² = 9: E = 9. ℓ1: two stages 1 → 3 → 7, D = 2.
    """
    f = lambda x: 5 * (jax.nn.relu(2 * x @ ONE + 1) + jax.nn.relu(3 * jax.nn.relu(2 * x @ ONE + 1) @ ONE)) @ TOP  # noqa: E731
    graph = bounds.read_graph(f, np.ones((2, 1), np.float32))
    main, other = frobenius_forms(graph, np.array([9.0]), 4)
    assert math.exp(main.log_scale) == pytest.approx(60.0 * math.sqrt(2))
    assert main.unit == pytest.approx(math.sqrt(2 * 40) * 3)
    assert other.prices["alternative form"] == pytest.approx(math.log(3))
    form = first_moment_form(graph, np.array([9.0]), 4)
    assert math.exp(form.log_scale) == pytest.approx(120.0)
    assert form.unit == pytest.approx(7 * math.sqrt(2 * math.log(2 * 2 * 2)) * 3)
    form = exponential_form(graph, np.array([9.0]), 4)
    grown = math.sqrt(2) * (math.sqrt(2) + 1) + 1
    assert math.exp(form.log_scale) == pytest.approx(60.0)
    assert form.unit == pytest.approx(2 * math.sqrt(2 * math.log(2 * grown * 2)) * 3)


ONE, TOP = np.ones((1, 1), np.float32), np.ones((1, 2), np.float32)


def test_overlapping_maxima_by_hand():
    """x = (x_1, x_2, x_3), maxima over (1, 2), (2, 3), then (1, −2): both κ are 2, ‖g‖ = 2√2, times √5; N = 2."""
    top = np.float32([[0.0, 1.0], [0.0, -2.0]])
    graph = score_difference(graph_of(lambda x: jnp.maximum(x[:, :2], x[:, 1:]) @ top))
    (form,) = frobenius_forms(graph, np.array([1.0, 4.0, 4.0]), 5)
    assert math.exp(form.log_scale) == pytest.approx(2 * math.sqrt(2) * math.sqrt(5))
    assert form.unit == pytest.approx(math.sqrt(2) * 3)
    form = first_moment_form(graph, np.array([1.0, 4.0, 4.0]), 5)
    assert math.exp(form.log_scale) == pytest.approx(6.0)
    assert form.unit == pytest.approx(3 * math.sqrt(2 * math.log(6)) * 2)


def test_a_concatenation_of_tanh_by_hand():
    """h = tanh(2x), f = 3h + 4x + 1: 2 → 1.1⁸, shares 1, 4 and 1 in 3 · 1.1⁸ → 1.1⁻⁴, 1.1⁻¹⁹; tanh is odd: F = 1."""
    top = np.float32([[0.0, 3.0], [0.0, 4.0]])
    f = lambda x: jnp.concatenate([jnp.tanh(2 * x[:, :1] @ ONE), x[:, :1]], axis=1) @ top + np.float32([0, 1])  # noqa: E731
    form = first_moment_form(score_difference(graph_of(f)), np.array([9.0, 0.0, 0.0]), 4)
    assert math.exp(form.log_scale) == pytest.approx(3 * 1.1**8, rel=3e-6)
    assert sorted(form.terms["shares"]) == pytest.approx([1.1**-19, 1.1**-4, 1.0], rel=3e-6)
    assert form.unit == pytest.approx((1.1**-19 + 1.1**-4 + 1) * math.sqrt(2 * math.log(2 * 4)) * 3, rel=3e-6)
    shares = math.log(2 / 0.9) + math.log(5 * 6 / 0.9) + math.log(20 * 21 / 0.9)
    assert form.prices == pytest.approx(
        {"norms of layers": math.log(2 * 9 * 10), "shares of what the scores read": shares}
    )


# ---- is it a bound? ------------------------------------------------------------------------------


def pairs(h):
    return jnp.maximum(h[:, :-1], h[:, 1:])


FAMILIES = {
    "residual": lambda w, s: lambda x: (h := jax.nn.relu(x @ w[0] + w[3][0])) @ w[2] + jax.nn.relu(h @ w[1]) @ w[2],
    "skip below": lambda w, s: lambda x: jax.nn.relu(x[:, :1] + x @ w[0]) @ w[2],
    "maxima": lambda w, s: lambda x: pairs(jax.nn.relu(x @ w[0] + w[3][0])) @ w[2][1:],
    "maxima below": lambda w, s: lambda x: jax.nn.relu(pairs(x @ w[0])) @ w[2][1:],
    "abs": lambda w, s: lambda x: (jnp.abs(x @ w[0]) + w[3][0]) @ w[2],
    "joined": lambda w, s: lambda x: jnp.concatenate([x, jnp.tanh(x @ w[0])], 1) @ jnp.concatenate([w[2][:3], w[2]]),
    "tanh": lambda w, s: lambda x: (h := jnp.tanh(x @ w[0] + w[3][0])) @ w[2] + jnp.tanh(h @ w[1]) @ w[2],
    "sigmoid": lambda w, s: lambda x: jax.nn.sigmoid(x @ w[0]) @ w[2],
    "gelu": lambda w, s: lambda x: jax.nn.gelu(jax.nn.gelu(x @ w[0]) @ w[1]) @ w[2],
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_sampled_networks_stay_below_the_claim(name):
    """sup over drawn networks f of |Σ ξ f|/scale, all signs: at most the unit; with fixed numbers each for itself."""
    rng, best, claims = np.random.default_rng(1), {}, {}
    for _ in range(10):
        scale = float(rng.choice([0.3, 1.0, 4.0]))
        shapes = ((3, 4), (4, 4), (4, 1), (1, 4))
        weights = [(scale * rng.normal(size=shape)).astype(np.float32) for shape in shapes]
        graph = one_output(FAMILIES[name](weights, scale))
        values = np.abs(SIGNS @ bounds.evaluate(graph, X)[:, 0])
        forms = [frobenius_forms(graph, ENERGIES, M)[0], first_moment_form(graph, ENERGIES, M)]
        for k, form in enumerate([*forms, exponential_form(graph, ENERGIES, M)]):
            ratio = values / math.exp(form.log_scale)
            assert ratio.mean() <= form.unit
            if not form.prices:  # one number: all networks are of one class
                best[k], claims[k] = np.maximum(best.get(k, 0.0), ratio), form.unit
    assert all(0 < best[k].mean() <= claims[k] for k in best)


def of_one_class(rng, order, scale):
    """Weights whose rows all have the norm `scale`, biases of size 1, the parts of the last layer of norm 1 each."""

    def rows(*shape):
        w = rng.normal(size=shape) if rng.integers(2) else np.eye(shape[0])[rng.integers(shape[0], size=shape[1])].T
        return scale * w / np.linalg.norm(w, order, axis=0) * rng.choice([-1, 1], size=shape[1])

    top = np.concatenate([rows(3, 1), rows(4, 1)]) / scale
    return rows(3, 4), rows(4, 4), rng.choice([-1.0, 1.0], size=(1, 4)), top


FIXED = {
    "joined": lambda a, b, c, v: lambda x: jnp.concatenate([x, jnp.tanh(x @ a + c)], axis=1) @ v,
    "two tanh": lambda a, b, c, v: lambda x: (h := jnp.tanh(x @ a + c)) @ v[3:] + jnp.tanh(h @ b) @ v[3:],
    "two GELU": lambda a, b, c, v: lambda x: jax.nn.gelu(jax.nn.gelu(x @ a) @ b) @ v[3:],
    "sigmoid": lambda a, b, c, v: lambda x: jax.nn.sigmoid(x @ a) @ v[3:],
    "maxima": lambda a, b, c, v: lambda x: pairs(jnp.tanh(x @ a + c)) @ v[:3],
}


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("order", [1, 2])
def test_the_supremum_over_a_class_of_fixed_numbers(name, order):
    """Every row has its number: all drawn networks are of one class, with one claim for the best of them."""
    rng, best, claims = np.random.default_rng(2), 0.0, []
    for _ in range(12):
        weights = [w.astype(np.float32) for w in of_one_class(rng, order, 2.0)]
        f = FIXED[name](*weights)
        graph = score_difference(graph_of(lambda x, f=f: f(x) @ np.float32([[0.0, 1.0]])))
        best = np.maximum(best, np.abs(SIGNS @ bounds.evaluate(graph, X)[:, 0]))
        one = [frobenius_forms(graph, ENERGIES, M)[0]] if order == 2 else [first_moment_form(graph, ENERGIES, M)]
        claims.append([form.value for form in [*one, *([exponential_form(graph, ENERGIES, M)] if order == 1 else [])]])
    assert 0 < best.mean() <= np.min(claims)


def test_a_max_pool_without_its_window_is_refuted():
    """f = max over sixteen linear maps on sixteen one-hot inputs: E sup ≥ 8, and 5.7 without the factor 16.

    For signs ξ the maps e_n of the inputs with ξ_n = +1 give Σ ξ f = their number, as all other maxima are 0.
    """
    k, top = 16, np.float32([[0.0, 1.0]])
    f = lambda x: (x @ np.eye(k, dtype=np.float32)).max(axis=1, keepdims=True) @ top  # noqa: E731
    graph, ones = score_difference(bounds.read_graph(f, np.ones((2, k), np.float32))), np.ones(k)
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(20, k))
    for row in signs[:3]:
        maps = np.diag(row > 0).astype(np.float32)
        own = bounds.read_graph(lambda x, w=maps: (x @ w).max(axis=1, keepdims=True) @ top, np.ones((2, k), np.float32))
        assert float(row @ bounds.evaluate(own, np.eye(k))[:, 1]) == (row > 0).sum()
    (form,) = frobenius_forms(graph, ones, k)
    assert math.exp(form.log_scale) == pytest.approx(k) and form.value / k < k / 2 < form.value
    form = first_moment_form(graph, ones, k)
    assert form.value / k == pytest.approx(3 * math.sqrt(2 * math.log(2 * k)))  # √log k: below k/2 for 32 inputs
    assert 3 * math.sqrt(2 * math.log(2 * 32)) < 32 / 2


def test_an_activation_without_its_value_at_zero_is_refuted():
    """Weights 0: f = ½, and everything but the constant's part is 0."""
    w, v = np.zeros((3, 1), np.float32), np.float32([[2.0]])
    graph = one_output(lambda x: jax.nn.sigmoid(x @ w) @ v)
    attained = float(np.abs(SIGNS.sum(axis=1)).mean())
    for form in (frobenius_forms(graph, 1e-6 * ENERGIES, M)[0], first_moment_form(graph, 1e-6 * ENERGIES, M)):
        assert attained <= form.value
    state = run_one_norms(graph, Paid(lambda value: (value, 0.0)))
    assert state.layers[2].gain == pytest.approx(math.log(0.5))


# ---- rows ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", ROWS)
@pytest.mark.parametrize("name", ["max_pooled", "residual_post_activation", "residual_pre_activation"])
def test_rows_of_graphs(bound, name):
    net = network(name)
    sample = sample_of(np.ones(net.x.shape[1:]), 50, 4)

    def row(f):
        return bounds.BOUNDS[bound](bounds.read_graph(f, net.x[:2]), sample, delta=0.01)

    one, two = row(net.f), row(lambda x: 2 * net.f(x))
    assert "beyond ReLU chains" in one.note and math.isfinite(one.terms["complexity uncapped"])
    assert two.terms["complexity uncapped"] > 1.5 * one.terms["complexity uncapped"]


@pytest.mark.parametrize("bound", ROWS)
def test_rescaling(bound):
    """Of homogeneous layers nothing moves; of tanh it does, where numbers are paid for layer by layer."""
    a, b, c = dense(3, 4), dense(4, 4, seed=1), dense(4, 3, seed=2)

    def value(activation, t):
        f = lambda x: (h := activation(x @ (t * a))) @ (c / t) + activation(h @ b) @ (c / t)  # noqa: E731
        row = bounds.BOUNDS[bound](graph_of(f), sample_of(ENERGIES, 50, 3), delta=0.01)
        return row.terms["scale/gamma"] if "scale/gamma" in row.terms else row.terms["c = scale/gamma"]

    assert value(jax.nn.relu, 4.0) == pytest.approx(value(jax.nn.relu, 1.0), rel=1e-9)
    assert value(jnp.tanh, 4.0) != pytest.approx(value(jnp.tanh, 1.0), rel=1e-3) or bound == "golowich_l1"


@pytest.mark.parametrize("bound", ROWS)
def test_numbers_of_tanh_layers_are_paid_for(bound):
    f = lambda x: jnp.tanh(x @ dense(3, 4)) @ dense(4, 3, seed=2)  # noqa: E731
    row = bounds.BOUNDS[bound](graph_of(f), sample_of(ENERGIES, 50, 3), delta=0.01)
    assert row.terms["norms of layers"] and row.terms["nats paid for choices"] > math.log(4)


@pytest.mark.parametrize("bound", ROWS)
def test_products_are_refused(bound):
    f = lambda x: (x @ dense(3, 3)) * (x @ dense(3, 3, seed=1))  # noqa: E731
    row = bounds.BOUNDS[bound](graph_of(f), sample_of(ENERGIES, 50, 3), delta=0.01)
    assert math.isnan(row.value) and "product" in row.note
