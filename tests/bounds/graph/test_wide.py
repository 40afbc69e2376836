"""Wide dense layers and long tables of windows are taken piece by piece: the numbers are those of the whole."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from standard_networks import small

from sparsebounds import bounds
from sparsebounds.bounds.bound import Bound
from sparsebounds.bounds.graph import blocks, elements, taps
from sparsebounds.bounds.graph.elements import ABSENT, names_twice
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot, dot
from sparsebounds.bounds.moments import forward_pass
from sparsebounds.bounds.registry import evaluated
from sparsebounds.bounds.theorems.description import grid_code
from sparsebounds.bounds.theorems.passes.nodes_logs import FLOOR, relative

RNG = np.random.default_rng(5)


@pytest.fixture
def piecewise(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Every dense layer counts as wide, and few numbers are held at a time."""

    def switch() -> None:
        monkeypatch.setattr(dot, "WIDE", 0)
        monkeypatch.setattr(dot, "BLOCK", 8)
        for module in (elements, taps, blocks, forward_pass, grid_code):
            monkeypatch.setattr(module, "CHUNK", 64)

    return switch


@pytest.mark.parametrize("order", [None, RNG.permutation(5)])
@pytest.mark.parametrize("table", [np.asarray, np.abs, np.square])
def test_one_dense_layer(order: np.ndarray | None, table: Callable, piecewise: Callable[[], None]) -> None:
    reads = np.array([[[3, 1, ABSENT, 0, 6, 2, 5]]])
    term, values = Dot(Taps.spelled(reads), RNG.normal(size=(1, 7, 5)), order), np.append(RNG.random(7), 0.0)
    ordinary, total = term.apply(values, table), term.sum_of_entries(table)
    piecewise()
    np.testing.assert_allclose(term.apply(values, table), ordinary, rtol=1e-12)
    assert term.sum_of_entries(table) == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(np.sort(ordinary), np.sort(values[reads[0, 0]] @ table(term.weight[0])), rtol=1e-12)


def rows_of(name: str) -> dict[str, Bound]:
    network, x = small(name)
    graph, sample = bounds.read_graph(network, x[:1]), bounds.Sample.measure(network, x, np.arange(len(x)))
    given = {"delta": 1e-3, "pixel_range": (-1.0, 1.0)}
    return {row: evaluated(bound, graph, sample, given) for row, bound in bounds.BOUNDS.items()}


@pytest.mark.parametrize("name", ["vgg16", "vit_s16"])
def test_every_row_of_the_table(name: str, piecewise: Callable[[], None]) -> None:
    ordinary = rows_of(name)
    piecewise()
    found = rows_of(name)
    assert sum(row.covered for row in found.values()) >= 9
    for row, one in ordinary.items():
        assert found[row].value == pytest.approx(one.value, rel=1e-9, nan_ok=True), row
        assert found[row].complexity == pytest.approx(one.complexity, rel=1e-9, nan_ok=True), row


def test_a_grid_of_many_levels_is_counted_in_pieces(piecewise: Callable[[], None]) -> None:
    slots = (RNG.integers(-1, 2, size=(40, 10)) * 0.5).astype(np.float32)
    ordinary = grid_code.quantised_part("layer", slots)
    piecewise()
    assert grid_code.quantised_part("layer", slots) == ordinary and ordinary.form == "grid of 2 bits"


@pytest.mark.parametrize("order", ["ascending", "any"])
def test_rows_that_name_an_element_twice(order: str) -> None:
    found = set()
    for _ in range(200):
        rows = np.stack([RNG.choice(np.arange(-1, 9), 4, replace=bool(RNG.integers(2))) for _ in range(3)])
        rows = np.sort(rows, axis=1) if order == "ascending" else rows
        known = any(np.bincount(row[row >= 0], minlength=1).max() > 1 for row in rows)
        assert names_twice(rows) == known
        found.add(known)
    assert found == {True, False}


def test_no_weight_is_lost_beside_a_large_one() -> None:
    values = np.array([1e-310, -1e-200, 0.0, -0.0, 1e300])
    assert relative(values, 1e300).tolist() == [FLOOR, FLOOR, 0.0, 0.0, 1.0]
