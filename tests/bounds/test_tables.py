"""The table: its columns, its arithmetic, and rows that fail without taking the others along."""

import math

import networks
import numpy as np
import pandas as pd
import pytest
from networks import images, network

from sparsebounds import bounds
from sparsebounds.bounds.tables import COLUMNS, table

BOUND_COLUMNS = ["value", "complexity", "margin_error", "confidence", "gamma", "guarantee", "source", "note"]


@pytest.fixture(scope="module")
def data():
    x, y = images(60, seed=2), np.random.default_rng(2).integers(0, 4, 60)
    return x[:40], y[:40], x[40:], y[40:]


@pytest.fixture(scope="module")
def net():
    return network("native").f


def test_columns_and_rows(net, data):
    frame = table(net, *data, delta=0.01)
    assert isinstance(frame, pd.DataFrame)
    assert tuple(frame.columns) == COLUMNS and set(BOUND_COLUMNS) < set(COLUMNS)
    assert list(frame["bound"]) == list(bounds.BOUNDS)
    assert (frame["seconds"] >= 0).all()


def test_rows_are_the_bounds_themselves(net, data):
    x, y = data[:2]
    frame = table(net, *data, delta=0.01, names=["galanti_published", "galanti"], nodes="scalar", mask_fixed=True)
    graph, sample = bounds.read_graph(net, x[:2], nodes="scalar"), bounds.Sample.measure(net, x, y)
    expected = [
        bounds.galanti_published(graph, sample, delta=0.01),
        bounds.galanti(graph, sample, delta=0.01, mask_fixed=True),
    ]
    assert list(frame["bound"]) == ["galanti_published", "galanti"]
    for row, bound in zip(frame.to_dict("records"), expected, strict=True):
        assert [row[c] for c in BOUND_COLUMNS] == [getattr(bound, c) for c in BOUND_COLUMNS]


def test_errors_gap_and_ratio(net, data):
    x, y, x_test, y_test = data
    frame = table(net, *data, delta=0.01, batch_size=7)
    wrong = np.asarray(net(x_test)).argmax(1) != y_test
    train = np.mean(np.asarray(net(x)).argmax(1) != y)
    assert frame["test_error"].tolist() == [wrong.mean()] * len(frame)
    assert frame["train_error"].tolist() == [train] * len(frame)
    assert frame["gap"].tolist() == [wrong.mean() - train] * len(frame)
    assert frame["test_error_se"][0] == pytest.approx(wrong.std() / math.sqrt(len(y_test)))
    covered = frame["value"].notna()
    assert covered.any()
    np.testing.assert_allclose(frame["ratio"][covered], frame["value"][covered] / wrong.mean())


def test_a_test_error_of_zero_has_no_ratio(net, data):
    x, y, x_test, _ = data
    frame = table(net, x, y, x_test, np.asarray(net(x_test)).argmax(1), delta=0.01, names=["galanti"])
    assert frame["test_error"][0] == 0 and math.isnan(frame["ratio"][0])


def test_without_a_test_sample_its_columns_are_empty(net, data):
    frame = table(net, *data[:2], names=["galanti"])
    assert frame[["test_error", "test_error_se", "gap", "ratio"]].isna().all().all()
    assert frame["value"].notna().all()


def test_delta_and_preprocessing_reach_the_bounds(net, data):
    low, high = (table(net, *data[:2], delta=d, names=["galanti"])["confidence"][0] for d in (0.5, 1e-6))
    assert low < high
    frame = table(net, *data[:2], names=["galanti"], preprocessing="sample")
    assert frame["guarantee"][0] == "published" and "statistics" in frame["note"][0]


def test_a_bound_that_does_not_cover_the_network_is_a_row(data):
    frame = table(network("max_pooled").f, *data, names=["neyshabur_two_layer", "galanti_published"])
    assert frame["value"].isna().all() and frame["note"].str.contains("max pooling").all()
    assert frame["test_error"].notna().all()


def test_a_bound_that_raises_does_not_take_the_others_along(net, data, monkeypatch):
    @bounds.declare(summary="picky", guarantee="certificate", assumes=(), source="nobody")
    def picky(graph, sample, *, delta):
        raise ValueError("needs more samples than this")

    monkeypatch.setitem(bounds.BOUNDS, "picky", picky)
    frame = table(net, *data, names=["picky", "galanti"])
    assert math.isnan(frame["value"][0]) and frame["note"][0] == "needs more samples than this"
    assert frame["guarantee"][0] == "certificate" and frame["source"][0] == "nobody"
    assert frame["value"][1] > 0


def test_only_what_a_bound_takes_is_passed(net, data, monkeypatch):
    seen = {}

    @bounds.declare(summary="narrow", guarantee="certificate", assumes=(), source="nobody")
    def narrow(graph, sample, *, delta):
        seen["narrow"] = delta
        return bounds.galanti(graph, sample, delta=delta)

    @bounds.declare(summary="wide", guarantee="certificate", assumes=(), source="nobody")
    def wide(graph, sample, *, delta, **options):
        seen["wide"] = options
        return bounds.galanti(graph, sample, delta=delta)

    monkeypatch.setitem(bounds.BOUNDS, "narrow", narrow)
    monkeypatch.setitem(bounds.BOUNDS, "wide", wide)
    table(net, *data[:2], delta=0.25, names=["narrow", "wide"], mask_fixed=True)
    assert seen["narrow"] == 0.25
    assert seen["wide"]["mask_fixed"] is True and seen["wide"]["reference"] is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["galanti", "golowhich"]}, "unknown bound 'golowhich'; the known ones are .*galanti"),
        ({"names": "galanti"}, r"names=\['galanti'\]"),
        ({"delta": 0.0}, "delta"),
        ({"delta": 1.0}, "delta"),
        ({"delta": float("nan")}, "delta"),
        ({"nodes": "channel"}, "nodes"),
        ({"preprocessing": "paper"}, "preprocessing"),
    ],
)
def test_bad_arguments(net, data, options, message):
    with pytest.raises(ValueError, match=message):
        table(net, *data, **options)


def test_bad_data(net, data):
    x, y, x_test, y_test = data
    with pytest.raises(ValueError, match="go together"):
        table(net, x, y, x_test)
    with pytest.raises(ValueError, match="test sample has 20 inputs and 19 labels"):
        table(net, x, y, x_test, y_test[1:])
    with pytest.raises(ValueError, match="of the test sample is outside"):
        table(net, x, y, x_test, y_test + 1)
    with pytest.raises(ValueError, match="name two classes; the network returns 4 scores"):
        table(net, x, 2 * (y % 2) - 1)


def test_a_refused_network_does_not_cost_a_pass(data, monkeypatch):
    def never(*args, **kwargs):
        raise AssertionError("the sample was measured")

    monkeypatch.setattr(bounds.Sample, "measure", never)
    with pytest.raises(bounds.ReadError, match="mixes the inputs of a batch"):
        table(lambda x: (x - x.mean(axis=0)).reshape(len(x), -1)[:, :4], *data)
    two = lambda x: (x.reshape(len(x), -1)[:, :4], x)  # noqa: E731
    with pytest.raises(bounds.ReadError, match="returns 2 arrays; needed one array of scores"):
        table(two, *data, names=["galanti"])


def test_the_same_tensors_give_the_same_table(net, data):
    first, second = (table(net, *data, delta=0.01).drop(columns="seconds") for _ in range(2))
    pd.testing.assert_frame_equal(first, second)


def test_options_reach_the_bounds_that_take_them(data):
    net = networks.network("native").f
    without = table(net, *data, delta=0.01, names=["long_sedghi", "galanti"]).set_index("bound")
    given = table(net, *data, delta=0.01, names=["long_sedghi", "galanti"], options={"pixel_range": (-9.0, 9.0)})
    given = given.set_index("bound")
    assert math.isnan(without["value"]["long_sedghi"]) and given["value"]["long_sedghi"] > 0
    assert without["value"]["galanti"] == given["value"]["galanti"]
    assert "pixel_range=(low, high)" in without["note"]["long_sedghi"]
    by_name = table(net, *data, delta=0.01, names=["long_sedghi"], pixel_range=(-9.0, 9.0))
    assert by_name["value"][0] == given["value"]["long_sedghi"]
    with pytest.raises(ValueError, match="pixel_range was given twice"):
        table(net, *data, pixel_range=(-9.0, 9.0), options={"pixel_range": (-9.0, 9.0)})
    with pytest.raises(ValueError, match=r"no bound takes the option 'pixel_rnge'.*pixel_range"):
        table(net, *data, delta=0.01, names=["galanti"], options={"pixel_rnge": (0.0, 1.0)})


def test_every_row_has_its_own_delta_or_a_share_of_it(net, data):
    """Two certificates and one that is none: the certificates hold at δ/2, the other row is as before."""
    names = ["galanti", "occam", "galanti_published"]
    alone = table(net, *data, delta=0.01, names=names).set_index("bound")
    half = table(net, *data, delta=0.005, names=names).set_index("bound")
    together = table(net, *data, delta=0.01, names=names, simultaneous=True).set_index("bound")
    assert together.value[:2].tolist() == half.value[:2].tolist() != alone.value[:2].tolist()
    assert together.value.galanti_published == alone.value.galanti_published != half.value.galanti_published
    one = table(net, *data, delta=0.01, names=names[1:], simultaneous=True).set_index("bound")
    assert one.value.occam == alone.value.occam
    none = table(net, *data, delta=0.01, names=names[2:], simultaneous=True)
    assert none.value.tolist() == [alone.value.galanti_published]
