"""Networks that were left in training mode are recognised, named, and told what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx
from networks import draw

from sparsebounds import bounds

X = np.random.default_rng(0).normal(size=(4, 12)).astype(np.float32)
RNGS = nnx.Rngs(0)


def dense(*parts):
    return nnx.Sequential(nnx.Linear(12, 5, rngs=RNGS), *parts, nnx.relu, nnx.Linear(5, 3, rngs=RNGS))


class Nested(nnx.Module):
    def __init__(self):
        self.body = dense(nnx.Dropout(0.5, rngs=RNGS))

    def __call__(self, x):
        return self.body(x)


class Noise(nnx.Module):
    """Chance of its own making."""

    def __init__(self):
        self.rngs, self.head = nnx.Rngs(0), nnx.Linear(12, 3, rngs=RNGS)

    def __call__(self, x):
        return self.head(x + 1e-4 * jax.random.normal(self.rngs(), x.shape[1:]))


MODULES = {
    "dropout": (dense(nnx.Dropout(0.5, rngs=RNGS)), r"^layers\.1 \(Dropout\) is in training mode; call model\.eval"),
    "rate 0.001": (dense(nnx.Dropout(0.001, rngs=RNGS)), r"^layers\.1 \(Dropout\) is in training mode"),
    "two": (
        dense(nnx.Dropout(0.1, rngs=RNGS), nnx.BatchNorm(5, rngs=RNGS)),
        r"^layers\.1 \(Dropout\), layers\.2 \(BatchNorm\) are in training mode",
    ),
    "batch norm": (dense(nnx.BatchNorm(5, rngs=RNGS)), r"^layers\.1 \(BatchNorm\) is in training mode; call model"),
    "nested": (Nested(), r"^body\.layers\.1 \(Dropout\) is in training mode; call model\.eval"),
    "noise": (Noise(), r"random numbers, as dropout does in training mode; needed the function of evaluation mode"),
}


@pytest.mark.parametrize("name", MODULES)
def test_a_layer_in_training_mode_is_named(name):
    model, message = MODULES[name]
    with pytest.raises(bounds.ReadError, match=message):
        bounds.read_graph(model, X)


@pytest.mark.parametrize("name", ["dropout", "rate 0.001", "two", "batch norm", "nested"])
def test_the_remedy_works(name):
    model = nnx.clone(MODULES[name][0])
    model.eval()
    np.testing.assert_allclose(bounds.evaluate(bounds.read_graph(model, X), X), model(X), rtol=1e-4, atol=1e-5)


def test_what_never_runs_does_not_matter():
    bounds.read_graph(dense(nnx.Dropout(0.0, rngs=RNGS)), X)


class Net(linen.Module):
    norm: bool
    rate: float = 0.001

    @linen.compact
    def __call__(self, x, train):
        x = linen.Dense(5)(x)
        x = linen.BatchNorm(not train)(x) if self.norm else linen.Dropout(self.rate, deterministic=not train)(x)
        return linen.Dense(3)(linen.relu(x))


def applied(norm, train):
    net, keys = Net(norm), {"dropout": jax.random.key(1)}
    held = net.init(jax.random.key(0), X, False)
    return lambda x: net.apply(held, x, train, rngs=keys, mutable=["batch_stats"])[0]


@pytest.mark.parametrize(
    ("norm", "message"), [(False, r"^Dropout_0 draws random"), (True, r"^BatchNorm_0 is in training")]
)
def test_a_linen_layer_is_named(norm, message):
    with pytest.raises(bounds.ReadError, match=message + r".*(deterministic|use_running_average)=True"):
        bounds.read_graph(applied(norm, True), X)
    bounds.read_graph(applied(norm, False), X)


def test_batch_norm_of_linen_is_known_by_its_class():
    net = linen.Sequential([linen.Dense(5), linen.BatchNorm(use_running_average=False), linen.relu, linen.Dense(3)])
    held = net.init(jax.random.key(0), X)
    shown = r"^layers_1 \(BatchNorm\) is in training mode; apply it with use_running_average=True$"
    with pytest.raises(bounds.ReadError, match=shown):
        bounds.read_graph(lambda x: net.apply(held, x, mutable=["batch_stats"])[0], X)


def test_another_norm_of_linen_is_not_taken_for_one_in_training_mode():
    net = linen.Sequential([linen.Dense(5), linen.LayerNorm(), linen.relu, linen.Dense(3)])
    held = net.init(jax.random.key(0), X)
    graph = bounds.read_graph(lambda x: net.apply(held, x), X)
    assert "layers_1" in {part for layer in graph.layers for part in layer.name.split("/")}


W = draw(1, 12, 3)


def test_a_fixed_key_is_no_way_out():
    def f(x):
        return jnp.where(jax.random.bernoulli(jax.random.key(0), 0.999, x.shape), x / 0.999, 0.0) @ W

    with pytest.raises(bounds.ReadError, match=r"draws random numbers.*evaluation mode"):
        bounds.read_graph(f, X)


def test_a_random_projection_is_a_fixed_function():
    bounds.read_graph(lambda x: x @ jax.random.normal(jax.random.key(0), (12, 3)), X)
