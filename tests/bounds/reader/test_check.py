"""The check of a read: integers that wrap, and inputs that are mixed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import draw

from sparsebounds import bounds

W = draw(1, 12, 3)
PIXELS = np.random.default_rng(0).integers(0, 256, size=(4, 12)).astype(np.uint8)
FLOATS = np.random.default_rng(1).normal(size=(9, 12)).astype(np.float32)

WRAPS = {
    "doubled": lambda x: (x * 2 / 255 - 1) @ W,
    "added to itself": lambda x: (x + x).astype(jnp.float32) @ W,
    "negated": lambda x: (-x).astype(jnp.float32) @ W,
    "difference": lambda x: (x[:, 1:] - x[:, :-1]).astype(jnp.float32) @ W[1:],
    "shifted by a constant": lambda x: (x - np.uint8(128)).astype(jnp.float32) @ W,
    "shifted left": lambda x: (x << 1).astype(jnp.float32) @ W,
    "summed": lambda x: jax.lax.reduce_sum_p.bind(x, axes=(1,), out_sharding=None)[:, None].astype(jnp.float32) @ W[:1],
    "integer product": lambda x: (x @ np.ones((12, 3), np.uint8)).astype(jnp.float32),
}


@pytest.mark.parametrize("name", WRAPS)
def test_arithmetic_on_integers_is_refused_with_the_line(name):
    f = WRAPS[name]
    with pytest.raises(bounds.ReadError, match=rf"test_check\.py:{f.__code__.co_firstlineno} .*uint8.* convert first"):
        bounds.read_graph(f, PIXELS)


@pytest.mark.parametrize("name", ["doubled", "added to itself", "negated", "difference"])
def test_the_remedy_works(name):
    bounds.read_graph(lambda x: WRAPS[name](x.astype(jnp.float32)), PIXELS)


READ = {
    "converted": lambda x: (x.astype(jnp.float32) * 2 / 255 - 1) @ W,
    "divided": lambda x: (x / 255) @ W,
    "moved": lambda x: x.reshape(-1, 3, 4)[:, :, ::-1].reshape(-1, 12).astype(jnp.float32) @ W,
    "padded": lambda x: jnp.pad(x, ((0, 0), (1, 1)))[:, 1:-1].astype(jnp.float32) @ W,
    "maximum": lambda x: jnp.max(x.reshape(-1, 6, 2), axis=2).astype(jnp.float32) @ W[:6],
    "ReLU": lambda x: jnp.maximum(x, 0).astype(jnp.float32) @ W,
    "sign": lambda x: jnp.where(x > 0, x, 0).astype(jnp.float32) @ W,
}


NUMBERS = ("divided", "ReLU", "sign")
"""Those that JAX itself refuses for booleans."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name in READ for kind in (np.uint8, np.int8, np.int32)]
    + [(name, np.bool_) for name in READ if name not in NUMBERS],
)
def test_integers_that_are_moved_compared_or_converted_are_read(name, kind):
    f, x = READ[name], PIXELS.astype(kind)
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-3)


MIXED = {
    "number of inputs": lambda x: x @ W * (1.0 if len(x) < 3 else 1.0005),
    "first input": lambda x: x @ W + 1e-3 * x[:1] @ W,
    "input before": lambda x: x @ W + 5e-4 * jnp.roll(x, 1, axis=0) @ W,
    "the third": lambda x: x @ W + (0.0 if len(x) < 3 else 5e-4 * x[2:3] @ W),
    "batch mean": lambda x: (x - 5e-4 * x.mean(axis=0)) @ W,
}


@pytest.mark.parametrize("name", MIXED)
def test_inputs_that_are_mixed_a_little_are_refused(name):
    with pytest.raises(bounds.ReadError, match=r"mixes the inputs of a batch|joins several"):
        bounds.read_graph(MIXED[name], FLOATS)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_rounding_is_not_taken_for_mixing(kind):
    deep = [draw(i, 12, 12).astype(kind) for i in range(12)]

    def f(x):
        for w in deep:
            x = jax.nn.relu(x @ w)
        return x @ W.astype(kind)

    bounds.read_graph(f, FLOATS.astype(kind))


def test_what_all_scores_have_in_common_hides_nothing():
    """Rounding that the trace does not show, below an offset of all scores; and a mixing of inputs."""
    coarse = lambda x: x.astype(jnp.float8_e4m3fn).astype(jnp.float32) @ W  # noqa: E731
    for offset in (0.0, 1000.0):
        with pytest.raises(bounds.ReadError, match="the graph differs from the function"):
            bounds.read_graph(lambda x, c=offset: coarse(x) + c, FLOATS)
        with pytest.raises(bounds.ReadError, match="mixes the inputs"):
            bounds.read_graph(lambda x, c=offset: x @ W * (1.0 if len(x) < 3 else 1.01) + c, FLOATS)
        bounds.read_graph(lambda x, c=offset: x @ W + c, FLOATS)


def test_an_overflow_is_called_one():
    with pytest.raises(bounds.ReadError, match=r"scores are NaN or infinite .*overflow float32"):
        bounds.read_graph(lambda x: (x @ (W * 1e38)) @ (1e5 * jnp.eye(3)), FLOATS)
