"""Data in another form than in training: noticed where they ruin the network, and the remedy named."""

import warnings

import jax
import numpy as np
import pytest
from shown import trained

from sparsebounds import bounds
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample.slips import slips


def said(f, x, y) -> tuple[str, ...]:
    sample = bounds.Sample.measure(f, x, y)
    return slips(Network(f), x, np.asarray(y), sample.train_error)


def test_good_data_raise_no_suspicion() -> None:
    f, x, y, *_ = trained()
    assert said(f, x, y) == ()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bounds.table(f, x, y, names=["occam"])


@pytest.mark.parametrize(("shift", "word"), [(1, "one lower"), (-1, "one higher")])
def test_labels_shifted_by_one(shift: int, word: str) -> None:
    f, x, y, *_ = trained()
    (found,) = said(f, x, (y + shift) % 10)
    assert f"labels {word}" in found and "count from 0" in found


def test_two_classes_exchanged() -> None:
    f, x, y, *_ = trained(2)
    (found,) = said(f, x, 1 - y)
    assert "labels one" in found


def test_raw_pixels_where_training_saw_0_to_1() -> None:
    f, x, y, *_ = trained()
    slope = np.arange(10.0, dtype=np.float32)  # what lies far outside 0…1 drives the scores away

    def network(x):
        x = x.astype(np.float32)
        return f(2 * x - 1) - jax.nn.relu(x - 1.5).sum(axis=(1, 2, 3))[:, None] * slope

    raw = np.round((x + 1) * 127.5).astype(np.uint8)
    (found,) = said(network, raw, y)
    assert "divided by 255" in found and "reach from 0 to 255" in found


def test_raw_pixels_that_leave_the_network_better_than_chance() -> None:
    f, x, y, *_ = trained()
    unit = (x + 1) / 2

    def network(x):  # half of the classes are lost where numbers are large
        return f(2 * x - 1) - 1e4 * ((x.max(axis=(1, 2, 3)) > 1.5)[:, None] & (np.arange(10) > 6)).astype(np.float32)

    raw = np.round(unit * 255).astype(np.uint8)
    for inputs in (raw, raw.astype(np.float32)):
        (found,) = said(lambda x: network(x.astype(np.float32)), inputs, y)
        assert "chance" not in found and "divided by 255" in found
    assert said(lambda x: network(x.astype(np.float32) / 255), raw, y) == (), "it scales them itself"


def test_scaled_pixels_where_training_saw_raw_ones() -> None:
    f, x, y, *_ = trained()
    (found,) = said(lambda x: f(x / 127.5 - 1), (x + 1) / 2, y)
    assert "times 255" in found


def test_channels_on_the_wrong_axis() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3, 3, 3)).astype(np.float32)
    w = rng.normal(size=(27, 5)).astype(np.float32)
    f = lambda x: x.reshape(len(x), -1) @ w  # noqa: E731
    y = np.argmax(np.asarray(f(x)), axis=1)
    first = np.moveaxis(x, -1, 1)
    (found,) = said(f, first, y)
    assert "channels moved from the first axis to the last" in found and "(3, 3, 3)" in found
    wide = rng.normal(size=(400, 4, 4, 3)).astype(np.float32)
    head = rng.normal(size=(48, 5)).astype(np.float32)
    g = lambda x: x.reshape(len(x), -1) @ head  # noqa: E731
    labels = np.argmax(np.asarray(g(wide)), axis=1)
    (found,) = said(g, np.moveaxis(wide, -1, 1), labels)
    assert "channels last" in found or "axis to the last" in found


def test_an_untrained_network_is_only_asked_about() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(600, 8)).astype(np.float32), rng.integers(0, 10, 600)
    w = rng.normal(size=(8, 10)).astype(np.float32)
    (found,) = said(lambda x: x @ w, x, y)
    assert "no better than chance among 10 classes" in found


def test_a_constant_answer_is_no_better_than_chance_however_small_its_error() -> None:
    y = np.array([0] * 190 + [1] * 10)
    x = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32)
    f = lambda x: x * 0 + np.array([1.0, 0.0], np.float32)  # noqa: E731
    assert "no better than chance among 2" in said(f, x, y)[0]


def test_few_samples_say_nothing() -> None:
    f, x, y, *_ = trained()
    assert said(f, x[:90], (y[:90] + 1) % 10) == ()


def test_the_table_warns_and_keeps_the_notice() -> None:
    f, x, y, *_ = trained()
    with pytest.warns(UserWarning, match="labels one lower"):
        bounds.table(f, x, (y + 1) % 10, names=["occam"])
