"""The residual network against its definition, its convolutions in both forms, and what it says of itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks
from sparsebounds.nets.models import conv_ops
from sparsebounds.nets.models.functional import pure


@pytest.fixture(scope="module")
def net() -> nets.ResNet:
    net = nets.ResNet(2, in_shape=(6, 5, 1), classes=3, rngs=nnx.Rngs(0))
    rng = np.random.RandomState(1)
    for path, leaf in masks.leaves(masks.parameters(net)).items():  # biases off zero, gains off the norms of v
        if np.ndim(leaf) == 1:
            values = masks.parameters(net)
            drawn = jnp.asarray(rng.uniform(0.1, 1.5, leaf.shape).astype(np.float32))
            masks.set_parameters(net, masks.with_leaves(values, {path: drawn}))
    return net


def literal_conv(layer: object, x: np.ndarray, stride: int) -> np.ndarray:
    """3×3, padded by one, as its definition, in float64."""
    v, g, bias = (np.asarray(getattr(layer, name)[...], np.float64) for name in ("v", "g", "bias"))
    kernel = g * v / np.sqrt((v**2).sum(axis=(0, 1, 2)))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    rows, columns = -(-x.shape[1] // stride), -(-x.shape[2] // stride)
    y = np.zeros((len(x), rows, columns, v.shape[-1]))
    for r, c in np.ndindex(rows, columns):
        window = padded[:, r * stride : r * stride + 3, c * stride : c * stride + 3]
        y[:, r, c] = np.tensordot(window, kernel, axes=3) + bias
    return y


def test_the_network_against_its_definition(net: nets.ResNet) -> None:
    images = np.random.RandomState(0).randn(3, 6, 5, 1).astype(np.float32)
    x = np.maximum(literal_conv(net.stem, images.astype(np.float64), 1), 0)
    for block, stride, added in zip((net.block1, net.block2, net.block3), (1, 2, 2), (0, 2, 4), strict=True):
        inner = np.maximum(literal_conv(block.conv1, x, stride), 0)
        skip = np.pad(x[:, ::stride, ::stride], ((0, 0), (0, 0), (0, 0), (0, added)))
        x = np.maximum(skip + literal_conv(block.conv2, inner, 1), 0)
    assert x.shape == (3, 2, 2, 8)
    scores = x.mean(axis=(1, 2)) @ np.asarray(net.dense.kernel[...]) + np.asarray(net.dense.bias[...])
    _, apply = pure(net)
    np.testing.assert_allclose(jax.jit(apply)(masks.parameters(net), images), scores, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize(("stride", "shape"), [(2, (7, 8)), (3, (6, 9))])
def test_strided_convolutions_agree_in_both_forms(stride: int, shape: tuple[int, int]) -> None:
    """Values, gradients, and the derivative of the gradient along a direction that GraSP takes."""
    rng = np.random.RandomState(stride)
    x, kernel = (jnp.asarray(rng.randn(*s), jnp.float32) for s in ((2, *shape, 2), (3, 2, 2, 3)))

    def all_of(form: object) -> tuple[jax.Array, ...]:
        def value(x: jax.Array, kernel: jax.Array) -> jax.Array:
            return jnp.sum(jnp.sin(form(x, kernel, stride)))  # type: ignore[operator]

        along = jax.jvp(lambda k: jax.grad(value, 1)(x, k), (kernel,), (kernel,))[1]
        return form(x, kernel, stride), *jax.grad(value, (0, 1))(x, kernel), along  # type: ignore[operator]

    by_patches = jax.jit(lambda: all_of(conv_ops.conv_by_patches))()
    native = jax.jit(lambda: all_of(conv_ops.conv_native))()
    for a, b in zip(by_patches, native, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)
    assert conv_ops.conv2d(x, kernel, stride=stride, padding=1).shape[1:3] == (
        (shape[0] - 1) // stride + 1, shape[1] // stride + 1
    )  # fmt: skip


def test_positions_of_a_6_by_5_image(net: nets.ResNet) -> None:
    """Maps of 6×5, 3×3 and 2×2."""
    assert net.positions() == {
        "stem.v": 30, "dense.kernel": 1, "block1.conv1.v": 30, "block1.conv2.v": 30,
        "block2.conv1.v": 9, "block2.conv2.v": 9, "block3.conv1.v": 4, "block3.conv2.v": 4,
    }  # fmt: skip
    assert set(masks.kernels(net)) == set(net.positions())


def test_every_network_declares_its_positions_and_channels(net: nets.ResNet) -> None:
    conv = nets.ConvNet(2, 3, in_shape=(5, 4, 1), use_bias=False, rngs=nnx.Rngs(0))
    dense = nets.MLP((4, 3, 2), rngs=nnx.Rngs(0))
    local = nets.LocalNet(nets.convolutional((4, 4), 1), 2, rngs=nnx.Rngs(0))
    assert conv.positions() == {"conv1.v": 12, "conv2.v": 6, "dense.kernel": 1}
    for model in (net, conv, dense, local):
        assert set(model.positions()) == set(masks.kernels(model))
    for model in (net, conv, dense):
        leaves = masks.leaves(masks.parameters(model))
        for group in model.channels():
            assert all(leaves[path].shape[-1] == group.count for path in group.own)
            assert {path for path in leaves if path.startswith(f"{group.layer}.") and np.ndim(leaves[path])} == set(
                group.own
            )
            assert group.skip or leaves[group.reader].shape[group.axis] == group.count * group.repeat


def test_sizes_refused() -> None:
    with pytest.raises(ValueError, match="3×9; need at least 4×4"):
        nets.ResNet(2, in_shape=(3, 9, 1), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match="blocks is 0"):
        nets.ResNet(2, 0, rngs=nnx.Rngs(0))


def test_it_trains_and_its_scores_start_small() -> None:
    data = nets.data.datasets.load("digits", train=256)
    model = nets.ResNet(4, in_shape=(8, 8, 1), rngs=nnx.Rngs(0))
    config = nets.TrainConfig(epochs=12, batch_size=16, learning_rate=0.1, loss="cross_entropy")
    history = nets.train(model, data, config)
    assert history[0]["loss"] < 2.5 and history[-1]["loss"] < 0.4 and history[-1]["train_error"] < 0.15
