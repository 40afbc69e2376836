"""spectral_norm: the truth lies between the two, for every layer that is called linear; the Gram form for losses."""

import itertools

import jax
import jax.numpy as jnp
import norms_oracle as oracle
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.norms import convolution_upper, gram_upper

RNG = np.random.default_rng(0)


def true_norm(f, shape):
    """Of the unrolled matrix."""
    size = int(np.prod(shape))
    zero = np.asarray(f(jnp.zeros((1, *shape))), np.float64).ravel()
    columns = np.asarray(f(jnp.eye(size).reshape(size, *shape)), np.float64).reshape(size, -1) - zero
    return float(np.linalg.norm(columns, 2))


def conv(**options):
    return nnx.Conv(4, 6, (3, 3), rngs=nnx.Rngs(0), **options)


LAYERS = {
    "dense": (nnx.Linear(9, 5, rngs=nnx.Rngs(0)), (9,), 1 + 1e-6),
    "dense over positions": (nnx.Linear(4, 5, rngs=nnx.Rngs(0)), (7, 4), 1 + 1e-6),
    "same": (conv(), (8, 8, 4), 1.1),
    "valid": (conv(padding="VALID"), (8, 8, 4), 1.2),
    "circular": (conv(padding="CIRCULAR"), (8, 8, 4), 1 + 1e-6),
    "stride": (conv(strides=2), (8, 8, 4), 1.1),
    "dilation": (conv(kernel_dilation=2), (9, 9, 4), 1.3),
    "groups": (conv(feature_group_count=2), (8, 8, 4), 1.1),
    "projection of attention": (nnx.LinearGeneral(8, (2, 4), rngs=nnx.Rngs(0)), (5, 8), 1 + 1e-6),
    "out of attention": (nnx.LinearGeneral((2, 4), 8, axis=(-2, -1), rngs=nnx.Rngs(0)), (5, 2, 4), 1 + 1e-6),
    "einsum": (lambda x: jnp.einsum("btd,dhk->bthk", x, jnp.ones((8, 2, 4))), (5, 8), 1 + 1e-6),
    "mean pool": (lambda x: x.reshape(-1, 3, 2, 3, 2, 3).mean(axis=(2, 4)), (6, 6, 3), 1 + 1e-6),
    "one output": (lambda x: x @ jnp.array([[3.0], [4.0]]), (2,), 1 + 1e-6),
    "flat function": (lambda x: x[:, ::-1] * 2.0, (6,), 1 + 1e-6),
    "several in a row": (lambda x: conv(padding="VALID")(conv_first(x)), (8, 8, 3), 2.5),
}
conv_first = nnx.Conv(3, 4, (2, 2), rngs=nnx.Rngs(1))


@pytest.mark.parametrize("name", LAYERS)
def test_the_truth_lies_between(name):
    f, shape, loose = LAYERS[name]
    found, true = bounds.spectral_norm(f, shape), true_norm(f, shape)
    assert true * (1 - 1e-6) <= found.upper <= true * loose
    assert true * 0.9 <= found.lower <= true * (1 + 1e-6) and found.lower <= found.upper
    assert found.ratio == found.upper / found.lower


@pytest.mark.parametrize(
    ("f", "named"),
    [
        (lambda x: jax.nn.relu(x @ jnp.eye(3)), "has a ReLU"),
        (lambda x: jax.nn.leaky_relu(x @ jnp.eye(3)), "has a leaky ReLU"),
        (lambda x: jnp.tanh(x), "tanh"),
        (lambda x: jax.nn.softmax(x @ jnp.eye(3)), "ends in softmax"),
        (lambda x: x * x, "product"),
        (lambda x: jnp.sort(x, axis=1), "sort"),
        (lambda x: jnp.maximum(x[:, :2], x[:, 1:]), "max pool|maximum"),
    ],
)
def test_what_is_not_linear_is_refused(f, named):
    with pytest.raises(ValueError, match=f"is not linear: .*({named}).*needed a linear map"):
        bounds.spectral_norm(f, (3,))


def test_the_zero_map():
    found = bounds.spectral_norm(lambda x: x @ jnp.zeros((3, 2)), (3,))
    assert (found.upper, found.lower) == (0.0, 0.0) and np.isnan(found.ratio)


# ---- the differentiable form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stride", "padding", "dilation", "groups"),
    list(itertools.product((1, 2), ("VALID", "SAME", "CIRCULAR"), (1, 2), (1, 2))),
)
def test_the_gram_form_is_above_the_norm(stride, padding, dilation, groups):
    kernel = RNG.normal(size=(3, 2, 2, 4)).astype(np.float32)
    options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    found = float(gram_upper(jnp.asarray(kernel), (7, 6), **options))
    exact = convolution_upper(kernel, (7, 6), **options)
    widest = max(kernel.shape[-2:]) * stride**2
    if padding == "CIRCULAR" and stride == 2:  # 7 sites in steps of 2 are no torus: row by row
        assert found >= exact * (1 - 1e-5)
    else:
        assert exact * (1 - 1e-5) <= found <= exact * widest ** (2.0**-8) * (1 + 1e-5) or found >= exact
    pads = {"VALID": [(0, 0), (0, 0)], "CIRCULAR": None}.get(padding, "")
    if pads != "":
        matrix = oracle.convolution(kernel, (7, 6), (stride, stride), pads, (dilation, dilation), groups)
        assert found >= oracle.spectral(matrix) * (1 - 1e-5)


@pytest.mark.parametrize("scale", [1e-20, 1.0, 1e20])
def test_the_gram_form_of_a_dense_layer_and_its_gradient(scale):
    w = RNG.normal(size=(6, 4)).astype(np.float32)
    value, gradient = jax.value_and_grad(gram_upper)(jnp.asarray(w * np.float32(scale)))
    assert float(value) == pytest.approx(scale * np.linalg.norm(w, 2), rel=1e-2)
    u, _, v = np.linalg.svd(w)
    assert np.abs(np.asarray(gradient) - np.outer(u[:, 0], v[0])).max() < 0.1
    zero, gradient = jax.value_and_grad(gram_upper)(jnp.zeros((3, 3)))
    assert float(zero) == 0.0 and (np.asarray(gradient) == 0).all()


def test_a_loss_may_hold_it_at_one():
    kernel = jnp.asarray(RNG.normal(size=(3, 3, 2, 2)), jnp.float32)
    upper = lambda k: gram_upper(k, (6, 6), padding="SAME")  # noqa: E731
    step = jax.jit(lambda k: k - 0.05 * jax.grad(lambda k: jnp.square(upper(k) - 1.0))(k))
    for _ in range(60):
        kernel = step(kernel)
    assert convolution_upper(np.asarray(kernel), (6, 6), padding="SAME") <= 1.05


def test_bad_arguments_of_the_gram_form():
    with pytest.raises(ValueError, match="steps=0"):
        gram_upper(jnp.ones((2, 2)), steps=0)
    with pytest.raises(ValueError, match=r"needed 2 window axes"):
        gram_upper(jnp.ones((2, 2)), (4, 4))
