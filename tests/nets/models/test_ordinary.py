"""Networks with max pooling, batch norm and attention: sizes, and a function of one image in evaluation mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets

BUILDERS = {
    "pooled": lambda rngs: nets.PooledNet((3, 4), 3, rngs=rngs, in_shape=(12, 12, 1)),
    "pooled gelu": lambda rngs: nets.PooledNet((3,), 3, pools=2, activation="gelu", rngs=rngs, in_shape=(12, 12, 1)),
    "batch norm": lambda rngs: nets.BatchNormResNet((3, 5), rngs=rngs, in_shape=(12, 12, 1)),
    "transformer": lambda rngs: nets.ViT(8, 2, 2, rngs=rngs, in_shape=(12, 12, 1)),
}
X = np.random.default_rng(0).normal(size=(6, 12, 12, 1)).astype(np.float32)


@pytest.mark.parametrize("name", BUILDERS)
def test_one_image_is_scored_by_itself_and_every_weight_counts(name: str) -> None:
    f, params, _ = nets.split_module(BUILDERS[name](nnx.Rngs(1)))
    scores = f(params, X)
    assert scores.shape == (6, 10)
    np.testing.assert_allclose(scores[3:4], f(params, X[3:4]), atol=1e-5)
    slopes = jax.grad(lambda p: jnp.sum(jnp.square(f(p, X))))(params)
    for path, slope in jax.tree_util.tree_leaves_with_path(slopes):
        # A bias of all keys changes no softmax.
        assert (np.abs(slope).max() > 1e-6) == ("'key'" not in str(path) or "'bias'" not in str(path)), path


@pytest.mark.parametrize("name", ["pooled gelu", "batch norm", "transformer"])
def test_they_learn(name: str) -> None:
    y = np.arange(6) % 3
    net = BUILDERS[name](nnx.Rngs(1))
    nets.train_module(net, X, y, key=jax.random.key(0), epochs=60, learning_rate=0.01, progress=False)
    assert np.argmax(np.asarray(net(X)), axis=1).tolist() == y.tolist()


def test_pooled_by_hand() -> None:
    net = nets.PooledNet((1,), 2, pools=2, in_shape=(5, 5, 1), classes=1, rngs=nnx.Rngs(0))
    net.conv1.kernel[...] = jnp.array([[1.0, 0.0], [0.0, -1.0]]).reshape(2, 2, 1, 1)
    net.conv1.bias[...], net.dense.kernel[...] = jnp.array([0.5]), jnp.array([[2.0]])
    x = np.zeros((1, 5, 5, 1), np.float32)
    x[0, 1, 2, 0] = 3.0  # the map has 3.5 at (1, 2) and −2.5 at (0, 1): its largest value is read twice over
    assert net(x).item() == 7.0


def test_numbers_of_weights() -> None:
    sizes = {
        11386: nets.PooledNet(rngs=nnx.Rngs(0)),
        2458: nets.PooledNet((6, 12), pools=3, rngs=nnx.Rngs(0)),
    }
    for count, net in sizes.items():
        assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(net, nnx.Param))) == count


BAD = {
    "0 convolutions and": lambda rngs: nets.PooledNet((), rngs=rngs),
    "as many pools": lambda rngs: nets.PooledNet((3, 3), pools=1, rngs=rngs),
    "activation is 'swish'": lambda rngs: nets.PooledNet(activation="swish", rngs=rngs),
    "too small": lambda rngs: nets.PooledNet((3, 3, 3), rngs=rngs),
    "none smaller": lambda rngs: nets.BatchNormResNet((4, 3), rngs=rngs),
    "halved 3 times": lambda rngs: nets.BatchNormResNet((4, 4, 4), in_shape=(7, 7, 1), rngs=rngs),
    "multiple of the heads": lambda rngs: nets.ViT(6, 1, 4, rngs=rngs),
    "multiples of the patch": lambda rngs: nets.ViT(8, 1, 4, patch=5, rngs=rngs),
    r"widths\[0\] is 0": lambda rngs: nets.PooledNet((0,), rngs=rngs),
}


@pytest.mark.parametrize("said", BAD)
def test_sizes_that_do_not_fit_are_refused(said: str) -> None:
    with pytest.raises(ValueError, match=said):
        BAD[said](nnx.Rngs(0))
