"""A note that names a layer names it by its module path, whichever bound says it."""

import re

import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.registry import evaluated

RNGS = nnx.Rngs(0)
X = np.random.default_rng(0).normal(size=(60, 6, 6, 2)).astype(np.float32)
Y = np.arange(60) % 3
OPTIONS = {"delta": 0.01, "gamma": 1.0, "input_bound": 100.0}


def flat(x):
    return x.reshape(len(x), -1)


def max_pool(x):
    return nnx.max_pool(x, (3, 3), (2, 2))


def leaky(x):
    return nnx.leaky_relu(x, 0.137)


class Residual(nnx.Module):
    def __init__(self):
        self.body = nnx.Sequential(nnx.Conv(2, 2, (3, 3), rngs=RNGS), nnx.relu, nnx.Conv(2, 2, (3, 3), rngs=RNGS))
        self.head = nnx.Linear(72, 3, rngs=RNGS)

    def __call__(self, x):
        return self.head(nnx.relu(x + self.body(x)).reshape(len(x), -1))


class TwoHeads(nnx.Module):
    """The last layer adds two learned maps."""

    def __init__(self):
        self.first, self.wide = nnx.Linear(72, 4, rngs=RNGS), nnx.Linear(72, 3, rngs=RNGS)
        self.deep = nnx.Linear(4, 3, rngs=RNGS)

    def __call__(self, x):
        return self.deep(nnx.relu(self.first(flat(x)))) + self.wide(flat(x))


def sequential(*parts):
    return nnx.Sequential(nnx.Conv(2, 4, (3, 3), rngs=RNGS), *parts)


NETWORKS = {
    "max pooling": sequential(nnx.relu, max_pool, flat, nnx.Linear(16, 3, rngs=RNGS)),
    "leaky": sequential(leaky, flat, nnx.Linear(144, 3, rngs=RNGS)),
    "skip": Residual(),
    "two heads": TwoHeads(),
    "activated at the end": sequential(flat, nnx.Linear(144, 3, rngs=RNGS), nnx.relu),
    "deep": nnx.Sequential(sequential(nnx.relu, flat), nnx.Linear(144, 5, rngs=RNGS), nnx.relu,
                           nnx.Linear(5, 3, rngs=RNGS)),
}  # fmt: skip
NAMED = {
    "max pooling": {"neyshabur_two_layer": r"max pooling in layers\.2$"},
    "leaky": {},
    "skip": {"path_norm_layered": r"body\.layers\.2 adds or joins"},
    "two heads": {"path_norm_layered": r"not covered: deep\+wide adds"},
    "activated at the end": {},
    "deep": {"neyshabur_two_layer": r"\(layers\.0\.layers\.0; layers\.1; layers\.3\)"},
}
MADE_UP = re.compile(r"\b(layer|dot|dense|linear|pool|diagonal|max pool) \d")


def notes(name):
    graph, sample = bounds.read_graph(NETWORKS[name], X[:2]), bounds.Sample.measure(NETWORKS[name], X, Y)
    return {key: evaluated(bound, graph, sample, OPTIONS).note for key, bound in bounds.BOUNDS.items()}


@pytest.mark.parametrize("name", NETWORKS)
def test_layers_are_named_by_their_path(name):
    found = notes(name)
    for bound, pattern in NAMED[name].items():
        assert re.search(pattern, found[bound]), found[bound]
    for note in found.values():
        assert not MADE_UP.search(note), note
