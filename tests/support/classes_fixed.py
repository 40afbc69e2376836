"""Small networks and data for classes fixed in advance."""

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds import bounds


def two_layers(rng: np.random.Generator, *, inputs: int = 4, hidden: int = 3, classes: int = 2):
    """The graph of a dense network with biases, and its weights and biases layer by layer."""
    w = [rng.normal(size=(inputs, hidden)), rng.normal(size=(hidden, classes))]
    b = [rng.normal(size=hidden), rng.normal(size=classes)]
    w32, b32 = ([jnp.asarray(a, jnp.float32) for a in arrays] for arrays in (w, b))

    def f(x):
        return jax.nn.relu(x @ w32[0] + b32[0]) @ w32[1] + b32[1]

    return bounds.read_graph(f, np.ones((2, inputs), np.float32)), w, b


def three_clusters():
    """The identity of three inputs on 4000 points around the unit vectors: graph, sample, inputs within 1.5, labels."""
    rng = np.random.default_rng(7)
    y = rng.integers(0, 3, size=4000)
    x = (np.eye(3)[y] + 0.1 * rng.normal(size=(4000, 3))).clip(-1.5, 1.5).astype(np.float32)

    def f(x):
        return x @ np.eye(3, dtype=np.float32)

    return bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y), x, y
