"""Graph and sample must be of one network: two inputs of the sample and their scores tell."""

from dataclasses import replace

import jax
import networks
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.reader.check import TOLERANCE as OF_THE_READER
from sparsebounds.bounds.registry import evaluated
from sparsebounds.bounds.sample.front_end import FrontEnd
from sparsebounds.bounds.sample.probes import TOLERANCE
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.held_out import held_out

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6)).astype(np.float32)
Y = np.arange(300) % 2
W = RNG.normal(size=(6, 2)).astype(np.float32)
REFUSED = "the sample was measured of another network than the graph"


def f(x):
    return x @ W


def test_the_pruned_network_with_the_sample_of_the_dense_one_is_refused():
    graph, sample = bounds.read_graph(f, X[:2]), Sample.measure(f, X, Y)
    sparse = bounds.pruned(graph, -1, 0.3)
    for bound in bounds.BOUNDS.values():
        assert REFUSED in evaluated(bound, sparse, sample, {"delta": 0.1}).note
    for graph_of_another in (sparse, bounds.quantise(graph, 1), sparse.partition("scalar")):
        with pytest.raises(ValueError, match=REFUSED):
            bounds.certified(graph_of_another, sample, delta=0.1)
        own = Sample.measure(lambda x, g=graph_of_another: bounds.evaluate(g, x), X, Y)  # the remedy of the message
        assert bounds.certified(graph_of_another, own, delta=0.1).covered
    assert bounds.what_if_pruned(bounds.occam, graph, X, Y, layer=-1, density=0.3).covered


def test_held_out_samples_of_another_network_are_refused():
    graph, sample = bounds.read_graph(f, X[:2]), Sample.measure(f, X[:200], Y[:200])
    assert held_out(graph, sample, delta=0.1, test=Sample.measure(f, X[200:], Y[200:])).covered
    with pytest.raises(ValueError, match=REFUSED):
        held_out(graph, sample, delta=0.1, test=Sample.measure(lambda x: -f(x), X[200:], Y[200:]))


def test_what_if_questions_are_asked_of_one_network():
    sparse, sample = bounds.pruned(bounds.read_graph(f, X[:2]), -1, 0.3), Sample.measure(f, X, Y)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.what_if_samples(bounds.occam, sparse, sample, 10_000)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.samples_needed(bounds.occam, sparse, sample)


def test_what_is_kept_is_what_the_network_receives(tmp_path):
    front = FrontEnd(lambda x: 2 * x[:, :4])
    g = lambda x: x @ W[:4]  # noqa: E731
    sample = Sample.measure(g, front.receive(X), Y)
    np.testing.assert_array_equal(sample.probe_inputs, 2 * X[:2, :4])
    np.testing.assert_allclose(sample.probe_scores, g(2 * X[:2, :4]), rtol=1e-5)
    assert bounds.galanti(bounds.read_graph(g, X, front_end=front), sample, delta=0.1).covered
    sample.save(tmp_path / "s.npz")
    loaded = Sample.load(tmp_path / "s.npz")
    assert np.array_equal(loaded.probe_inputs, sample.probe_inputs)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.galanti(bounds.read_graph(lambda x: -g(x), X, front_end=front), loaded, delta=0.1)


def test_the_two_inputs_are_of_two_classes():
    sample = Sample.measure(f, X, np.where(np.arange(300) < 40, 1, 0))
    np.testing.assert_array_equal(sample.probe_inputs, X[[0, 40]])


def test_older_files_load_and_are_not_checked(tmp_path):
    path = tmp_path / "s.npz"
    Sample.measure(f, X, Y).save(path)
    with np.load(path) as stored:
        new = {"probe_inputs", "probe_scores", "input_space", "repetitions"}
        assert new <= set(stored.files)
        held = {name: stored[name] for name in stored.files if name not in new}
    np.savez(path, **held)
    loaded = Sample.load(path)
    assert (loaded.probe_inputs, loaded.input_space, loaded.repetitions) == (None, None, "counted")
    assert bounds.galanti(bounds.read_graph(f, X[:2]), loaded, delta=0.1).guarantee == "certificate"
    assert bounds.galanti(bounds.read_graph(lambda x: -f(x), X[:2]), loaded, delta=0.1).covered


@pytest.mark.parametrize(
    "change", [{"probe_scores": None}, {"probe_inputs": np.ones((2, 5))}, {"probe_scores": np.full((2, 2), np.nan)}]
)
def test_half_of_it_is_refused(change):
    with pytest.raises(ValueError, match="probe_inputs and probe_scores must be two of each"):
        replace(Sample.measure(f, X, Y), **change)


@pytest.mark.parametrize("name", ["native", "nnx_conv", "max_pooled", "leaky_relu"])
def test_an_honest_pair_passes_in_every_partition(name):
    net = networks.network(name)
    sample = Sample.measure(net.f, net.x, np.arange(len(net.x)) % 2)
    for nodes in ("position", "group", "scalar"):
        sample.check_network(bounds.read_graph(net.f, net.x[:2], nodes=nodes))


def test_an_integer_input_is_kept_as_it_is():
    g = lambda x: x.astype(np.float32) @ W  # noqa: E731
    x = RNG.integers(0, 256, (50, 6)).astype(np.uint8)
    sample = Sample.measure(g, x, Y[:50])
    assert np.array_equal(sample.probe_inputs, x[:2])
    sample.check_network(bounds.read_graph(g, x[:2]))


def test_a_module_trained_after_reading_is_refused():
    net = nnx.Linear(6, 2, rngs=nnx.Rngs(0))
    graph = bounds.read_graph(net, X[:2])
    net.kernel[...] = net.kernel[...] * jax.numpy.float32(1.1)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.galanti(graph, Sample.measure(net, X, Y), delta=0.1)


def test_it_is_evaluated_once_for_a_graph_and_a_sample(monkeypatch):
    from sparsebounds.bounds.sample import probes

    calls = []
    monkeypatch.setattr(probes, "evaluate", lambda graph, x: calls.append(x) or f(x))
    graph, sample = bounds.read_graph(f, X[:2]), Sample.measure(f, X, Y)
    for name in ("galanti", "occam", "bartlett"):
        bounds.BOUNDS[name](graph, sample, delta=0.1)
    assert len(calls) == 1


def test_it_allows_what_the_reader_allows():
    assert TOLERANCE == OF_THE_READER
