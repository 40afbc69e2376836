"""Pruning at initialisation of networks with batch norm and dropout, whose function is fixed in evaluation mode."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds.nets import masks, prune
from sparsebounds.nets.models.functional import frozen, pure

X = np.random.RandomState(0).randn(6, 5, 5, 2).astype(np.float32)
Y = np.arange(6) % 3


class Net(nnx.Module):
    """Convolution, batch norm, dropout, dense."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.conv = nnx.Conv(2, 4, (3, 3), rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)
        self.drop = nnx.Dropout(0.5, rngs=rngs)
        self.dense = nnx.Linear(100, 3, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        x = self.drop(nnx.relu(self.norm(self.conv(x))))
        return self.dense(x.reshape(x.shape[0], -1))


def trained() -> Net:
    """Statistics as after some training, in evaluation mode."""
    net = Net(nnx.Rngs(0))
    net.norm.mean[...] = jnp.array([0.5, -0.5, 0.1, 0.0])
    net.norm.var[...] = jnp.array([2.0, 0.5, 1.0, 1.0])
    net.eval()
    return net


def everything(net: nnx.Module) -> list[np.ndarray]:
    leaves = jax.tree.leaves(nnx.state(net))
    return [np.asarray(jax.random.key_data(a) if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else a) for a in leaves]


METHODS = ("snip", "iterative_snip", "grasp", "synflow")


@pytest.mark.parametrize("method", METHODS)
def test_a_mask_in_evaluation_mode_and_an_untouched_model(method: str) -> None:
    net = trained()
    before, scores = everything(net), net(jnp.asarray(X))
    found = prune.METHODS[method](net, 0.25, batch=(X, Y))
    assert masks.density(found, layout=net) == pytest.approx(0.25, abs=0.01)
    assert found["norm"]["scale"].all() and found["norm"]["bias"].all() and found["conv"]["bias"].all()
    for old, new in zip(before, everything(net), strict=True):
        np.testing.assert_array_equal(old, new)
    np.testing.assert_array_equal(scores, net(jnp.asarray(X)))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("layer", "said"), [("norm", r"norm \(BatchNorm\).*changes its mean"), ("drop", "random")])
def test_training_mode_is_refused_by_the_layer(method: str, layer: str, said: str) -> None:
    net = trained()
    getattr(net, layer).train()
    before = everything(net)
    with pytest.raises(ValueError, match=rf"^{layer} .*is in training mode: .*{said}|{said}") as caught:
        prune.METHODS[method](net, 0.25, batch=(X, Y))
    assert "call model.eval() first" in str(caught.value)
    for old, new in zip(before, everything(net), strict=True):
        np.testing.assert_array_equal(old, new)


def test_snip_differentiates_the_very_function() -> None:
    """Against the layers written out, running statistics and all."""
    net = trained()

    def loss(kernels: tuple[jax.Array, jax.Array]) -> jax.Array:
        maps = jax.lax.conv_general_dilated(
            jnp.asarray(X), kernels[0], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        scale = net.norm.scale[...] / jnp.sqrt(net.norm.var[...] + 1e-5)
        maps = (maps + net.conv.bias[...] - net.norm.mean[...]) * scale + net.norm.bias[...]
        scores = jax.nn.relu(maps).reshape(6, -1) @ kernels[1] + net.dense.bias[...]
        return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(6), Y])

    kernels = (net.conv.kernel[...], net.dense.kernel[...])
    scores = [np.abs(np.asarray(w * g)) for w, g in zip(kernels, jax.grad(loss)(kernels), strict=True)]
    found = prune.snip(net, 0.25, batch=(X, Y))
    kept = [np.asarray(found["conv"]["kernel"]), np.asarray(found["dense"]["kernel"])]
    inside = min(score[keep].min() for score, keep in zip(scores, kept, strict=True))
    outside = max(score[~keep].max() for score, keep in zip(scores, kept, strict=True))
    assert inside >= outside * (1 - 1e-4)


def test_synflow_is_conserved_through_batch_norm() -> None:
    """Running means count as biases: what flows into a channel flows out of it, and every layer carries R."""
    net = trained()
    scores = prune.synflow_scores(net, in_shape=(5, 5, 2))
    into, out = scores["conv.kernel"].sum(axis=(0, 1, 2)), scores["dense.kernel"].reshape(25, 4, 3).sum(axis=(0, 2))
    np.testing.assert_allclose(into, out, rtol=1e-6)  # variances are float32
    assert scores["conv.kernel"].sum() == pytest.approx(scores["dense.kernel"].sum(), rel=1e-6)


def test_training_still_takes_parameters_alone() -> None:
    with pytest.raises(ValueError, match=r"keeps running state \(drop\.rngs"):
        pure(trained())


def test_a_layer_that_writes_its_kernel_when_called_is_a_fixed_function() -> None:
    """`nnx.WeightNorm` puts the normalised kernel in place; on copies, here."""
    net = nnx.WeightNorm(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), rngs=nnx.Rngs(1))
    before = everything(net)
    params, others, apply = frozen(net)
    first, second = (apply(params, others, jnp.ones((2, 3))) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert masks.density(prune.snip(net, 0.5, batch=(X[:2, 0, 0, :1] * np.ones(3, np.float32), Y[:2]))) == 0.5
    for old, new in zip(before, everything(net), strict=True):
        np.testing.assert_array_equal(old, new)
