"""Slices, reshapes and (p, 1 − p) of probabilities at the very end: the network is that of the scores below."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from networks import draw

from sparsebounds import bounds
from sparsebounds.bounds.network import Network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6)).astype(np.float32)
W, ONE, TWO, THREE = draw(1, 6, 8), draw(2, 8, 1), draw(3, 8, 2), draw(4, 8, 3)
ORDER = jnp.array([2, 0, 1])
sigmoid, softmax = jax.nn.sigmoid, jax.nn.softmax


def hidden(x):
    return jax.nn.relu(x @ W)


def d(x):
    return hidden(x) @ ONE


def of(weight, end):
    return lambda x: end(hidden(x) @ weight)


def two(first):
    """(0, d), or with first (d, 0)."""
    columns = (lambda z: (z, 0 * z)) if first else (lambda z: (0 * z, z))
    return lambda z: jnp.concatenate(columns(z), axis=1)


MOVED = {  # written above the end → its name, and the scores that it stands for
    "column": (of(ONE, lambda z: sigmoid(z)[:, 0]), "sigmoid", of(ONE, two(False))),
    "squeezed": (of(ONE, lambda z: sigmoid(z).squeeze(-1)), "sigmoid", of(ONE, two(False))),
    "ravelled": (of(ONE, lambda z: sigmoid(z).ravel()), "sigmoid", of(ONE, two(False))),
    "taken": (of(ONE, lambda z: jnp.take(sigmoid(z), 0, axis=1)), "sigmoid", of(ONE, two(False))),
    "in a jit": (jax.jit(of(ONE, lambda z: jax.jit(sigmoid)(z)[..., 0])), "sigmoid", of(ONE, two(False))),
    "vmap": (jax.vmap(lambda v: sigmoid(jax.nn.relu(v @ W) @ ONE)[0]), "sigmoid", of(ONE, two(False))),
    "image": (of(ONE, lambda z: sigmoid(z.reshape(-1, 1, 1, 1)).reshape(-1)), "sigmoid", of(ONE, two(False))),
    "one of two logits": (of(TWO, lambda z: sigmoid(z)[:, 1]), "sigmoid", lambda x: two(False)(d2(x)[:, 1:])),
    "1 - p": (of(ONE, lambda z: 1 - sigmoid(z)), "sigmoid", of(ONE, two(True))),
    "(p, 1 - p)": (of(ONE, lambda z: pair(sigmoid(z[:, 0]))), "softmax", of(ONE, two(True))),
    "columns p, 1 - p": (of(ONE, lambda z: column_pair(sigmoid(z))), "softmax", of(ONE, two(True))),
    "(1 - p, p) reversed": (of(ONE, lambda z: pair(1 - sigmoid(z[:, 0]))[:, ::-1]), "softmax", of(ONE, two(True))),
    "probability of class 1": (of(TWO, lambda z: softmax(z)[:, 1]), "softmax", of(TWO, lambda z: z)),
    "probability of class 0": (of(TWO, lambda z: softmax(z)[:, :1]), "softmax", of(TWO, lambda z: z[:, ::-1])),
    "some classes": (of(THREE, lambda z: softmax(z)[:, 1:]), "softmax", of(THREE, lambda z: z[:, 1:])),
    "classes of a logarithm": (of(THREE, lambda z: jax.nn.log_softmax(z)[:, :2]), "log-softmax",
                               of(THREE, lambda z: z[:, :2])),
    "turned round": (of(THREE, lambda z: softmax(z)[:, ::-1]), "softmax", of(THREE, lambda z: z[:, ::-1])),
    "another order": (of(THREE, lambda z: softmax(z)[:, ORDER]), "softmax", of(THREE, lambda z: z[:, ORDER])),
    "half precision": (of(ONE, lambda z: sigmoid(z.astype(jnp.bfloat16))[:, 0].astype(jnp.float32)), "sigmoid",
                       of(ONE, lambda z: two(False)(z.astype(jnp.bfloat16).astype(jnp.float32)))),
}  # fmt: skip


def d2(x):
    return hidden(x) @ TWO


def pair(p):
    return jnp.stack([p, 1 - p], axis=-1)


def column_pair(p):
    return jnp.concatenate([p, 1 - p], axis=-1)


@pytest.mark.parametrize("name", MOVED)
def test_graph_and_sample_are_of_the_scores_below(name):
    f, end, below = MOVED[name]
    graph, expected = bounds.read_graph(f, X[:2]), np.asarray(below(X))
    labels = expected.argmax(axis=1)
    sample = bounds.Sample.measure(f, X, labels, batch_size=25)
    assert graph.ends == (end,) and sample.train_error == 0.0
    found = bounds.evaluate(graph, X)
    if name != "half precision":
        np.testing.assert_allclose(found - found[:, :1], expected - expected[:, :1], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(
            sample.margins, bounds.Sample.measure(below, X, labels).margins, rtol=1e-4, atol=1e-4
        )
    # The predictions are those of the function itself: a single probability is compared with a half.
    shown = np.asarray(f(X), dtype=np.float64)
    said = shown.reshape(-1) > 0.5 if shown.size == len(X) else shown.argmax(axis=1)
    assert np.array_equal(said, labels)
    assert bounds.galanti(graph, sample, delta=0.01).guarantee == "certificate"


STAYS = {
    "of several one": of(THREE, lambda z: softmax(z)[:, 1]),
    "twice p": of(ONE, lambda z: jnp.concatenate([1 - sigmoid(z), 2 * sigmoid(z)], axis=1)),
    "a half": of(ONE, lambda z: jnp.concatenate([0 * z + 0.5, sigmoid(z)], axis=1)),
    "cut off": of(ONE, lambda z: jnp.clip(sigmoid(z), 1e-3, 1.0)[:, 0]),
    "logarithm of one": of(TWO, lambda z: jax.nn.log_softmax(z)[:, 1]),
    "slices side by side": of(THREE, lambda z: jnp.concatenate([softmax(z)[:, :1], 2 * softmax(z)[:, 1:]], axis=1)),
    "learned order": lambda x: softmax(hidden(x) @ THREE)[:, jnp.argsort(x[0])[:3]],
}


@pytest.mark.parametrize("name", STAYS)
def test_what_is_no_end_stays(name):
    network = Network(STAYS[name])
    scores = np.asarray(network(jnp.asarray(X[:3])))
    assert network.ends == ()
    np.testing.assert_allclose(scores[:, -1], np.asarray(STAYS[name](X[:3])).reshape(3, -1)[:, -1], rtol=1e-5)


def test_rows_that_change_places_are_not_moved_below():
    network = Network(lambda x: softmax(hidden(x) @ THREE)[::-1])
    network(jnp.asarray(X[:1]))
    assert network.ends == ()
