"""Windows that were cut from one series with overlap: found by runs of numbers that are moved."""

import jax.numpy as jnp
import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.sample.front_end import FrontEnd
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.sample.windows import SHARE, overlapping

RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=3000).astype(np.float32)
WORDS = RNG.choice(2000, 3000, p=1 / np.arange(1, 2001) / np.sum(1 / np.arange(1, 2001)))


def cut(series, size, step=1):
    return np.stack([series[i : i + size] for i in range(0, len(series) - size, step)])


def patches(image, size, step):
    starts = range(0, len(image) - size, step)
    return np.stack([image[i : i + size, j : j + size] for i in starts for j in starts])


WINDOWS = {
    "every step": cut(NOISE, 64),
    "a tenth of them, in any order": RNG.permutation(cut(NOISE, 64))[:290],
    "half overlap": cut(NOISE, 64, 32),
    "ten lags": cut(NOISE, 10),
    "three channels": cut(NOISE.reshape(-1, 3), 20),
    "a random walk": cut(np.cumsum(NOISE), 30),
    "bytes": cut(np.round(40 * NOISE).clip(-128, 127).astype(np.int8), 64),
    "contexts of words": cut(WORDS, 64),
    "patches": patches(NOISE[:2500].reshape(50, 50), 8, 4),
    "long ones": cut(NOISE, 700, 7),
}
APART = {
    "drawn one by one": RNG.normal(size=(500, 40)),
    "bytes": RNG.integers(0, 256, (2000, 64)),
    "signs": RNG.choice([-1.0, 1.0], (400, 300)),
    "few levels": RNG.integers(0, 5, (1000, 12)),
    "windows that do not overlap": cut(NOISE, 50, 50),
    "one background": np.where(np.arange(64) < 48, NOISE[:64], RNG.normal(size=(300, 64))),
    "a flat part somewhere": np.stack([np.roll(np.r_[np.zeros(50), RNG.normal(size=14)], i) for i in range(300)]),
    "exact copies": np.tile(RNG.normal(size=(50, 40)), (4, 1)),
    "fewer than twenty": cut(NOISE, 64)[:19],
    "one number each": RNG.normal(size=(100, 1)),
    "one input": np.ones((50, 30)),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows_that_overlap_are_found(name):
    assert overlapping(WINDOWS[name]) > 0.85


@pytest.mark.parametrize("name", APART)
def test_what_is_drawn_apart_is_not_taken_for_windows(name):
    assert overlapping(APART[name]) < 0.02


def test_digits_and_tables_of_measurements_are_no_windows():
    datasets = pytest.importorskip("sklearn.datasets")
    for x in (datasets.load_digits().images, datasets.load_wine().data, datasets.load_breast_cancer().data):
        assert overlapping(x) == 0.0


def test_one_quarter_is_too_many():
    few, many = (np.concatenate([cut(NOISE, 40)[:k], RNG.normal(size=(200 - k, 40))]) for k in (30, 80))
    assert 0.1 < overlapping(few) < SHARE < overlapping(many)


def test_windows_split_at_random_are_no_held_out_samples():
    """The label of a stretch of the series is a coin flip, and neighbours know it: on another series the error is ½."""
    x, coins = cut(NOISE, 64), np.repeat(RNG.integers(0, 2, 60), 50)
    y, at = coins[32 : 32 + len(x)], RNG.permutation(len(x))
    x, y, kept = x[at], y[at], jnp.asarray(x[at][:2000, 12:52])
    signs = jnp.asarray(2.0 * y[:2000] - 1.0)

    def nearest(v):
        near = jnp.max(jnp.stack([v[:, i : i + 40] @ kept.T for i in range(0, 25)]), axis=0)
        votes = jnp.exp(6.0 * (near - near.max(axis=1, keepdims=True))) @ signs
        return jnp.stack([-votes, votes], axis=1)

    def row(repetitions):
        rows = bounds.table(
            nearest, x[:2000], y[:2000], x[2000:], y[2000:], names=["held_out"], repetitions=repetitions
        )
        return rows.iloc[0]

    found, stated = row("counted"), row("natural")
    assert found.value < 0.1 and found.guarantee == "published" and "as windows of one series do" in found.note
    assert stated.guarantee == "certificate" and "natural, as stated" in stated.note


def test_a_sample_of_windows_is_no_certificate_and_keeps_what_it_knows(tmp_path):
    def f(v):
        return v[:, :2] @ np.eye(2, dtype=np.float32)

    x = WINDOWS["every step"]
    sample = Sample.measure(f, x, np.arange(len(x)) % 2)
    sample.save(tmp_path / "s.npz")
    graph = bounds.read_graph(f, x[:2])
    for one in (sample, Sample.load(tmp_path / "s.npz")):
        row = bounds.galanti(graph, one, delta=0.1)
        assert row.guarantee == "published" and "share runs of numbers with others" in row.note
    with pytest.raises(ValueError, match="overlapping must be a share"):
        Sample(2, 2, np.ones(1), np.ones((2, 1)) / 2, np.ones(2), np.array([1, 1]), overlapping=1.5)
    assert Margins.measure(f, x, np.arange(len(x)) % 2).copies.excluded


def test_windows_are_looked_for_before_a_front_end():
    """What a front end makes of two windows shares no numbers any more."""
    mixing = RNG.normal(size=(64, 8)).astype(np.float32)
    received = FrontEnd(lambda v: v @ mixing).receive(WINDOWS["every step"])
    y = np.arange(len(received)) % 2
    assert overlapping(received.values) == 0.0
    for measure in (Sample.measure, Margins.measure):
        assert measure(lambda v: v[:, :2], received, y).copies.excluded
        assert measure(lambda v: v[:, :2], received.then(np.tanh), y).copies.excluded
