"""Integer tokens: tables, one-hot vectors and masks are linear in the coordinates of the vocabulary."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.graph import Linear

RNG = np.random.default_rng(0)
N, T, D, C = 7, 5, 4, 3
E, P, W, V = (RNG.normal(size=s).astype(np.float32) for s in ((N, D), (T, D), (D, 6), (6, C)))
X = RNG.integers(0, N, (9, T))


def read(f, x=X, roles=("input", "linear")):
    graph = bounds.read_graph(f, x)
    np.testing.assert_allclose(bounds.evaluate(graph, x), f(x), rtol=1e-4, atol=1e-4)
    assert {layer.role for layer in graph.layers} <= set(roles)
    return graph


def scores(h):
    return jax.nn.relu(h @ W).mean(1) @ V


EMBED = nnx.Embed(N, D, rngs=nnx.Rngs(0))
LINEN = nn.Embed(N, D)
STATE = LINEN.init(jax.random.key(0), X)
TABLES = {
    "table[tokens]": lambda x: jnp.asarray(E)[x],
    "take": lambda x: jnp.take(E, x, axis=0),
    "take, clipped": lambda x: jnp.take(E, x, axis=0, mode="clip"),
    "take of columns": lambda x: jnp.moveaxis(jnp.take(E.T, x, axis=1), 0, -1),
    "nnx": lambda x: EMBED(x),
    "linen": lambda x: LINEN.apply(STATE, x),
    "one-hot": lambda x: jax.nn.one_hot(x, N) @ E,
    "one-hot by hand": lambda x: (x[..., None] == jnp.arange(N)).astype(jnp.float32) @ E,
    "vmap": lambda x: jax.vmap(jax.vmap(lambda t: jnp.asarray(E)[t]))(x),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_a_linear_map_of_the_tokens(name):
    graph = read(lambda x: scores(TABLES[name](x) + P))
    assert (graph.input.vocabulary, graph.input.shape, graph.input.coordinates) == (N, (T,), (T, N))
    (first, *_), table = graph.layers[1:], np.asarray(TABLES[name](np.arange(N)[None])[0])
    assert isinstance(first, Linear) and np.allclose(first.dots[0].weight[0], table)
    assert first.dots[0].taps.shape[:2] == (1, T)


def test_a_module_on_tokens():
    rngs = nnx.Rngs(0)
    net = nnx.Sequential(
        nnx.Embed(N, D, rngs=rngs), nnx.LayerNorm(D, rngs=rngs), lambda h: h.mean(1), nnx.Linear(D, C, rngs=rngs)
    )
    assert read(net, roles=("input", "linear", "normalisation")).layers[1].name == "layers.0"


def test_a_bag_of_words():
    graph = read(lambda x: jnp.asarray(E)[x].mean(1) @ W[:, :C])
    assert graph.input.size == T * N


def test_several_tables_and_positions():
    graph = read(lambda x: scores(jnp.asarray(E)[x] * 2 + jnp.asarray(P)[jnp.arange(T)] + jnp.asarray(E[::-1])[x]))
    assert graph.input.vocabulary == N


def test_padding_that_is_left_out():
    def f(x):
        mask = (x != 0).astype(jnp.float32)[..., None]
        return (jnp.asarray(E)[x] * mask).sum(1) @ W[:, :C]

    graph = read(f, roles=("input", "linear", "product"))
    assert graph.input.vocabulary == N


def test_tokens_outside_the_vocabulary_are_refused():
    graph = read(lambda x: scores(jnp.asarray(E)[x]))
    for x in (np.full((1, T), N), np.full((1, T), -1)):
        with pytest.raises(ValueError, match=r"token -?\d at position \(0, 0\) is outside the vocabulary, 0..6"):
            bounds.evaluate(graph, x)
        with pytest.raises(ValueError, match="outside the vocabulary"):
            bounds.read_graph(lambda x: scores(jnp.asarray(E)[x]), x)


def test_a_sample_of_tokens():
    f = lambda x: scores(jnp.asarray(E)[x])  # noqa: E731
    x, y = RNG.integers(0, N, (40, T)), np.arange(40) % C
    graph = read(f)
    with pytest.raises(ValueError, match=rf"Sample\.measure\(f, x, y, vocabulary={N}\)"):
        bounds.galanti(graph, bounds.Sample.measure(f, x, y), delta=0.01)
    sample = bounds.Sample.measure(f, x, y, vocabulary=N)
    counts = np.stack([np.bincount(x[:, t], minlength=N) for t in range(T)])
    assert np.array_equal(sample.energies, counts)
    spelled = bounds.Sample.measure(lambda h: f(h.argmax(-1)), jax.nn.one_hot(x, N), y)
    assert np.array_equal(sample.class_fourths, spelled.class_fourths)
    assert np.array_equal(sample.largest, spelled.largest)
    rows = [bounds.galanti(graph, each, delta=0.01).value for each in (sample, spelled)]
    assert np.isfinite(rows[0]) and rows[0] == rows[1]
    frame = bounds.table(f, x, y, delta=0.01, names=["galanti", "occam"])
    assert frame["value"][0] == rows[0] and frame["value"].notna().all()
    with pytest.raises(ValueError, match="outside the vocabulary"):
        bounds.Sample.measure(f, x, y, vocabulary=2)


def test_pixels_are_no_tokens():
    x = RNG.integers(0, 255, (4, 6)).astype(np.uint8)
    w = RNG.normal(size=(6, C)).astype(np.float32)
    graph = bounds.read_graph(lambda x: (x.astype(jnp.float32) / 255) @ w, x)
    assert graph.input.vocabulary is None and graph.input.size == 6
