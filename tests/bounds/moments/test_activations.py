"""Theorem M: activations in the pass, by hand, by enumeration of all signs, and what stays refused."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from node_moments import moments, top
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph import nonlinearities as known
from sparsebounds.bounds.moments import khintchine
from sparsebounds.bounds.moments.activations import contraction_of

RNG = np.random.default_rng(11)
ACTIVATIONS = {
    "tanh": (jnp.tanh, known.TANH),
    "GELU": (lambda t: jax.nn.gelu(t, approximate=False), known.GELU),
    "ELU": (jax.nn.elu, known.elu()),
    "SiLU": (jax.nn.silu, known.silu()),
    "hard swish": (jax.nn.hard_swish, known.HARD_SWISH),
    "abs": (jnp.abs, known.ABS),
    "sigmoid": (jax.nn.sigmoid, known.SIGMOID),
}
TABLE = {"GELU": 1.3894, "SiLU": 1.3483, "ELU": 1.2071, "hard swish": 1.9142, "tanh": 1.0, "abs": 1.4142}


@pytest.mark.parametrize("name", TABLE)
def test_constants_of_the_second_moment(name):
    assert contraction_of(ACTIVATIONS[name][1], np.array([2.0]))[0] == pytest.approx(TABLE[name], abs=2e-4)


def positions(activation, w, b, head):
    """One position of D channels, one node of the rows of w."""
    return lambda x: activation(x @ w + b).reshape(len(x), -1) @ head


@pytest.mark.parametrize(("activation", "expected"), [("GELU", 9.72583295), ("tanh", 7.0)])
def test_worked_value_of_a_node(activation, expected):
    """V8: 4 rows, q = (3, 4) from two maps with largest rows .5 and .25, max |b| = .1, m = 100: s(√4(1.5 + 1) + √4)."""
    w, v = np.zeros((1, 4), np.float32), np.zeros((1, 4), np.float32)
    w[0], v[0], bias = [0.5, 0.1, -0.5, 0.0], [0.25, -0.25, 0.0, 0.1], np.float32([0.1, -0.1, 0.0, 0.05])
    function = ACTIVATIONS[activation][0]

    def f(x):
        first, second = x[:, :1, :1], x[:, 1:, :1]
        hidden = function(first @ w + second @ v + bias)
        return hidden.reshape(len(x), -1) @ np.ones((4, 3), np.float32)

    graph = bounds.read_graph(f, np.ones((2, 2, 1), np.float32))
    energies = np.array([[9.0], [16.0]])
    (q,) = top(graph, moments(graph, energies, 100, tap=False))
    separate = sum(len(layer.terms) for layer in graph.layers if layer.terms) > 2
    s = expected / 7.0
    literal = s * (2 * (0.5 * 3 + 0.25 * 4) + 2 * 0.1 * 10)
    joint = s * (2 * math.hypot(0.5, 0.25) * 5 + 2 * 0.1 * 10)  # one map that reads both: one number for its rows
    assert q == pytest.approx(literal if separate else joint, rel=1e-6)
    assert literal == pytest.approx(expected, rel=1e-9)


def test_constant_at_zero():
    """A sigmoid of nothing: ½ on 3 coordinates, √3/2 B√m."""
    w, head = np.zeros((2, 3), np.float32), np.ones((3, 3), np.float32)
    graph = bounds.read_graph(lambda x: jax.nn.sigmoid(x[:, None] @ w).reshape(len(x), -1) @ head, np.ones((2, 2)))
    found = top(graph, moments(graph, np.ones(2), 49, 3.0))
    assert math.hypot(*found) == pytest.approx(0.5 * math.sqrt(3) * khintchine(3.0) * 7)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("layers", [1, 2])
def test_sampled_networks_stay_below_the_pass(name, layers):
    """All signs, networks drawn with rows of norms not above those fixed: E sup ‖Σ ξ z‖² ≤ q²."""
    m, function = 4, ACTIVATIONS[name][0]
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=m)))
    for scale in (0.3, 3.0):
        x = (RNG.normal(size=(m, 1, 2)) * RNG.choice([0.2, 1.0])).astype(np.float32)
        sup, q = np.zeros(len(signs)), 0.0
        for k in range(25):
            weights = [RNG.normal(size=(2 if i == 0 else 3, 3)) for i in range(layers)]
            weights = [(scale * w / np.linalg.norm(w, axis=0)).astype(np.float32) for w in weights]
            biases = [np.full(3, 0.1, np.float32) * RNG.choice([-1, 1], size=3).astype(np.float32) for _ in weights]

            def hidden(x, weights=weights, biases=biases):
                for w, b in zip(weights, biases, strict=True):
                    x = function(x @ w + b)
                return x.reshape(len(x), -1)

            if not k:
                graph = bounds.read_graph(lambda x: hidden(x) @ np.eye(3, dtype=np.float32), x[:2])
                energies = np.square(x.astype(np.float64)).sum(axis=0)
                q = float(np.linalg.norm(top(graph, moments(graph, energies, m))))
            z = np.asarray(hidden(jnp.asarray(x)), np.float64)
            sup = np.maximum(sup, np.linalg.norm(signs @ z, axis=1))
        assert 0 < math.sqrt(np.square(sup).mean()) <= q * (1 + 1e-6)


def test_no_contraction_for_relu_is_refuted():
    """s = 1, the rule of odd functions: E (sup |Σ ξ σ(t)|)² over ±t, t = (1, −1): 1 + … > E (sup |Σ ξ t|)²."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=3)))
    best, angles = 0.0, np.linspace(0, 2 * np.pi, 180, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)])
    for _ in range(300):
        t = (RNG.normal(size=(3, 2)) @ circle).T
        sups = [np.square(np.abs(signs @ v.T).max(axis=1)).mean() for v in (np.maximum(t, 0), t)]
        best = max(best, math.sqrt(sups[0] / sups[1]))
    assert 1.0 < best <= contraction_of(known.elu(), np.array([2.0]))[0]


def test_the_row_of_a_gelu_network_and_what_certificates_refuse():
    w, v = (RNG.normal(size=s).astype(np.float32) for s in ((3, 4), (4, 2)))
    x = RNG.normal(size=(60, 3)).astype(np.float32)

    def row(factor, activation=jax.nn.gelu):
        graph = bounds.read_graph(lambda x: factor * (activation(x @ w) @ v), x[:2])
        return bounds.peeling(graph, sample_of(np.square(x).sum(0).astype(float), 60, 2), delta=0.01, gamma=1.0)

    one, two = (row(factor).terms["complexity uncapped"] for factor in (1.0, 2.0))
    assert math.isfinite(one) and two == pytest.approx(2 * one, rel=0.21)
    graph = bounds.read_graph(lambda x: jnp.tanh(x @ w) @ v, x[:2])
    with pytest.raises(NotCovered, match="tanh"):
        bounds.moments.read_plan(graph)


def test_the_identity_as_an_activation_changes_no_norms():
    """A layer that is applied to nothing but itself: hard tanh within [−1, 1] has s = 1, and rows of equal norm."""
    w = np.float32([[1.0, 0.0], [0.0, 1.0]])
    head = np.ones((2, 3), np.float32)
    x = np.ones((2, 1, 2), np.float32)
    plain = bounds.read_graph(lambda x: (x @ w).reshape(len(x), -1) @ head, x)
    clipped = bounds.read_graph(lambda x: jnp.clip(x @ w, -1, 1).reshape(len(x), -1) @ head, x)
    values = [np.linalg.norm(top(g, moments(g, np.ones((1, 2)), 9))) for g in (plain, clipped)]
    assert values[1] == pytest.approx(math.sqrt(2) * math.sqrt(2)) and values[0] <= values[1] * (1 + 1e-9)
