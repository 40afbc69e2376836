"""Honest slips on coin flips, whose true error is ½: the label of old is refuted, and what is said today is none.

Each slip is also made on purpose, past the check, by a false statement or a sample without its marks: the value is then
below ½ and calls itself a certificate, so that it is the check that stands between.
"""

import numpy as np
import pytest
from samples import of_any_network

from sparsebounds import bounds
from sparsebounds.bounds.audit.slips.networks import Believed
from sparsebounds.bounds.theorems.held_out import held_out

M, DELTA, TRUTH = 400, 1e-3, 0.5
RNG = np.random.default_rng(0)
X = np.clip(RNG.normal(size=(M, 500)), -6, 6).astype(np.float32)
Y = RNG.integers(0, 2, M)
W = np.linalg.lstsq(X.astype(np.float64), np.eye(2)[Y] - 0.5, rcond=None)[0].astype(np.float32)


def by_heart(x):
    """All labels of the sample, learned by heart."""
    return x @ W


GRAPH, SAMPLE = bounds.read_graph(by_heart, X[:2]), bounds.Sample.measure(by_heart, X, Y)


def refuted(bound):
    return bound.guarantee == "certificate" and bound.value < TRUTH


def test_the_labels_are_learned_and_no_honest_row_says_more():
    assert SAMPLE.train_error == 0.0
    fresh = np.clip(np.random.default_rng(1).normal(size=(2000, 500)), -6, 6).astype(np.float32)
    test = bounds.Sample.measure(by_heart, fresh, np.arange(2000) % 2)
    assert test.train_error == pytest.approx(TRUTH, abs=0.05)
    rows = bounds.table(by_heart, X, Y, fresh, np.arange(2000) % 2, delta=DELTA)
    assert (rows.value[rows.guarantee == "certificate"].dropna() >= 0.45).all()


def test_one_sample_a_thousand_times():
    w = np.linalg.lstsq(X[:100, :100].astype(np.float64), np.eye(2)[Y[:100]] - 0.5, rcond=None)[0].astype(np.float32)
    x, y = np.tile(X[:100, :100], (1000, 1)), np.tile(Y[:100], 1000)
    f = lambda x: x @ w  # noqa: E731
    graph = bounds.read_graph(f, x[:2])
    counted, natural = (
        bounds.occam(graph, bounds.Sample.measure(f, x, y, repetitions=r, batch_size=20_000), delta=DELTA)
        for r in ("counted", "natural")
    )
    assert refuted(natural) and counted.value == natural.value < 0.2
    assert counted.guarantee == "published" and counted.note.startswith("no certificate: 99900 of 100000")


@pytest.mark.parametrize("share", [1.0, 0.5])
def test_test_samples_that_are_training_samples(share):
    """All of them, or half: the other half is right half of the time."""
    old = int(share * M)
    fresh = RNG.normal(size=(M - old, 500)).astype(np.float32)
    y = np.concatenate([Y[:old], RNG.integers(0, 2, M - old)])
    test = bounds.Sample.measure(by_heart, np.concatenate([X[:old], fresh]), y)
    assert refuted(held_out(GRAPH, SAMPLE, delta=DELTA, test=Believed(test.margins)))
    found = held_out(GRAPH, SAMPLE, delta=DELTA, test=test)
    assert found.guarantee == "published" and f"{old} of 400 samples have an input of the training" in found.note


@pytest.mark.parametrize("name", ["bartlett", "graf_norms", "long_sedghi"])
def test_a_reference_that_is_the_network_itself(name):
    bound, options = bounds.BOUNDS[name], {"pixel_range": (-6.0, 6.0)} if name == "long_sedghi" else {}
    declared = bounds.Reference(GRAPH, fixed="before training")  # it was not
    options |= {"gamma": float(SAMPLE.margins.min())}
    assert refuted(bound(GRAPH, SAMPLE, delta=DELTA, reference=declared, **options))
    with pytest.raises(ValueError, match="weights of the network itself"):
        bound(GRAPH, SAMPLE, delta=DELTA, reference=bounds.read_graph(by_heart, X[:2]), **options)


def test_the_graph_of_the_pruned_network_with_the_sample_of_the_dense_one():
    sparse = bounds.pruned(GRAPH, -1, 0.002)
    assert refuted(bounds.occam(sparse, of_any_network(SAMPLE), delta=DELTA))
    with pytest.raises(ValueError, match="measured of another network"):
        bounds.occam(sparse, SAMPLE, delta=DELTA)
    own = bounds.what_if_pruned(bounds.occam, GRAPH, X, Y, layer=-1, density=0.002, delta=DELTA)
    assert own.guarantee == "certificate" and own.value >= TRUTH - 0.05
