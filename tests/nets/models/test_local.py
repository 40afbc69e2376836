"""Explicit connectivity: constructors against lists written by hand, networks against literal loops, O(edges)."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsebounds import nets
from sparsebounds.nets.connectivity.edges import Connectivity, Edges


def lists(edges: Edges) -> list[list[int]]:
    return [row.tolist() for row in edges]


def test_tree_by_hand() -> None:
    graph = nets.tree(7, 2)
    assert graph.sizes == (7, 4, 2, 1)
    assert [lists(layer) for layer in graph.pred] == [[[0, 1], [2, 3], [4, 5], [6]], [[0, 1], [2, 3]], [[0, 1]]]
    assert nets.tree(1, 3).sizes == (1, 1)


def test_tree_of_an_image_by_hand() -> None:
    graph = nets.tree((3, 4), 4)
    assert graph.sizes == (12, 4, 1)
    assert lists(graph.pred[0]) == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9], [10, 11]]


def test_banded_and_convolutional_by_hand() -> None:
    assert lists(nets.banded(3, 2, 1).pred[1]) == [[0, 1], [0, 1, 2], [1, 2]]
    assert lists(nets.banded(3, 1, 0).pred[0]) == [[0], [1], [2]]
    graph = nets.convolutional((3, 4), 2)
    assert graph.sizes == (12, 6, 2)
    assert lists(graph.pred[0])[:4] == [[0, 1, 4, 5], [1, 2, 5, 6], [2, 3, 6, 7], [4, 5, 8, 9]]
    assert lists(graph.pred[1]) == [[0, 1, 3, 4], [1, 2, 4, 5]]


@settings(max_examples=60, deadline=None)
@given(below=st.integers(1, 30), nodes=st.integers(1, 30), degree=st.integers(1, 30), seed=st.integers(0, 99))
def test_random_regular_is_regular_on_both_sides(below: int, nodes: int, degree: int, seed: int) -> None:
    degree = min(degree, below)
    layer = nets.random_regular((below, nodes), degree, seed=seed).pred[0]  # the constructor refuses repeats
    assert set(layer.degrees.tolist()) == {degree}
    read = np.bincount(layer.sources, minlength=below)
    assert read.max() - read.min() <= 1


def test_random_regular_is_random_and_repeatable() -> None:
    a, b, c = (nets.random_regular((50, 50), 3, seed=seed).pred[0].sources for seed in (0, 0, 1))
    assert (a == b).all() and (a != c).any()


def literal(net: nets.LocalNet, graph: Connectivity, x: np.ndarray) -> np.ndarray:
    """The network node by node, in float64, from its predecessor lists."""
    values = x.reshape(len(x), *net.inputs).astype(np.float64)
    for edges, layer in zip(graph.pred, net.layers(), strict=True):
        rows, seen = [], dict.fromkeys(layer.buckets.degrees, 0)
        for node, pred in enumerate(lists(edges)):
            block = np.asarray(getattr(layer, f"block{len(pred)}")[...], np.float64)[seen[len(pred)]]
            seen[len(pred)] += 1
            z = np.asarray(layer.bias[...], np.float64)[node]
            for at, i in enumerate(pred):
                z = z + values[:, i] @ block[at]
            rows.append(np.maximum(z, 0))
        values = np.stack(rows, axis=1)
    return values.reshape(len(x), -1) @ np.asarray(net.dense.kernel[...]) + np.asarray(net.dense.bias[...])


RAGGED = Connectivity.from_lists(5, [[[4, 0], [2], [0, 1, 2, 3, 4], [3, 1]], [[3, 0, 1], [2]], [[1, 0]]])


@pytest.mark.parametrize(
    ("graph", "channels"),
    [(RAGGED, 3), (nets.tree(5, 2), (2, 1, 4)), (nets.banded(5, 2, 2), 2), (nets.random_regular((5, 6, 4), 3), 2)],
    ids=["ragged", "tree", "banded", "random"],
)
def test_network_against_its_lists(graph: Connectivity, channels: int | tuple[int, ...]) -> None:
    net = nets.LocalNet(graph, channels, in_channels=2, classes=3, rngs=nnx.Rngs(0))
    x = np.random.RandomState(1).randn(4, 5, 2).astype(np.float32)
    np.testing.assert_allclose(net(jnp.asarray(x)), literal(net, graph, x), rtol=1e-5, atol=1e-5)


def test_one_node_by_hand() -> None:
    net = nets.LocalNet(Connectivity.from_lists(3, [[[2, 0]]]), 1, classes=1, rngs=nnx.Rngs(0))
    net.local1.block2[...] = jnp.array([5.0, 12.0]).reshape(1, 2, 1, 1)
    net.local1.bias[...] = jnp.array([[1.0]])
    net.dense.kernel[...] = jnp.array([[-2.0]])
    net.dense.bias[...] = jnp.array([0.0])
    # node: 5·x_2 + 12·x_0 + 1 = 5·3 + 12·1 + 1 = 28
    assert net(jnp.array([[1.0, 9.0, 3.0]])).tolist() == [[-56.0]]
    assert net.rho() == pytest.approx(26.0)  # 13 · 2


def test_convolution_with_shared_blocks() -> None:
    """The convolution-shaped graph with every node given the same block is the convolution."""
    conv = nets.ConvNet(2, 3, in_shape=(4, 5, 1), classes=4, rngs=nnx.Rngs(0))
    local = nets.LocalNet(nets.convolutional((4, 5), 2), 3, classes=4, rngs=nnx.Rngs(1))
    for layer, same in zip(local.layers(), conv.convolutions(), strict=True):
        kernel = same.kernel()
        layer.block4[...] = jnp.broadcast_to(kernel.reshape(4, *kernel.shape[2:]), layer.block4[...].shape)
        layer.bias[...] = jnp.broadcast_to(same.bias[...], layer.bias[...].shape)
    local.dense.kernel[...], local.dense.bias[...] = conv.dense.kernel[...], conv.dense.bias[...]
    x = jax.random.normal(jax.random.key(0), (3, 4, 5, 1))
    np.testing.assert_allclose(local(x), conv(x), rtol=1e-5, atol=1e-5)
    assert local.rho() == pytest.approx(conv.rho(), rel=1e-6)


def test_start_goes_by_the_degree_of_the_node() -> None:
    net = nets.LocalNet(nets.banded(400, 1, 2), 4, in_channels=4, rngs=nnx.Rngs(0))
    for degree in (3, 4, 5):
        largest = float(jnp.abs(getattr(net.local1, f"block{degree}")[...]).max())
        assert 0.8 * (4 * degree) ** -0.5 < largest <= (4 * degree) ** -0.5


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Connectivity.from_lists(2, [[[0, 2]]]), r"layer 0, node 0 reads node 2 .* need 0 to 1"),
        (lambda: Connectivity.from_lists(2, [[[0], [-1]]]), "node 1 reads node -1"),
        (lambda: Connectivity.from_lists(2, [[[0], [1, 0, 1]]]), "node 1 reads node 1 twice"),
        (lambda: Connectivity.from_lists(2, [[[0], []]]), "node 1 reads no node"),
        (lambda: Connectivity.from_lists(2, [[[0]], [[0], [1]]]), "layer 1, node 1 reads node 1 of a layer of 1"),
        (lambda: Connectivity.from_lists(2, [[]]), "no nodes"),
        (lambda: Connectivity.from_lists(0, [[[0]]]), "0 inputs"),
        (lambda: Connectivity(2, (Edges(np.array([0, 1]), np.array([0, 1])),)), "from_lists"),
        (lambda: nets.tree(8, 1), "at least 2"),
        (lambda: nets.tree((8, 8), 3), "need a square"),
        (lambda: nets.tree(0, 2), "columns is 0"),
        (lambda: nets.banded(4, 1, -1), "reach is -1"),
        (lambda: nets.convolutional((3, 3), 3), "at most 2"),
        (lambda: nets.random_regular((3, 5), 4), "degree is 4"),
        (lambda: nets.random_regular((3,), 1), "two sizes"),
    ],
)
def test_refusals(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_network_refusals() -> None:
    with pytest.raises(ValueError, match="2 numbers for 3 layers"):
        nets.LocalNet(RAGGED, (1, 2), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"channels\[0\] is 0"):
        nets.LocalNet(RAGGED, 0, rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="need 5 nodes of 1 channels"):
        nets.LocalNet(RAGGED, 1, rngs=nnx.Rngs(0))(jnp.zeros((2, 6)))


def test_edges_behave_like_a_list() -> None:
    edges = RAGGED.pred[0]
    assert len(edges) == 4 and edges[-1].tolist() == [3, 1] and RAGGED.edges == 16
    with pytest.raises(IndexError, match="node 4"):
        edges[4]


def test_a_hundred_thousand_nodes_of_degree_four_train() -> None:
    """Time and memory follow the edges: a dense layer of this size would have 10¹⁰ weights."""
    nodes = 100_000
    start = time.monotonic()
    net = nets.LocalNet(nets.random_regular((nodes, nodes), 4), 1, classes=2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(net, optax.sgd(0.01), wrt=nnx.Param)
    x, y = jax.random.normal(jax.random.key(0), (8, nodes)), jnp.arange(8) % 2

    @nnx.jit
    def step(net: nets.LocalNet, optimizer: nnx.Optimizer) -> jax.Array:
        def loss(net: nets.LocalNet) -> jax.Array:
            return optax.softmax_cross_entropy_with_integer_labels(net(x), y).mean()

        value, gradient = nnx.value_and_grad(loss)(net)
        optimizer.update(net, gradient)
        return value

    losses = [float(step(net, optimizer)) for _ in range(4)]
    assert losses[-1] < losses[0]
    assert time.monotonic() - start < 60
