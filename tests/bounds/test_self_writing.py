"""Modules that write to themselves when they are called: nothing of the user's is ever changed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from sparsebounds import bounds

X = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
Y = np.arange(20) % 3
RNGS = nnx.Rngs(0)


class Counts(nnx.Module):
    """Counts in an array of NumPy, in a list and in a number."""

    def __init__(self):
        self.total, self.seen, self.calls = np.zeros(3), nnx.static([]), 0
        self.head = nnx.Linear(6, 3, rngs=RNGS)

    def __call__(self, x):
        self.total += 1
        self.seen.append(len(x))
        self.calls += 1
        return self.head(x)


class Average(nnx.Module):
    """Keeps a moving average of its inputs."""

    def __init__(self):
        self.mean, self.head = nnx.BatchStat(jnp.zeros(6)), nnx.Linear(6, 3, rngs=RNGS)

    def __call__(self, x):
        self.mean[...] = 0.9 * self.mean[...] + 0.1 * x.mean(axis=0)
        return self.head(x)


def parted(model):
    leaves = jax.tree.leaves(nnx.split(model)[1])
    keys = [jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) for leaf in leaves]
    return [np.array(jax.random.key_data(a) if key else a) for a, key in zip(leaves, keys, strict=True)]


ZOO = {
    "spectral norm": lambda: nnx.SpectralNorm(nnx.Linear(6, 3, rngs=RNGS), rngs=RNGS),
    "weight norm": lambda: nnx.WeightNorm(nnx.Linear(6, 3, rngs=RNGS), rngs=RNGS),
    "within": lambda: nnx.Sequential(nnx.SpectralNorm(nnx.Linear(6, 6, rngs=RNGS), rngs=RNGS), Average()),
    "counts": Counts,
    "moving average": Average,
    "dropout counts": lambda: nnx.Sequential(nnx.Dropout(0.5, rngs=nnx.Rngs(1)), nnx.Linear(6, 3, rngs=RNGS)),
}  # fmt: skip
STEPS = {
    "read_graph": lambda f: bounds.read_graph(f, X),
    "measure": lambda f: bounds.Sample.measure(f, X, Y),
    "certificate": lambda f: bounds.certificate(f, X, Y),
}


@pytest.mark.parametrize("name", ZOO)
def test_nothing_of_the_users_is_written(name):
    model = ZOO[name]()
    before = parted(model)
    for step in STEPS.values():
        try:
            step(model)
        except bounds.ReadError as error:
            assert name == "dropout counts" and "layers.0 (Dropout) is in training mode" in str(error)
    after = parted(model)
    assert len(before) == len(after) and all(a.tobytes() == b.tobytes() for a, b in zip(before, after, strict=True))
    if isinstance(model, Counts):
        assert model.calls == 0 and model.seen == []


def test_linen_variables_are_not_written():
    net = linen.Sequential([linen.BatchNorm(use_running_average=False), linen.Dense(3)])
    held = net.init(jax.random.key(0), X)
    before = [np.asarray(leaf).copy() for leaf in jax.tree.leaves(held)]
    f = lambda x: net.apply(held, x, mutable=["batch_stats"])[0]  # noqa: E731
    bounds.Sample.measure(f, X, Y)
    with pytest.raises(bounds.ReadError, match=r"^layers_0 \(BatchNorm\) is in training mode"):
        bounds.read_graph(f, X)
    after = jax.tree.leaves(held)
    assert all(a.tobytes() == np.asarray(b).tobytes() for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_refusal_names_the_layer_and_the_users_line(wrapped):
    model = nnx.Sequential(nnx.Linear(6, 4, rngs=RNGS), nnx.elu, nnx.Linear(4, 3, rngs=RNGS))
    if wrapped:
        model = nnx.Sequential(model)
    graph, sample = bounds.read_graph(model, X), bounds.Sample.measure(model, X, Y)  # this line
    note = bounds.galanti_published(graph, sample, delta=0.1).note
    path = "layers.0.layers.1" if wrapped else "layers.1"
    assert note.startswith(f"not covered: {path} is ELU at test_self_writing.py:")
