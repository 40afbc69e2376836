"""Graph and sample must be of one network: some inputs of the sample and their scores in the pass tell."""

from dataclasses import replace

import jax
import networks
import numpy as np
import pytest
from flax import nnx

from sparsebounds import bounds
from sparsebounds.bounds.registry import evaluated
from sparsebounds.bounds.sample.front_end import FrontEnd
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.probes import LEAST, MOST, Probing
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


def test_small_weights_that_decide_many_inputs_are_not_pruned_unseen():
    """A feature that is zero in two fifths of the inputs, where weights of 10⁻⁴ know coin flips by heart."""
    m, d = 2000, 3000
    x = RNG.choice([-0.1, 0.1], (m, d)).astype(np.float32)
    x[:, 0] = RNG.choice([-1.0, 0.0, 1.0], m, p=[0.3, 0.4, 0.3])
    zero = x[:, 0] == 0
    y = np.where(zero, RNG.integers(0, 2, m), x[:, 0] > 0)
    heart = (x[zero, 1:] * (2 * y[zero] - 1)[:, None]).mean(axis=0)
    heart *= 2e-4 / np.abs(x[zero, 1:] @ heart).max()
    w = np.concatenate([[1.0], heart]).astype(np.float32)

    def g(x):
        return x @ np.stack([-w, w], axis=1)

    dense, sample = bounds.read_graph(g, x[:2]), Sample.measure(g, x, y)
    assert sample.train_error < 0.1 and bounds.occam(dense, sample, delta=0.1).value > 0.9
    with pytest.raises(ValueError, match=REFUSED):
        bounds.occam(bounds.pruned(dense, -1, 1 / 3000), sample, delta=0.1)


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
    np.testing.assert_array_equal(sample.probe_inputs[0], 2 * X[0, :4])
    np.testing.assert_allclose(sample.probe_scores, g(sample.probe_inputs), rtol=1e-4)
    assert bounds.galanti(bounds.read_graph(g, X, front_end=front), sample, delta=0.1).covered
    sample.save(tmp_path / "s.npz")
    loaded = Sample.load(tmp_path / "s.npz")
    assert np.array_equal(loaded.probe_inputs, sample.probe_inputs)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.galanti(bounds.read_graph(lambda x: -g(x), X, front_end=front), loaded, delta=0.1)


def test_where_they_are():
    """First, last, one in every part of the sample and of every class, fewer where an input is large."""
    labels = np.where(np.arange(6000) == 4321, 2, np.arange(6000) % 2)
    wanted = Probing(labels, 6).wanted
    assert {0, 5999, 4321} <= set(wanted.tolist()) and MOST <= len(wanted) <= MOST + 4
    assert np.diff(wanted).max() <= 2 * 6000 / MOST
    assert abs(np.mean(wanted % 2) - 0.5) < 0.2  # classes in turn are no trap
    assert len(Probing(labels, 10**7).wanted) <= LEAST + 4
    assert Probing(labels[:5], 6).wanted.tolist() == [0, 1, 2, 3, 4]
    x = np.zeros((2000, 6), np.float32)
    x[1234], x[777] = [9, 0, 0, 0, 0, 0], [-9, 0, 0, 0, 0, 0]
    x[:, 1] = np.arange(2000) / 2000
    sample = Sample.measure(lambda x: np.array([1.0, -1.0]) * x[:, :1], x, np.zeros(2000, int) + (np.arange(2000) == 5))
    assert sample.probe_inputs[:, 0].max() == 9 and sample.probe_inputs[:, 0].min() == -9  # extreme margins


def test_what_cannot_be_checked_is_no_certificate(tmp_path):
    path, graph, sample = tmp_path / "s.npz", bounds.read_graph(f, X[:2]), Sample.measure(f, X, Y)
    sample.save(path)
    assert bounds.galanti(graph, Sample.load(path), delta=0.1).guarantee == "certificate"
    with np.load(path) as stored:
        new = {"probe_inputs", "probe_scores", "input_space", "repetitions"}
        assert new <= set(stored.files)
        held = {name: stored[name] for name in stored.files if name not in new}
    np.savez(path, **held)
    loaded = Sample.load(path)
    assert (loaded.probe_inputs, loaded.input_space, loaded.repetitions) == (None, None, "counted")
    marked = replace(sample, fingerprints=None)
    for unknown, lacks in ((loaded, "probes, whose network"), (marked, "fingerprints, whose copies")):
        for bound in (bounds.galanti, bounds.occam, bounds.certified, bounds.gonon):
            row = bound(graph, unknown, delta=0.1)
            assert row.guarantee == "published" and f"no certificate: samples without {lacks}" in row.note
            assert "measure them with Sample.measure" in row.note


# ---- the pass is of the graph's function ----------------------------------------------------------


NAMES = ["occam", "peeling", "parameter_count"]
M, D = 512, 600
SIGNS = np.random.default_rng(5).choice([-1.0, 1.0], size=(M, D)).astype(np.float32)
COINS = np.random.default_rng(6).integers(0, 2, M)
HEART = np.linalg.lstsq(SIGNS, 2.0 * COINS - 1, rcond=None)[0].astype(np.float32)
DENSE = np.stack([-HEART, HEART], axis=1)
FEW = np.where(np.abs(DENSE) >= np.sort(np.abs(HEART))[-3], DENSE, 0).astype(np.float32)


def refused(f, x=SIGNS, y=COINS, x_test=None, y_test=None, names=NAMES):
    found = bounds.table(f, x, y, x_test, y_test, names=names)
    return found.value.isna().all() and found.note.str.contains(REFUSED).all()


def test_a_jitted_function_with_old_weights_for_one_shape_is_refused():
    params = {"w": jax.numpy.asarray(DENSE)}
    predict = jax.jit(lambda x: x @ params["w"])
    bounds.table(predict, SIGNS, COINS, names=NAMES, batch_size=100)  # compiled for 100 and for the last 12
    params["w"] = jax.numpy.asarray(FEW)
    graph = bounds.read_graph(lambda x: x @ params["w"], SIGNS[:2])
    with pytest.raises(ValueError, match="A jitted function keeps the weights of its first call"):
        bounds.occam(graph, Sample.measure(predict, SIGNS, COINS, batch_size=100), delta=0.1)
    assert refused(predict)  # read with old weights, measured with new ones
    given = jax.jit(lambda w, x: x @ w)  # the remedy
    assert bounds.table(lambda x: given(params["w"], x), SIGNS, COINS, names=NAMES).value.notna().all()


@pytest.mark.parametrize("large", [12, 64])
def test_other_weights_in_batches_of_the_pass_are_refused(large):
    """In all batches, or in the last alone."""
    assert refused(lambda x: x @ (DENSE if len(x) >= large else FEW))
    odd = lambda x: x @ (DENSE if len(x) == M % 256 + 5 else FEW)  # noqa: E731
    few = np.concatenate([SIGNS, SIGNS[:5] * 1.5]), np.concatenate([COINS, COINS[:5]])
    assert refused(odd, *few)


def test_a_mean_of_large_batches_is_refused():
    assert refused(lambda x: (x - (x.mean(0) if len(x) >= 8 else 0)) @ DENSE)


def test_the_test_pass_is_of_the_graphs_function_too():
    f = lambda x: x @ (DENSE if len(x) == 200 else FEW)  # noqa: E731
    assert refused(f, x_test=SIGNS[:200], y_test=COINS[:200], names=["held_out"])
    found = bounds.table(lambda x: x @ FEW, -SIGNS, COINS, SIGNS[:200], COINS[:200], names=["held_out"])
    assert found.guarantee[0] == "certificate"
    test = Margins.measure(lambda x: x @ DENSE, SIGNS[:200], COINS[:200])
    with pytest.raises(ValueError, match=REFUSED):
        graph = bounds.read_graph(lambda x: x @ FEW, SIGNS[:2])
        held_out(graph, Sample.measure(lambda x: x @ FEW, -SIGNS, COINS), delta=0.1, test=test)


def test_what_all_scores_have_in_common_hides_nothing():
    graph, offset = bounds.read_graph(lambda x: x @ FEW + 2000, SIGNS[:2]), lambda x: x @ DENSE + 2000
    with pytest.raises(ValueError, match=REFUSED):
        bounds.occam(graph, Sample.measure(offset, SIGNS, COINS), delta=0.1)
    own = bounds.occam(graph, Sample.measure(lambda x: x @ FEW + 2000, SIGNS, COINS), delta=0.1)
    assert own.guarantee == "certificate"


@pytest.mark.parametrize("kept", [[0, 1], range(32), range(0, 3000, 2), range(2700)])
def test_weights_that_few_inputs_use(kept):
    """One input, one weight: the network pruned to the weights of some inputs, from two of them to nine in ten."""
    x, y = np.eye(3000, dtype=np.float32), np.random.default_rng(1).integers(0, 2, 3000)
    learned = (2.0 * y - 1)[:, None] * np.array([-1.0, 1.0])
    few = np.where(np.isin(np.arange(3000), kept)[:, None], learned, 0)
    graph = bounds.read_graph(lambda x: x @ few.astype(np.float32), x[:2])
    sample = Sample.measure(lambda x: x @ learned.astype(np.float32), x, y, batch_size=1000)
    with pytest.raises(ValueError, match=REFUSED):
        bounds.occam(graph, sample, delta=0.1)


def test_integers_that_wrap_in_the_sample_alone_are_refused():
    x = np.random.default_rng(1).integers(0, 256, (400, 6)).astype(np.uint8)
    x[:2] //= 4
    f = lambda v: (v * np.asarray(2, v.dtype)).astype(np.float32) @ W  # noqa: E731
    graph = bounds.read_graph(f, x[:2].astype(np.float32))
    with pytest.raises(ValueError, match=REFUSED):
        bounds.occam(graph, Sample.measure(f, x, np.arange(400) % 2), delta=0.1)


@pytest.mark.parametrize(
    "change", [{"probe_scores": None}, {"probe_inputs": np.ones((2, 5))}, {"probe_scores": np.full((66, 2), np.nan)}]
)
def test_half_of_it_is_refused(change):
    with pytest.raises(ValueError, match="probe_inputs and probe_scores must be as many of each"):
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
    assert np.array_equal(sample.probe_inputs[0], x[0])
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
    assert len(calls) == -(-len(sample.probe_inputs) // 16)
