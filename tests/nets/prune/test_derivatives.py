"""Pruning at initialisation: scores against dense Jacobians and Hessians, SynFlow's conservation laws, rounds."""

from functools import cache

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks, prune
from sparsebounds.nets.models.batch_norm import with_batch_norm
from sparsebounds.nets.models.conv_ops import conv2d
from sparsebounds.nets.models.strided import StridedNet
from sparsebounds.nets.prune.sensitivity import gradient_of

X = np.random.RandomState(0).randn(12, 5).astype(np.float32)
Y = np.random.RandomState(1).randint(0, 3, 12)


@cache
def small() -> nets.MLP:
    return nets.MLP((5, 4, 3), rngs=nnx.Rngs(2))


def kernels(net: nets.MLP) -> list[np.ndarray]:
    return [np.asarray(layer.kernel[...], np.float64) for layer in net.layers()]


def literal_loss(weights: list[jax.Array], loss: str, temperature: float = 1.0) -> jax.Array:
    """The loss of the small network on the batch, written out."""
    biases = [layer.bias[...] for layer in small().layers()]
    scores = (jnp.maximum(X @ weights[0] + biases[0], 0) @ weights[1] + biases[1]) / temperature
    if loss == "mse":
        return jnp.mean((scores - jnp.eye(3)[Y]) ** 2)
    return -jnp.mean(jax.nn.log_softmax(scores)[jnp.arange(12), Y])


def kept(mask: dict) -> list[np.ndarray]:
    return [np.asarray(mask[layer]["kernel"]) for layer in ("dense1", "dense2")]


def is_top(scores: list[np.ndarray], keep: list[np.ndarray], count: int) -> bool:
    inside = np.concatenate([s[k] for s, k in zip(scores, keep, strict=True)])
    outside = np.concatenate([s[~k] for s, k in zip(scores, keep, strict=True)])
    return len(inside) == count and inside.min() >= outside.max()


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_snip_keeps_the_largest_sensitivities(loss: str) -> None:
    weights = [jnp.asarray(k, jnp.float32) for k in kernels(small())]
    slopes = jax.grad(literal_loss)(weights, loss)
    scores = [np.abs(np.asarray(w * g)) for w, g in zip(weights, slopes, strict=True)]
    assert is_top(scores, kept(prune.snip(small(), 0.375, batch=(X, Y), loss=loss)), 12)


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0}])
def test_grasp_against_the_dense_hessian(settings: dict[str, float]) -> None:
    """w ∘ (H g) with H formed entry by entry, of the loss at 1/200 of the scores by default; biases stand still."""
    weights = [jnp.asarray(k, jnp.float32) for k in kernels(small())]
    flat, shape = jax.flatten_util.ravel_pytree(weights)

    def loss(v: jax.Array) -> jax.Array:
        return literal_loss(shape(v), "cross_entropy", settings.get("temperature", 200.0))

    slope, hessian = jax.grad(loss)(flat), jax.hessian(loss)(flat)
    scores = [np.asarray(s) for s in shape(flat * (hessian @ slope))]
    assert is_top(scores, kept(prune.grasp(small(), 0.375, batch=(X, Y), **settings)), 12)


def test_grasp_keeps_what_the_gradient_would_lose_most_without() -> None:
    """The sign, by shrinking every weight a little by itself: ½‖∇L‖² falls fastest for the weights kept."""
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        flat, shape = jax.flatten_util.ravel_pytree([jnp.asarray(k) for k in kernels(small())])

        def half_square(v: jax.Array) -> jax.Array:
            return 0.5 * jnp.sum(jax.grad(lambda u: 1e2 * literal_loss(shape(u), "cross_entropy", 200.0))(v) ** 2)

        change = 1e-6 * jnp.eye(flat.size)
        less, more = (jax.vmap(half_square)(flat * (1 + sign * change)) for sign in (-1, 1))
        lost = np.asarray(more - less)
    keep = np.concatenate([k.ravel() for k in kept(prune.grasp(small(), 0.375, batch=(X, Y)))])
    assert lost[keep].min() > lost[~keep].max() and lost.min() < 0 < lost.max()
    with pytest.raises(ValueError, match="temperature is 0"):
        prune.grasp(small(), 0.5, batch=(X, Y), temperature=0)


def test_grasp_does_not_keep_the_positive_weights_for_being_positive() -> None:
    """Without batch normalisation the score is signal: kept weights are mostly positive, and scores explode."""
    net = nets.ResNet(8, in_shape=(8, 8, 1), classes=3, rngs=nnx.Rngs(0))
    x = np.random.RandomState(0).randn(24, 8, 8, 1).astype(np.float32)
    y = np.random.RandomState(1).randint(0, 3, 24)
    weights = {path: np.asarray(leaf) for path, leaf in masks.leaves(masks.parameters(net)).items() if "conv" in path}
    found = {}
    for batch_norm in (True, False):
        mask = prune.grasp(net, 0.2, batch=(x, y), batch_norm=batch_norm)
        inside = [weights[path][np.asarray(masks.leaves(mask)[path])] for path in weights if path.endswith(".v")]
        copy = masks.apply(nnx.clone(net), mask)
        found[batch_norm] = np.mean(np.concatenate(inside) > 0), float(jnp.std(copy(jnp.asarray(x)), axis=0).mean())
    assert found[True][0] < 0.65 < 0.75 < found[False][0]
    assert 10 * found[True][1] < found[False][1]


def test_batch_normalisation_of_a_copy_written_out() -> None:
    net = StridedNet((3,), in_shape=(4, 4, 1), classes=2, rngs=nnx.Rngs(0))
    net.conv1.bias[...] = jnp.array([0.5, -0.5, 0.0])
    x = jnp.asarray(np.random.RandomState(0).randn(6, 4, 4, 1).astype(np.float32))
    maps = np.asarray(conv2d(x, net.conv1.kernel(), stride=2), np.float64)
    maps = (maps - maps.mean((0, 1, 2))) / np.sqrt(maps.var((0, 1, 2)) + 1e-5) + np.array([0.5, -0.5, 0.0])
    wanted = np.maximum(maps, 0).reshape(6, -1) @ np.asarray(net.dense.kernel[...]) + np.asarray(net.dense.bias[...])
    before = net(x)
    np.testing.assert_allclose(with_batch_norm(net)(x), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(net(x), before)  # the network itself is as it was


def test_scores_of_a_weight_normalised_layer_are_those_of_its_kernel() -> None:
    net = nets.ConvNet(1, 3, in_shape=(4, 4, 1), classes=3, rngs=nnx.Rngs(0))
    net.conv1.v[...] = 5.0 * net.conv1.v[...]  # kernel = g·v/‖v‖ is as before
    x = np.random.RandomState(3).randn(12, 4, 4, 1).astype(np.float32)
    gradient = gradient_of(net, (x, Y), "mse")(masks.applied(net))["conv1"]["v"]

    def loss(kernel: jax.Array) -> jax.Array:
        maps = jax.lax.conv_general_dilated(jnp.asarray(x), kernel, (1, 1), "VALID",
                                            dimension_numbers=("NHWC", "HWIO", "NHWC"))  # fmt: skip
        flat = jax.nn.relu(maps + net.conv1.bias[...]).reshape(12, -1)
        return jnp.mean((flat @ net.dense.kernel[...] + net.dense.bias[...] - jnp.eye(3)[Y]) ** 2)

    np.testing.assert_allclose(gradient, jax.grad(loss)(net.conv1.kernel()), rtol=1e-4, atol=1e-6)


def test_synflow_conserves_flow_through_layers_and_units() -> None:
    """Σ of a layer's scores is R for every layer; into a unit flows what flows out of it. Float64: to 1e-12."""
    net = nets.MLP((6, 5, 4, 3), rngs=nnx.Rngs(0))
    scores = prune.synflow_scores(net, in_shape=(6,))
    one, two, three = (np.abs(k) for k in kernels(net))
    flow = np.ones(6) @ one @ two @ three @ np.ones(3)
    for layer in range(1, 4):
        assert scores[f"dense{layer}.kernel"].sum() == pytest.approx(flow, rel=1e-12)
    for layer in (1, 2):
        np.testing.assert_allclose(
            scores[f"dense{layer}.kernel"].sum(axis=0), scores[f"dense{layer + 1}.kernel"].sum(axis=1), rtol=1e-12
        )
    np.testing.assert_allclose(scores["dense1.kernel"], one * (two @ three @ np.ones(3)), rtol=1e-12)


def test_synflow_conserves_flow_under_weight_normalisation() -> None:
    """Also when the scale of v is not that of the kernel, and through maps and a flattened dense layer."""
    net = nets.ConvNet(2, 3, in_shape=(5, 5, 1), rngs=nnx.Rngs(0))
    net.conv1.v[...] = 9.0 * net.conv1.v[...]
    scores = prune.synflow_scores(net)
    sums = [leaf.sum() for leaf in scores.values()]
    assert sums == pytest.approx([sums[0]] * 3, rel=1e-12) and sums[0] > 0
    into, out = scores["conv1.v"].sum(axis=(0, 1, 2)), scores["conv2.v"].sum(axis=(0, 1, 3))
    np.testing.assert_allclose(into, out, rtol=1e-12)
    into, out = scores["conv2.v"].sum(axis=(0, 1, 2)), scores["dense.kernel"].reshape(9, 3, 10).sum(axis=(0, 2))
    np.testing.assert_allclose(into, out, rtol=1e-12)


def test_synflow_empties_no_layer_where_one_round_does() -> None:
    """A bottleneck's few weights carry all the flow; magnitude empties the layer of small weights."""
    net = nets.MLP((30, 100, 2, 100, 3), rngs=nnx.Rngs(0))
    net.dense1.kernel[...] = 0.01 * net.dense1.kernel[...]
    mask = prune.synflow(net, 0.004, in_shape=(30,))
    assert all(layer["kernel"].any() for layer in mask.values())
    assert masks.density(mask) == pytest.approx(0.004, abs=1e-4)
    with pytest.raises(ValueError, match=r"dense1\.kernel would keep none"):
        prune.magnitude(net, 0.004)
    with pytest.raises(ValueError, match="give in_shape"):
        prune.synflow(nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0))), 0.5)


def test_synflow_does_not_overflow_where_float32_does() -> None:
    net = nets.MLP((4, *[4] * 24, 3), rngs=nnx.Rngs(0))
    for layer in net.layers():
        layer.kernel[...] = 300.0 * layer.kernel[...]
    scores = prune.synflow_scores(net, in_shape=(4,))
    sums = [leaf.sum() for leaf in scores.values()]
    assert 1e38 < sums[0] < np.inf and sums == pytest.approx([sums[0]] * len(sums), rel=1e-10)


def test_rounds_of_snip_are_nested_and_differ_from_one() -> None:
    net = nets.MLP((5, 12, 3), rngs=nnx.Rngs(4))
    one = prune.iterative_snip(net, 0.2, batch=(X, Y), rounds=1)
    assert masks.fingerprint(one) == masks.fingerprint(prune.snip(net, 0.2, batch=(X, Y)))
    many = prune.iterative_snip(net, 0.2, batch=(X, Y), rounds=10)
    assert masks.density(many) == masks.density(one) and masks.fingerprint(many) != masks.fingerprint(one)
    with pytest.raises(ValueError, match="rounds is 0"):
        prune.iterative_snip(net, 0.2, batch=(X, Y), rounds=0)
    with pytest.raises(ValueError, match="no batch was given"):
        prune.METHODS["snip"](net, 0.2)
    with pytest.raises(ValueError, match="are not finite"):
        prune.snip(net, 0.2, batch=(np.full((2, 5), np.nan, np.float32), np.array([0, 1])))
