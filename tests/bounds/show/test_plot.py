"""Pictures: what is drawn are the numbers, on the axes that were given, and no name of a user becomes a formula."""

import math
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from shown import found, measured, trained

from sparsebounds import bounds
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.show.layers import energy_maps, shrinking_gains
from sparsebounds.bounds.show.pictures import COLOURS

BROKEN = r"$\frac$ \alpha"


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def bars(axes) -> dict[str, tuple[float, float]]:
    """Name → the two ends of its bar."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    ends = [tuple(one.get_x() + np.array([0.0, one.get_width()])) for one in axes.patches[: len(names)]]
    return dict(zip(names, ends, strict=True))


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_margins_and_ramp() -> None:
    _, sample, test, _ = measured()
    axes = bounds.plot.margins_and_ramp(sample, 0.5)
    right = axes.figure.axes[1]
    line = right.lines[0]
    at = np.array([-1e-6, 0.0, 0.1, 0.25, 0.49, 0.5])
    assert np.interp(at, *line.get_data()) == pytest.approx(np.clip(1 - at / 0.5, 0, 1), abs=1e-4)
    heights = np.array([bar.get_height() for bar in axes.patches])
    assert heights.sum() == pytest.approx(1.0)
    at_zero = sum(bar.get_height() for bar in axes.patches if bar.get_x() + bar.get_width() <= 0)
    inside = sum(bar.get_height() for bar in axes.patches if bar.get_x() <= 0)
    assert at_zero <= sample.train_error <= inside
    other = bounds.plot.margins_and_ramp(test, 0.5)
    assert other.figure is not axes.figure
    # a ramp that ends beyond every margin is cut off at the last, and is not bent towards 0 there
    beyond = float(sample.margins.max()) * 10
    line = bounds.plot.margins_and_ramp(sample, beyond).figure.axes[1].lines[0]
    assert line.get_ydata()[-1] == pytest.approx(1 - line.get_xdata()[-1] / beyond)
    for gamma in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="a margin above 0 is needed"):
            bounds.plot.margins_and_ramp(sample, gamma)


def test_side_by_side() -> None:
    f, x, y, *_ = trained()
    table = bounds.table(f, x, y, names=["galanti", "held_out", "golowich", "occam", "galanti_published"])
    axes = bounds.plot.side_by_side(table)
    covered = table[table["value"].notna()].sort_values("value").set_index("bound")
    drawn = bars(axes)
    assert list(drawn) == covered.index.tolist() and axes.get_xscale() == "log" and axes.yaxis_inverted()
    for bar, (name, (start, end)) in zip(axes.patches, drawn.items(), strict=False):
        assert (start, end) == pytest.approx((1.0, covered["value"][name]))
        assert to_hex(bar.get_facecolor()) == COLOURS[covered["verdict"][name]]
    assert all(float(text) >= value for text, value in zip(labels(axes), covered["value"], strict=True))
    assert "1 more without a number" in axes.get_xlabel()
    low, high = axes.get_xlim()
    assert low < min(1.0, covered["value"].min()) and high > covered["value"].max()
    legend = axes.get_legend()
    texts = legend.get_texts()
    keys = {
        text.get_text(): to_hex(key.get_facecolor()) for text, key in zip(texts, legend.legend_handles, strict=True)
    }
    assert keys == {word: COLOURS[word] for word in covered["verdict"]}
    with pytest.raises(ValueError, match="lost what stands behind it"):
        bounds.plot.side_by_side(table.copy())


def test_side_by_side_of_what_no_logarithm_shows() -> None:
    rows = {name: Bound(value, 0, 0, 0, 1.0, 0.1, "certificate") for name, value in (("z", 0.0), ("i", math.inf))}
    assert bars(bounds.plot.side_by_side(rows)) == {}
    assert "2 more" in bounds.plot.side_by_side(rows).get_xlabel()


@pytest.mark.parametrize("name", ["galanti", "bartlett", "occam", "held_out"])
def test_factors(name: str) -> None:
    bound = found(name, 1.0 if name in ("galanti", "bartlett") else None)
    axes = bounds.plot.factors(bound)
    drawn = bars(axes)
    assert list(drawn)[-4:] == ["margin error", "complexity", "confidence", "value"]
    numbers = {one: value for one, value in bound.terms.items() if isinstance(value, float) and 0 < value < math.inf}
    assert numbers and all(drawn[one] == pytest.approx((1.0, value)) for one, value in numbers.items())
    flat = [one for one, value in bound.terms.items() if isinstance(value, int | float) and not isinstance(value, bool)]
    assert [one for one in drawn if one in flat] == flat, "in the order of the computation"
    assert drawn["value"][1] == pytest.approx(bound.value) and bound.verdict in axes.get_xlabel()


def test_factors_of_several_numbers_and_of_none() -> None:
    terms = {"norms": {"a": 2.0, "b": np.array([3.0, 0.0])}, "form": "tree", "shared": True, "w": -1}
    bound = Bound(0.5, 0.5, 0.0, 0.0, 1.0, 0.1, "certificate", terms)
    drawn = bars(bounds.plot.factors(bound))
    assert list(drawn)[:4] == ["norms, a", "norms, b, 1", "norms, b, 2", "w"]
    assert drawn["norms, b, 1"] == (1.0, 3.0) and drawn["norms, b, 2"] == drawn["w"] == (1.0, 1.0)
    with pytest.raises(ValueError, match="no factors: not covered: it is a sine"):
        bounds.plot.factors(replace(bound, value=math.nan, note="not covered: it is a sine"))


def test_energies() -> None:
    graph, *_ = measured()
    x = np.asarray(trained()[1][:20])
    drawn = bounds.plot.energies(graph, x)
    assert [axes.get_title() for axes in drawn] == [layer.name for layer in graph.layers]
    for axes, heat in zip(drawn, energy_maps(graph, x), strict=True):
        assert np.array_equal(axes.images[0].get_array(), heat.values) and axes.images[0].get_clim()[0] == 0
    with pytest.raises(ValueError, match="came 1 axes for 3 layers"):
        bounds.plot.energies(graph, x, axes=[drawn[0]])


def test_gains() -> None:
    graph, sample, *_ = measured()
    axes = bounds.plot.gains(graph, sample, density=0.3)
    exact = shrinking_gains(graph, sample, 0.3)
    drawn = bars(axes)
    assert list(drawn) == list(exact) and axes.yaxis_inverted()
    assert [end for _, end in drawn.values()] == pytest.approx([100 * gain for gain in exact.values()])
    squares = bounds.read_graph(lambda x: (x @ np.eye(64, 10, dtype=np.float32)) ** 2, np.ones((2, 64), np.float32))
    with pytest.raises(ValueError, match="which does not cover this network"):
        bounds.plot.gains(squares, sample)


def test_axes_in_axes_out() -> None:
    graph, sample, *_ = measured()
    bound = found("galanti", 1.0)
    figure, grid = plt.subplots(3, 3)
    one = bounds.plot.margins_and_ramp(sample, 1.0, axes=grid[0, 0])
    two = bounds.plot.side_by_side({"galanti": bound}, axes=grid[0, 1])
    three = bounds.plot.factors(bound, axes=grid[0, 2])
    four = bounds.plot.gains(graph, sample, axes=grid[1, 0])
    five = bounds.plot.energies(graph, np.asarray(trained()[1][:5]), axes=grid[2])
    assert [one, two, three, four, *five] == [grid[0, 0], grid[0, 1], grid[0, 2], grid[1, 0], *grid[2]]
    assert plt.get_fignums() == [figure.number]


def test_names_of_a_user_start_no_formula() -> None:
    graph, sample, *_ = measured()
    named = replace(graph, layers=(*graph.layers[:1], replace(graph.layers[1], name=BROKEN), *graph.layers[2:]))
    bound = Bound(0.5, 0.5, 0.0, 0.0, 1.0, 0.1, "certificate", {BROKEN: 2.0})
    for axes in (
        bounds.plot.side_by_side({BROKEN: bound}),
        bounds.plot.factors(bound),
        bounds.plot.gains(named, sample),
        bounds.plot.energies(named, np.asarray(trained()[1][:5]))[0],
    ):
        axes.figure.canvas.draw()
    with pytest.raises(ValueError):
        axes.set_title(BROKEN)
        axes.figure.canvas.draw()


def test_the_extra_is_named_where_axes_are_needed(monkeypatch) -> None:
    graph, sample, *_ = measured()
    axes = plt.figure().subplots()
    with (
        monkeypatch.context() as without,
        pytest.raises(ModuleNotFoundError, match=r"sparsebounds\[report\]"),
    ):
        without.setitem(sys.modules, "matplotlib", None)
        bounds.plot.margins_and_ramp(sample, 1.0)
    with monkeypatch.context() as without:  # given axes are enough: nothing of ours imports matplotlib
        without.setitem(sys.modules, "matplotlib.pyplot", None)
        assert bounds.plot.gains(graph, sample, axes=axes) is axes
    assert bounds.plot.margins_and_ramp(sample, 1.0, axes=axes) is axes


def test_a_frame_that_is_no_table_of_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bounds\.table"):
        bounds.plot.side_by_side(pd.DataFrame({"bound": ["occam"], "value": [0.5]}))
    with pytest.raises(ValueError, match="came a list; needed a table"):
        bounds.plot.side_by_side([found("galanti", 1.0)])
