"""Two layers, unit by unit: what lies between them, activations of every kind, numbers worked by hand."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from samples import sample_of

from sparsebounds import bounds
from sparsebounds.bounds.graph.score_difference import score_difference
from sparsebounds.bounds.margin.grids import grid_up
from sparsebounds.bounds.theorems.chains.two_layers import read_two_layers
from sparsebounds.bounds.theorems.rademacher.neyshabur_two_layer import unit_complexity

RNG = np.random.default_rng(3)
KERNEL = RNG.normal(size=(2, 2, 1, 3)).astype(np.float32)
SHIFT = RNG.normal(size=3).astype(np.float32)
TOP, OFFSET = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=4).astype(np.float32)
IMAGES = RNG.normal(size=(6, 3, 3, 1)).astype(np.float32)


def pooled(activation):
    """A convolution with a bias, an activation, the mean over its four positions, a dense layer with a bias."""

    def f(x):
        z = jax.lax.conv_general_dilated(x, KERNEL, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        return activation(z + SHIFT).mean(axis=(1, 2)) @ TOP + OFFSET

    return f


def units(x):
    """(inputs, 12): what the twelve units read, position by position."""
    patches = [x[:, a : a + 2, b : b + 2].reshape(len(x), 4) for a, b in itertools.product((0, 1), repeat=2)]
    return np.concatenate([p @ KERNEL.reshape(4, 3) + SHIFT for p in patches], axis=1)


@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh, jax.nn.gelu, jax.nn.sigmoid, jnp.abs])
def test_a_pooled_network_is_two_layers(activation):
    """Every unit goes to the scores with a quarter of its channel's row; σ(0) goes with all of them into the bias."""
    f = pooled(activation)
    graph = bounds.read_graph(f, IMAGES[:2])
    layers = read_two_layers(graph)
    rows = np.tile(TOP / 4, (4, 1)).astype(np.float64)
    zero = layers.function.at_zero
    bias = OFFSET + zero * rows.sum(axis=0)
    hidden = layers.function.apply(units(IMAGES).astype(np.float64)) - zero
    np.testing.assert_allclose(hidden @ rows + bias, bounds.evaluate(graph, IMAGES), atol=1e-5)
    outgoing, offset = layers.outgoing()
    assert outgoing[9:21] == pytest.approx(np.linalg.norm(rows, axis=1)) and offset == pytest.approx(
        np.linalg.norm(bias)
    )
    norms = np.tile(np.sqrt((KERNEL**2).sum(axis=(0, 1, 2)) + SHIFT**2), 4).astype(np.float64)
    form = unit_complexity(graph, np.ones((3, 3, 1)), 6)
    nats = 0.0
    if not layers.function.homogeneous:
        norms, nats = grid_up(norms.max())
    scale = layers.function.lipschitz * (norms * np.linalg.norm(rows, axis=1)).sum() + np.linalg.norm(bias)
    assert form.value == pytest.approx(scale * (2 * math.sqrt(8) + 2) * math.sqrt(9 + 6), rel=1e-6)
    assert math.fsum(form.prices.values()) == pytest.approx(nats)


def test_by_hand():
    """x → tanh(3x) → (2, −1, 0): ‖v‖ = √5, u = 3 → 1.1¹², C = 3, ‖X‖_F = 2."""
    top = np.float32([[2.0, -1.0, 0.0]])
    graph = bounds.read_graph(lambda x: jnp.tanh(3.0 * x @ np.ones((1, 1), np.float32)) @ top, np.ones((2, 1)))
    form = unit_complexity(graph, np.array([4.0]), 7)
    assert form.value == pytest.approx(math.sqrt(5) * 1.1**12 * (2 * math.sqrt(6) + 2) * 2, rel=3e-6)
    assert form.prices["largest norm into a unit"] == pytest.approx(math.log(2 * 13 * 14))


@pytest.mark.parametrize(
    ("activation", "contraction"),
    [(jax.nn.relu, (1 + math.sqrt(2)) / 2), (jnp.tanh, 1.0), (jnp.abs, math.sqrt(2)), (jax.nn.elu, 1.2071068)],
)
def test_one_output_contracts_in_second_moments(activation, contraction):
    top = np.float32([[0.0, 1.0]])
    graph = score_difference(
        bounds.read_graph(lambda x: activation(x @ np.ones((1, 1), np.float32)) @ top, np.ones((2, 1)))
    )
    assert read_two_layers(graph).contraction == pytest.approx(contraction)


@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh, jax.nn.gelu, jax.nn.sigmoid, jax.nn.hard_swish])
def test_no_unit_exceeds_the_claim(activation):
    """E sup over ‖u‖ ≤ U, |v| ≤ 1 of v Σ ξ σ(u·x), every sign, units on a grid of directions and sizes."""
    x = RNG.normal(size=(6, 2))
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=6)))
    angles, sizes = np.linspace(0, 2 * np.pi, 90, endpoint=False), np.linspace(0.02, 2.0, 25)
    rows = (np.stack([np.cos(angles), np.sin(angles)], 1)[:, None] * sizes[:, None]).reshape(-1, 2)
    weights, top = np.float32([[2.0], [0.0]]), np.float32([[0.0, 1.0]])
    graph = score_difference(bounds.read_graph(lambda z: activation(z @ weights) @ top, np.ones((2, 2), np.float32)))
    one = read_two_layers(graph).function
    attained = np.abs(signs @ (one.apply(x @ rows.T) - one.at_zero)).max(axis=1).mean()
    size = grid_up(2.0)[0] if not one.homogeneous else 2.0
    claim = read_two_layers(graph).contraction * one.lipschitz * size * np.linalg.norm(x)
    assert 0.4 * claim < attained <= claim


def test_one_score_reads_zero_from_the_bias_of_an_activation():
    """Without σ(0) the class of sigmoid networks with weights 0 has complexity 0, and ½ Σ ξ v is not: a broken twin."""
    w, v = np.zeros((1, 1), np.float32), np.float32([[0.0, 4.0]])
    graph = score_difference(bounds.read_graph(lambda x: jax.nn.sigmoid(x @ w) @ v, np.ones((2, 1), np.float32)))
    form = unit_complexity(graph, np.zeros(1), 9)
    attained = 2.0 * 9 * math.comb(8, 4) / 2**8
    assert math.exp(form.log_scale) == pytest.approx(2.0) and attained <= form.value


@pytest.mark.parametrize("activation", [jax.nn.relu, jax.nn.gelu])
def test_rows(activation):
    """A doubled top weight moves the row; rescaling units does where σ is homogeneous not; max pooling is refused."""
    x = RNG.normal(size=(2, 3)).astype(np.float32)
    a, b = RNG.normal(size=(3, 4)).astype(np.float32), RNG.normal(size=(4, 3)).astype(np.float32)

    def value(a, b, pool=lambda h: h):
        graph = bounds.read_graph(lambda z: pool(activation(z @ a)) @ b, x)
        row = bounds.neyshabur_two_layer(graph, sample_of(np.ones(3), 50, 3), delta=0.01)
        return row.terms["complexity uncapped"] if row.covered else row.note

    assert value(a, 2 * b) > 1.5 * value(a, b)
    assert (value(a * np.float32([1, 2, 4, 8]), b / np.float32([[1], [2], [4], [8]])) == value(a, b)) == (
        activation is jax.nn.relu
    )
    twice = lambda h: jnp.maximum(h, h[:, ::-1])  # noqa: E731
    assert "max pooling" in value(a, b, twice)
