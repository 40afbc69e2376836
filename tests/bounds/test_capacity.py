"""Capacities: a bound's complexity without grids, unions and cuts, and that asking for one changes no bound."""

import math
from functools import cache

import networks
import numpy as np
import pytest
from networks import network

from sparsebounds import bounds
from sparsebounds.bounds.unrounded import unrounded

M, DELTA = 200, 1e-3
WITH_GAMMA = ["peeling", "galanti", "galanti_best", "neyshabur_frobenius", "neyshabur_l1", "golowich", "golowich_sharp",
              "golowich_l1", "path_norm_layered", "path_norm", "gonon", "bartlett", "bartlett_dudley", "graf_norms",
              "graf_params", "graf_dudley", "ledent", "long_sedghi", "pac_bayes", "galanti_published",
              "neyshabur_two_layer"]  # fmt: skip
INPUTS = {"input_bound": 100.0}


@cache
def measured(name: str):
    net = network(name)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(M, *net.x.shape[1:])).astype(np.float32)
    y = rng.integers(0, networks.CLASSES, M)
    return bounds.read_graph(net.f, x[:2]), bounds.Sample.measure(net.f, x, y)


def options(name: str) -> dict[str, float]:
    return INPUTS if name in ("pac_bayes", "long_sedghi") else {}


@pytest.mark.parametrize("network_name", ["native", "native_biased", "residual_post_activation"])
@pytest.mark.parametrize("name", [name for name in WITH_GAMMA if name != "neyshabur_two_layer"])
def test_never_above_the_rounded_complexity_and_not_far_below(name, network_name):
    """The bound rounds every number up: its complexity before the cut is above the capacity, by the grids' ratios."""
    graph, sample = measured(network_name)
    found = bounds.BOUNDS[name](graph, sample, delta=DELTA, gamma=0.5, **options(name))
    capacity = bounds.BOUNDS[name].capacity(graph, sample, delta=DELTA, gamma=0.5, **options(name))
    if not found.covered:
        assert math.isnan(capacity)
        return
    rounded = found.terms.get("complexity uncapped", found.complexity)
    assert 0 < capacity <= rounded * (1 + 1e-9)
    assert capacity > rounded / 20  # up to a dozen numbers on grids of 1.1 to e


@pytest.mark.parametrize("name", ["golowich", "path_norm", "neyshabur_frobenius", "galanti", "gonon"])
def test_proportional_to_one_over_gamma(name):
    """Linear complexities are norms over γ: on a grid they are not, without one they are."""
    graph, sample = measured("native")
    one, two = (bounds.BOUNDS[name].capacity(graph, sample, delta=DELTA, gamma=g) for g in (1.0, 0.37))
    assert two * 0.37 == pytest.approx(one, rel=1e-9)


def test_one_grid_apart():
    w = np.diag([3.0, 5.0]).astype(np.float32)
    x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
    graph, sample = bounds.read_graph(lambda x: x @ w, x[:2]), bounds.Sample.measure(lambda x: x @ w, x, y)
    found = bounds.neyshabur_frobenius(graph, sample, delta=DELTA)
    grid = found.terms["c_j"] / found.terms["c = scale/gamma"]
    assert grid > 1
    expected = found.terms["complexity uncapped"] / grid
    assert bounds.neyshabur_frobenius.capacity(graph, sample, delta=DELTA) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", ["occam", "parameter_count"])
def test_descriptions_have_nats_per_sample(name):
    graph, sample = measured("native")
    bits = bounds.BOUNDS[name](graph, sample, delta=DELTA).terms["bits"]
    assert bounds.BOUNDS[name].capacity(graph, sample, delta=DELTA) == pytest.approx(bits * math.log(2) / M)


@pytest.mark.parametrize("network_name", ["native", "native_biased", "residual_post_activation"])
def test_asking_first_changes_no_bound(network_name):
    """What is kept with a graph must not be what was computed without rounding."""
    net = network(network_name)
    graph, sample = measured(network_name)
    fresh = bounds.read_graph(net.f, net.x[:2])
    for name, bound in bounds.BOUNDS.items():
        gamma = {"gamma": 0.5} if name in WITH_GAMMA else {}
        try:
            bound.capacity(fresh, sample, delta=DELTA, **gamma, **options(name))
        except ValueError:
            continue
        assert not unrounded()
        after, before = (bound(g, sample, delta=DELTA, **gamma, **options(name)) for g in (fresh, graph))
        assert after.value == before.value or not before.covered, name
        assert after.guarantee == before.guarantee and dict(after.terms).keys() == dict(before.terms).keys()


def test_the_best_margin_is_refused():
    graph, sample = measured("native")
    with pytest.raises(ValueError, match="a capacity is taken at one margin"):
        bounds.galanti.capacity(graph, sample, delta=DELTA, gamma="best")


# ---- in a table --------------------------------------------------------------------------------


def rows_at(gamma):
    net = network("native")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(M, *net.x.shape[1:])).astype(np.float32)
    return bounds.table(net.f, x, rng.integers(0, networks.CLASSES, M), gamma=gamma).set_index("bound")


def test_a_table_treats_all_rows_alike():
    sample = measured("native")[1]
    rows = rows_at("percentile:10")
    tenth = abs(np.sort(sample.margins)[M // 10 - 1])
    with_margin = rows.loc[[name for name in WITH_GAMMA if rows.value.notna()[name]]]
    assert len(with_margin) > 12 and (with_margin.gamma == tenth).all()
    assert (with_margin.capacity > 0).all()
    assert rows.capacity[rows.value.isna()].isna().all()


def test_a_margin_that_the_sample_chose_leaves_no_statement_about_a_fixed_one():
    at = {gamma: rows_at(gamma) for gamma in ("percentile:10", 0.5, "best")}
    assert [at[gamma].guarantee["gonon"] for gamma in at] == ["published", "expectation", "expectation"]
    assert "a percentile of the sample's" in at["percentile:10"].note["gonon"]
    assert at["percentile:10"].guarantee["galanti"] == "certificate"  # any margin is paid for
    assert math.isnan(at["best"].value["gonon"]) and "fixed in advance" in at["best"].note["gonon"]
    assert (at[0.5].gamma[WITH_GAMMA] == 0.5).all()


@pytest.mark.parametrize("gamma", ["worst", "percentile:0", "percentile:x", -1.0, "percentile:100", None])
def test_a_margin_that_is_none(gamma):
    if gamma is None:
        with pytest.raises(ValueError, match="gamma was given twice"):
            bounds.table(lambda x: x, np.eye(2), [0, 1], gamma=1.0, options={"gamma": 1.0})
        return
    with pytest.raises(ValueError, match="gamma="):
        rows_at(gamma)
