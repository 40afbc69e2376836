"""Bounds, samples and graphs travel: pickled, copied, as dictionaries; and come back the same and unwritable."""

import copy
import json
import pickle

import jax
import jax.numpy as jnp
import networks
import numpy as np
import pytest
from networks import network

from sparsebounds import bounds
from sparsebounds.bounds.graph import nonlinearities

WAYS = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@pytest.fixture(scope="module")
def measured():
    net = network("native_biased")
    x = np.random.default_rng(0).normal(size=(60, *net.x.shape[1:])).astype(np.float32)
    y = np.arange(60) % networks.CLASSES
    return bounds.read_graph(net.f, x[:2]), bounds.Sample.measure(net.f, x, y)


@every_way
@pytest.mark.parametrize("name", ["galanti", "peeling", "occam", "bartlett"])
def test_a_bound(measured, way, name):
    found = bounds.BOUNDS[name](*measured, delta=0.01)
    again = way(found)
    assert again == found and dict(again.terms) == dict(found.terms)
    with pytest.raises(TypeError):
        again.terms["m"] = 0


@every_way
def test_a_sample(measured, way):
    sample = measured[1]
    again = way(sample)
    assert again.train_error == sample.train_error and np.array_equal(again.energies, sample.energies)
    assert np.array_equal(again.fingerprints, sample.fingerprints) and not again.margins.flags.writeable


@every_way
def test_a_graph(measured, way):
    graph, sample = measured
    again = way(graph)
    again_bound, bound = (bounds.galanti(g, sample, delta=0.01) for g in (again, graph))
    assert again_bound == bound
    assert not any(term.strengths.flags.writeable for _, layer in again.linear_layers() for term in layer.terms)


@every_way
@pytest.mark.parametrize("activation", [jnp.tanh, jax.nn.gelu, jax.nn.relu6, jax.nn.elu, lambda x: jax.nn.celu(x, 0.5)])
def test_a_graph_with_an_activation(way, activation):
    w = np.eye(3, dtype=np.float32)
    graph = bounds.read_graph(lambda x: activation(x @ w) @ w, np.ones((2, 3), np.float32))
    x = np.linspace(-8, 8, 30).reshape(10, 3)
    assert np.array_equal(bounds.evaluate(way(graph), x), bounds.evaluate(graph, x))


def test_every_activation_has_a_name():
    families = [
        *(nonlinearities.silu(), nonlinearities.silu(1.702), nonlinearities.silu(0.3)),
        *(nonlinearities.elu(), nonlinearities.elu(0.5), nonlinearities.celu(2.0), nonlinearities.clip(0, 6)),
        *(nonlinearities.clip(-1.0, 1.0), nonlinearities.clip(-2.0, 1.0), nonlinearities.soft_shrink(0.5)),
        *(nonlinearities.two_slopes(-0.5, 2.0), nonlinearities.two_slopes(-1.0, 1.0)),
    ]
    t = np.linspace(-9, 9, 1001)
    for function in (*nonlinearities.FIXED, *families):
        again = WAYS["pickle"](function)
        assert again == function and np.array_equal(again.apply(t), function.apply(t)), function.name
        assert (again.low, again.high, again.at_zero, again.bound) == (
            *(function.low, function.high, function.at_zero, function.bound),
        )


def test_an_operation_of_the_program_says_why_it_cannot_travel():
    graph = bounds.read_graph(lambda x: jnp.sort(x, axis=1), np.ones((2, 3), np.float32))
    with pytest.raises(TypeError, match=r"an operation of the program .* read the network anew"):
        pickle.dumps(graph)


def test_as_dictionaries(measured):
    graph, sample = measured
    found = bounds.galanti(graph, sample, delta=0.01)
    shown = json.loads(json.dumps(found.to_dict()))
    assert shown["value"] == found.value and shown["terms"]["m"] == 60 and next(iter(shown)) == "value"
    again = bounds.Sample(**json.loads(json.dumps(sample.to_dict())))
    assert np.array_equal(again.margins, sample.margins) and again.train_error == sample.train_error
    layers = json.loads(json.dumps(graph.to_dict()))["layers"]
    assert [layer["kind"] for layer in layers] == [layer.kind for layer in graph.layers]
    assert np.array_equal(layers[-1]["terms"][0]["weight"], graph.layers[-1].terms[0].strengths)
