"""Activations are told by their values, however the program writes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import nn

from sparsebounds import bounds
from sparsebounds.bounds.graph import Activation, Linear, MaxPool, Product

RNG = np.random.default_rng(0)
W, V, B = (RNG.normal(size=s).astype(np.float32) for s in ((5, 4), (4, 3), (4,)))
SLOPES = np.array([0.1, 0.2, -0.3, 2.0], np.float32)
X = RNG.normal(size=(6, 5)).astype(np.float32)

ONE = {  # how a program writes it → what it is called
    "relu6": (nn.relu6, "ReLU6"),
    "hard tanh": (nn.hard_tanh, "hard tanh"),
    "clip": (lambda t: jnp.clip(t, -1, 2), "clip"),
    "abs": (jnp.abs, "abs"),
    "abs as a maximum": (lambda t: jnp.maximum(t, -t), "abs"),
    "elu": (nn.elu, "ELU"),
    "elu 0.7": (lambda t: nn.elu(t, 0.7), "ELU"),
    "celu 2": (lambda t: nn.celu(t, 2.0), "CELU"),
    "selu": (nn.selu, "SELU"),
    "gelu": (lambda t: nn.gelu(t, approximate=False), "GELU"),
    "gelu of tanh": (nn.gelu, "GELU (tanh)"),
    "gelu by hand": (lambda t: t * 0.5 * (1 + jax.scipy.special.erf(t / jnp.sqrt(2.0))), "GELU"),
    "silu": (nn.silu, "SiLU"),
    "silu by hand": (lambda t: t / (1 + jnp.exp(-t)), "SiLU"),
    "quick gelu": (lambda t: t * nn.sigmoid(1.702 * t), "quick GELU"),
    "silu of a slope": (lambda t: t * nn.sigmoid(0.37 * t), "SiLU of slope"),
    "mish": (nn.mish, "Mish"),
    "softplus": (nn.softplus, "softplus"),
    "softplus by hand": (lambda t: jnp.log1p(jnp.exp(t)), "softplus"),
    "shifted softplus": (lambda t: nn.softplus(t) - jnp.log(2.0), "softplus"),
    "sigmoid": (nn.sigmoid, "sigmoid"),
    "sigmoid by hand": (lambda t: 1 / (1 + jnp.exp(-t)), "sigmoid"),
    "tanh": (jnp.tanh, "tanh"),
    "scaled tanh": (lambda t: 1.7159 * jnp.tanh(2 / 3 * t), "tanh"),
    "hard swish": (nn.hard_swish, "hard swish"),
    "hard sigmoid": (nn.hard_sigmoid, "hard sigmoid"),
    "softsign": (nn.soft_sign, "softsign"),
    "sin": (jnp.sin, "sin"),
    "cos": (jnp.cos, "cos"),
    "erf": (jax.scipy.special.erf, "erf"),
    "arctan": (jnp.arctan, "arctan"),
    "tanh-shrink": (lambda t: t - jnp.tanh(t), "tanh-shrink"),
    "soft-shrink": (lambda t: jnp.sign(t) * jnp.maximum(jnp.abs(t) - 0.5, 0), "soft-shrink"),
    "prelu of a negative slope": (lambda t: jnp.where(t > 0, t, -0.5 * t), "PReLU"),
    "gelu of twice the view": (lambda t: nn.gelu(2 * t), "GELU (tanh)"),
    "in a jit": (jax.jit(lambda t: jax.jit(nn.silu)(t)), "SiLU"),
}


def read(function, x=X):
    f = lambda x: function(x @ W + B) @ V  # noqa: E731
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-5)
    return graph


@pytest.mark.parametrize("name", ONE)
def test_an_activation_is_told_by_its_values(name):
    function, called = ONE[name]
    layers = read(function).layers
    (found,) = [layer for layer in layers if isinstance(layer, Activation)]
    assert found.function.name == called
    assert len(layers) <= 5 and not [layer for layer in layers if layer.role == "unknown"]


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (nn.relu, 0.0),
        (lambda t: jnp.minimum(t, 0), 0.0),
        (lambda t: (t > 0).astype(t.dtype) * t, 0.0),
        (lambda t: (t + jnp.abs(t)) / 2, 0.0),
        (nn.leaky_relu, 0.01),
        (lambda t: jnp.maximum(t, 0.3 * t), 0.3),
        (lambda t: jnp.where(t > 0, t, 2 * t), 0.5),
        (lambda t: nn.relu(t) - 0.2 * nn.relu(-t), None),
    ],
)
def test_relu_and_leaky_relu_stay_part_of_their_layer(function, slope):
    layers = read(function).layers
    assert all(isinstance(layer, Linear) for layer in layers[1:])
    if slope is not None:
        assert [round(layer.slope, 6) for layer in layers[1:]] == [slope, 1.0]


@pytest.mark.parametrize("prelu", [lambda t: jnp.where(t >= 0, t, SLOPES * t), lambda t: jnp.maximum(t, SLOPES * t)])
def test_a_slope_for_each_channel_is_a_sum_of_two_relus(prelu):
    assert all(isinstance(layer, Linear) for layer in read(prelu).layers[1:])


@pytest.mark.parametrize(
    "gate",
    [
        lambda t: t * nn.sigmoid(t[:, ::-1]),
        lambda t: nn.silu(t) * t[:, ::-1],
        lambda t: nn.relu(t) ** 2,
        jnp.square,
        lambda t: t * t,
        lambda t: nn.glu(jnp.concatenate([t, t[:, ::-1]], axis=1)),
        lambda t: t * nn.sigmoid(t.mean(axis=1, keepdims=True)),
    ],
)
def test_gates_and_squares_are_products(gate):
    layers = read(gate).layers
    assert sum(isinstance(layer, Product) for layer in layers) == 1
    assert sum(bool(layer.dots) for layer in layers) == 2, "no layer is read twice"


@pytest.mark.parametrize("pair", [jnp.maximum, jnp.minimum])
def test_maxout_is_a_max_pool(pair):
    layers = read(lambda t: pair(t, t[:, ::-1])).layers
    assert [type(layer) for layer in layers[2:]] == [MaxPool, Linear]


CUT_OFF = {  # beyond where most networks ever get
    "relu up to 100": lambda t: jnp.minimum(nn.relu(t), 100.0),
    "relu up to 10000": lambda t: jnp.clip(t, 0, 1e4),
    "clip at 255": lambda t: jnp.clip(t, -255, 255),
}


@pytest.mark.parametrize("name", CUT_OFF)
def test_a_function_that_is_cut_off_far_out_is_cut_off_in_the_graph(name):
    graph = bounds.read_graph(lambda x: CUT_OFF[name](x @ W + B) @ V, X)
    assert [layer.function.name for layer in graph.layers if isinstance(layer, Activation)] == ["clip"]
    np.testing.assert_allclose(bounds.evaluate(graph, 1e6 * X), CUT_OFF[name](1e6 * X @ W + B) @ V, rtol=1e-4, atol=1)


def test_a_threshold_far_out_is_one():
    graph = bounds.read_graph(lambda x: jnp.where(x @ W > 100, x @ W, 0.0) @ V, X)
    assert [layer.role for layer in graph.layers if layer.role == "unknown"]
    grey = np.arange(60, dtype=np.uint8).reshape(12, 5) * 4
    graph = bounds.read_graph(lambda x: (x > 127).astype(jnp.float32) @ W @ V, grey[:1])
    np.testing.assert_allclose(bounds.evaluate(graph, grey), (grey > 127) @ W @ V, rtol=1e-5, atol=1e-5)


def test_a_name_is_not_believed():
    @jax.jit
    def silu(t):
        return t * nn.sigmoid(1.0001 * t)

    (found,) = [layer for layer in read(silu).layers if isinstance(layer, Activation)]
    assert (found.function.name, found.function.numbers) == ("SiLU of slope", (1.0001,))
