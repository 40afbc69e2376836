"""Which elements of a bias are one number of the program."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds

RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(3, 4, 4, 2)).astype(np.float32)
TOKENS = RNG.normal(size=(3, 5, 4)).astype(np.float32)
W, V, B, G = (RNG.normal(size=s).astype(np.float32) for s in ((4, 6), (6, 3), (6,), (4,)))


def biased(f, x):
    graph = bounds.read_graph(f, x)
    layers = [layer for _, layer in graph.linear_layers() if layer.bias is not None]
    for layer in layers:
        assert layer.bias_of is None or layer.bias_of.shape == layer.bias.shape
        for number in [] if layer.bias_of is None else np.unique(layer.bias_of):
            assert np.ptp(layer.bias[layer.bias_of == number]) < 1e-12
    return layers


def test_a_convolution_has_one_for_each_channel_and_a_dense_layer_one_for_each_unit():
    rngs = nnx.Rngs(0)
    net = nnx.Sequential(
        nnx.Conv(2, 6, (3, 3), rngs=rngs),
        nnx.relu,
        nnx.Conv(6, 4, (3, 3), rngs=rngs),
        nnx.BatchNorm(4, use_running_average=True, rngs=rngs),
        nnx.relu,
        lambda h: h.reshape(len(h), -1),
        nnx.Linear(64, 3, rngs=rngs),
    )
    net.layers[0].bias[...] = jnp.arange(6.0)
    net.layers[3].bias[...] = jnp.arange(4.0)
    first, second, last = biased(net, IMAGES)
    assert first.bias_of.tolist() == list(range(6)) * 16
    assert second.bias_of.tolist() == list(range(4)) * 16
    assert last.bias_of is None or last.bias_of.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "bias",
    [
        lambda: B,
        lambda: jnp.broadcast_to(B, (5, 6)),
        lambda: 2 * jnp.broadcast_to(B, (1, 5, 6)) - jnp.broadcast_to(np.float32(3) * B, (1, 5, 6)),
        lambda: jnp.tile(B[None], (5, 1)),
    ],
)
def test_a_bias_for_every_token(bias):
    layer = biased(lambda x: jax.nn.relu(x @ W + bias()).mean(1) @ V, TOKENS)[0]
    assert layer.bias_of.tolist() == list(range(6)) * 5


def test_what_is_added_before_a_dense_layer_is_shared_as_it_was():
    layer = biased(lambda x: jax.nn.relu((x + G) @ W + B).mean(1) @ V, TOKENS)[0]
    assert layer.bias_of.tolist() == list(range(6)) * 5


def test_positions_have_numbers_of_their_own():
    table = RNG.normal(size=(5, 6)).astype(np.float32)
    layer = biased(lambda x: jax.nn.relu(x @ W + B + table).mean(1) @ V, TOKENS)[0]
    assert layer.bias_of is None or len(set(layer.bias_of.tolist())) == 30


def test_two_arrays_side_by_side_are_not_one():
    def f(x):
        return jax.nn.relu(x @ W + jnp.concatenate([B[None]] * 3 + [V.T[:2]])).mean(1) @ V

    layer = biased(f, TOKENS)[0]
    assert layer.bias_of is None or len(set(layer.bias_of.tolist())) >= 18
