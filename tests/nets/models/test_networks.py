"""Networks against literal NumPy loops and numbers worked by hand; start, norms and refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets.models import conv_ops
from sparsebounds.nets.models.conv import WeightNormConv


def literal_conv(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A convolution as its definition, in float64."""
    height, width, _, features = kernel.shape
    n, rows, columns, _ = x.shape
    y = np.zeros((n, rows - height + 1, columns - width + 1, features))
    for s, r, c, o in np.ndindex(y.shape):
        y[s, r, c, o] = np.sum(x[s, r : r + height, c : c + width] * kernel[..., o]) + bias[o]
    return y


def literal_convnet(net: nets.ConvNet, x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    for layer in range(1, net.depth + 1):
        conv = getattr(net, f"conv{layer}")
        v, g = np.asarray(conv.v[...], np.float64), float(conv.g[...])
        x = np.maximum(literal_conv(x, g * v / np.sqrt((v**2).sum()), np.asarray(conv.bias[...])), 0)
    return x.reshape(len(x), -1) @ np.asarray(net.dense.kernel[...]) + np.asarray(net.dense.bias[...])


@pytest.mark.parametrize("depth", [1, 3])
def test_convnet_against_its_definition(depth: int) -> None:
    net = nets.ConvNet(depth, 3, in_shape=(6, 5, 2), classes=4, rngs=nnx.Rngs(1))
    net.conv1.g[...] = jnp.float32(2.5)
    x = np.random.RandomState(0).randn(3, 6, 5, 2).astype(np.float32)
    np.testing.assert_allclose(net(jnp.asarray(x)), literal_convnet(net, x), rtol=2e-5, atol=2e-5)


def test_weight_norm_by_hand() -> None:
    layer = WeightNormConv(2, 1, 1, init="torch", use_bias=True, rngs=nnx.Rngs(0))
    layer.v[...] = jnp.array([1.0, 2.0, 2.0, 4.0]).reshape(2, 2, 1, 1)  # of norm 5
    layer.g[...] = jnp.float32(10.0)
    layer.bias[...] = jnp.array([0.5])
    x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    # 10/5 · (1·1 + 2·2 + 2·3 + 4·4) + 0.5
    assert float(layer(x)[0, 0, 0, 0]) == pytest.approx(54.5)


def test_weight_norm_of_zero_has_finite_gradients() -> None:
    layer = WeightNormConv(2, 1, 2, init="torch", use_bias=True, rngs=nnx.Rngs(0))
    layer.v[...] = jnp.zeros_like(layer.v[...])
    gradient = nnx.grad(lambda m: jnp.sum(m(jnp.ones((1, 3, 3, 1))) ** 2))(layer)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(gradient))
    assert float(jnp.abs(layer.kernel()).max()) == 0


@pytest.mark.parametrize(("kernel_shape", "batch"), [((2, 2), 4), ((1, 1), 3), ((3, 2), 1)])
def test_both_forms_of_convolution_agree(key: jax.Array, kernel_shape: tuple[int, int], batch: int) -> None:
    one, two = jax.random.split(key)
    x = jax.random.normal(one, (batch, 6, 5, 3))
    kernel = jax.random.normal(two, (*kernel_shape, 3, 4))
    results = [
        jax.value_and_grad(lambda x, k, op=op: jnp.sum(jnp.sin(op(x, k))), argnums=(0, 1))(x, kernel)
        for op in (conv_ops.conv_by_patches, conv_ops.conv_native)
    ]
    for a, b in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


def test_the_platform_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    net = nets.ConvNet(1, 2, in_shape=(4, 4, 1), rngs=nnx.Rngs(0))

    def convolves(platform: str) -> bool:
        monkeypatch.setattr(jax, "default_backend", lambda: platform)
        return "conv_general_dilated" in str(jax.make_jaxpr(lambda x: net(x))(jnp.zeros((1, 4, 4, 1))))

    assert convolves("gpu") and not convolves("cpu")


def test_torch_start_of_the_paper() -> None:
    """Uniform of variance 1/(3·fan-in): E ρ² = (H/3)³ · 10/3 for CONV-3-H."""
    rho = nets.ConvNet(3, 200, rngs=nnx.Rngs(0)).rho()
    assert rho == pytest.approx((200 / 3) ** 1.5 * (10 / 3) ** 0.5, rel=0.03)


def test_torch_start_has_the_right_limits() -> None:
    net = nets.ConvNet(2, 64, rngs=nnx.Rngs(3))
    for conv, fan_in in ((net.conv1, 4), (net.conv2, 256)):
        limit = fan_in**-0.5
        for values in (np.asarray(conv.v[...]), np.asarray(conv.bias[...])):
            assert 0.8 * limit < np.abs(values).max() <= limit
        assert float(conv.g[...]) == pytest.approx(np.linalg.norm(conv.v[...]), rel=1e-5)
    dense = np.asarray(net.dense.kernel[...])
    assert dense.std() == pytest.approx((3 * dense.shape[0]) ** -0.5, rel=0.01)


def test_flax_start_is_flax() -> None:
    net = nets.ConvNet(2, 64, init="flax", rngs=nnx.Rngs(3))
    own, flax = np.asarray(net.conv2.v[...]), nnx.initializers.lecun_normal()(jax.random.key(0), (2, 2, 64, 64))
    assert own.std() == pytest.approx(float(flax.std()), rel=0.03) and own.std() == pytest.approx(1 / 16, rel=0.03)
    assert np.abs(own).max() == pytest.approx(float(jnp.abs(flax).max()), rel=0.02)
    assert float(jnp.abs(net.conv2.bias[...]).max()) == 0 and float(jnp.abs(net.dense.bias[...]).max()) == 0


def test_seed_decides_the_start() -> None:
    a, b, c = (nets.MLP((5, 4, 3), rngs=nnx.Rngs(seed)).dense1.kernel[...] for seed in (0, 0, 1))
    assert bool((a == b).all()) and bool((a != c).all())


def test_mlp_and_rho_by_hand() -> None:
    net = nets.MLP((2, 2, 1), rngs=nnx.Rngs(0))
    net.dense1.kernel[...] = jnp.array([[3.0, 0.0], [4.0, 0.0]])
    net.dense1.bias[...] = jnp.array([1.0, -1.0])
    net.dense2.kernel[...] = jnp.array([[2.0], [7.0]])
    net.dense2.bias[...] = jnp.array([0.25])
    # hidden: max(0, 3 + 4 + 1) = 8 and max(0, −1) = 0
    assert net(jnp.ones((1, 2))).tolist() == [[16.25]]
    assert net.rho() == pytest.approx(5 * np.sqrt(4 + 49))


def test_rho_ignores_the_length_of_v() -> None:
    net = nets.ConvNet(2, 4, rngs=nnx.Rngs(0))
    before = net.rho()
    net.conv1.v[...] = 7 * net.conv1.v[...]
    assert net.rho() == pytest.approx(before, rel=1e-6)
    net.conv1.g[...] = 7 * net.conv1.g[...]
    assert net.rho() == pytest.approx(7 * before, rel=1e-6)


def test_without_bias() -> None:
    net = nets.ConvNet(2, 4, use_bias=False, rngs=nnx.Rngs(0))
    x = jax.random.normal(jax.random.key(0), (2, 28, 28, 1))
    np.testing.assert_allclose(net(3 * x), 3 * net(x), rtol=1e-4)
    assert not any("bias" in str(path) for path, _ in jax.tree_util.tree_flatten_with_path(nnx.state(net))[0])


PLAIN = {
    "slice", "concatenate", "dot_general", "add", "mul", "max", "reshape", "gather", "transpose", "broadcast_in_dim",
    "jit", "pjit", "custom_jvp_call", "custom_vjp_call", "reduce_sum", "sqrt", "div", "gt", "select_n",
}  # fmt: skip


def primitives(jaxpr: jax.extend.core.Jaxpr) -> set[str]:
    names = set()
    for equation in jaxpr.eqns:
        names.add(equation.primitive.name)
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                names |= primitives(inner)
    return names


@pytest.mark.parametrize(
    "net",
    [
        nets.ConvNet(2, 3, in_shape=(4, 4, 1), rngs=nnx.Rngs(0)),
        nets.MLP((16, 5, 3), rngs=nnx.Rngs(0)),
        nets.LocalNet(nets.banded(16, 2, 1), 2, rngs=nnx.Rngs(0)),
    ],
    ids=["conv", "mlp", "local"],
)
def test_forward_pass_is_plain(net: nnx.Module) -> None:
    found = primitives(jax.make_jaxpr(lambda x: net(x))(jnp.zeros((2, 4, 4, 1))).jaxpr)  # type: ignore[operator]
    assert "dot_general" in found and found <= PLAIN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"width": 0}, "width is 0"),
        ({"depth": 0}, "depth is 0"),
        ({"depth": 28}, "at most 27"),
        ({"classes": -1}, "classes is -1"),
        ({"width": 2.5}, "width is 2.5"),
        ({"width": True}, "width is True"),
        ({"init": "zeros"}, '"torch" or "flax"'),
    ],
)
def test_convnet_refuses(arguments: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        nets.ConvNet(**arguments, rngs=nnx.Rngs(0))  # type: ignore[arg-type]


def test_mlp_refuses() -> None:
    with pytest.raises(ValueError, match="at least the input size"):
        nets.MLP((5,), rngs=nnx.Rngs(0))
    with pytest.raises(ValueError, match=r"widths\[1\] is 0"):
        nets.MLP((5, 0, 2), rngs=nnx.Rngs(0))
