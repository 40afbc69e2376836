"""A module as a function, which weights move, steps of low rank."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets


def module() -> nnx.Module:
    rngs = nnx.Rngs(0)
    return nnx.Sequential(
        nnx.Conv(1, 3, (3, 3), rngs=rngs), nnx.BatchNorm(3, rngs=rngs), nnx.relu, nnx.Dropout(0.5, rngs=rngs),
        lambda x: x.reshape(len(x), -1), nnx.Linear(48, 5, rngs=rngs), nnx.relu, nnx.Linear(5, 2, rngs=rngs),
    )  # fmt: skip


X = np.random.default_rng(0).normal(size=(7, 4, 4, 1)).astype(np.float32)


def test_split_freezes_statistics_and_dropout() -> None:
    net = module()
    f, params, rest = nets.split_module(net)
    whole = f(params, X)
    np.testing.assert_allclose(whole[2:3], f(params, X[2:3]), rtol=1e-5)  # no image sees another
    np.testing.assert_array_equal(whole, f(params, X))
    net.eval()
    np.testing.assert_allclose(whole, net(X), rtol=1e-5)
    assert rest["layers"][1]["mean"].shape == (3,)
    assert len(jax.tree.leaves(params)) == 8


def test_split_leaves_the_module_in_training_mode() -> None:
    net = module()
    nets.split_module(net)
    before = np.asarray(net.layers[1].mean[...])
    net(X)
    assert (np.asarray(net.layers[1].mean[...]) != before).any()


def test_last_layer_of_modules() -> None:
    f, params, _ = nets.split_module(module())
    last = nets.moving(f, params, X, "last")
    assert last["layers"][7] == {"kernel": True, "bias": True}
    assert sum(jax.tree.leaves(last)) == 2
    assert all(jax.tree.leaves(nets.moving(f, params, X, "all")))
    chosen = nets.moving(f, params, X, lambda path: path.endswith("bias"))
    assert sum(jax.tree.leaves(chosen)) == 4


def test_last_layer_of_decoders() -> None:
    params = {"g": np.float32(2.0), "v": np.ones((4, 3), np.float32), "a": np.ones((4, 4), np.float32)}
    normed = lambda p, x: jnp.tanh(x @ p["a"]) @ (p["v"] * (p["g"] / jnp.linalg.norm(p["v"])))  # noqa: E731
    assert nets.moving(normed, params, X[:, :, 0, 0], "last") == {"g": True, "v": True, "a": False}
    jitted = jax.jit(normed)
    assert nets.moving(jitted, params, X[:, :, 0, 0], "last") == {"g": True, "v": True, "a": False}
    images = {"v": np.ones((4, 4, 1, 2), np.float32), "b": np.ones(2, np.float32)}
    conv = lambda p, x: nets.models.conv_ops.conv2d(x, p["v"])[:, 0, 0] + p["b"]  # noqa: E731
    assert nets.moving(conv, images, X, "last") == {"v": True, "b": True}


@pytest.mark.parametrize("layers", ["first", lambda path: False])
def test_nothing_that_moves_is_refused(layers) -> None:
    with pytest.raises(ValueError, match=r"layers is 'first'|no leaf may move; the paths are w"):
        nets.moving(lambda p, x: x @ p["w"], {"w": np.ones((4, 2))}, X[:, :, 0, 0], layers)
    with pytest.raises(ValueError, match="has no last layer"):
        nets.moving(lambda p, x: x + p["w"], {"w": np.ones(4)}, X[:, :, 0, 0], "last")


def test_low_rank_starts_where_the_network_is_and_moves_by_products() -> None:
    f, params, _ = nets.split_module(module())
    g, adapters = nets.low_rank(f, params, 2)
    np.testing.assert_array_equal(g(adapters, X), f(params, X))
    leaves = jax.tree.leaves(params)
    kinds = {leaf.shape: sorted(entry) for leaf, entry in zip(leaves, adapters, strict=True)}
    assert kinds[48, 5] == ["down", "up"] and kinds[5,] == ["step"]
    assert kinds[5, 2] == ["step"]  # 2·(5 + 2) is more than 10
    assert kinds[3, 3, 1, 3] == ["down", "up"]  # 9 rows, 3 columns
    index = [leaf.shape for leaf in leaves].index((48, 5))
    adapters[index]["up"] = adapters[index]["up"].at[1, 3].set(0.5)
    moved = jax.tree.map(lambda leaf: leaf, params)
    moved["layers"][5]["kernel"] = moved["layers"][5]["kernel"].at[:, 3].add(0.5 * adapters[index]["down"][:, 1])
    np.testing.assert_allclose(g(adapters, X), f(moved, X), rtol=1e-5)


def test_low_rank_steps_can_be_trained_and_restricted_to_the_last_layer(key) -> None:
    x = np.random.default_rng(4).normal(size=(200, 6)).astype(np.float32)
    y = (x[:, 0] > 0).astype(int)
    f = lambda p, x: jnp.tanh(x @ p["a"]) @ p["b"]  # noqa: E731
    rng = np.random.default_rng(5)
    params = {"a": rng.normal(size=(6, 20)).astype(np.float32), "b": 0.1 * rng.normal(size=(20, 8)).astype(np.float32)}
    g, adapters = nets.low_rank(f, params, 1)
    moves = nets.moving(g, adapters, x, "last")
    assert moves == [{"down": False, "up": False}, {"down": True, "up": True}]
    scales = nets.train_scales(g, adapters, x, y, key=key, moves=moves, epochs=2, progress=False)
    assert not scales[0]["up"].any() and scales[1]["up"].all()


def test_rank_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="rank is 0"):
        nets.low_rank(lambda p, x: x @ p, np.ones((3, 2)), 0)
