"""The audit: it finds what is exactly known, no bound breaks, broken twins and the printed form do."""

import ast
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from seen_by import HALF_BITS, HALF_COMPLEXITY, NO_UNION, SEEN_BY, without_a_test

from sparsebounds import bounds
from sparsebounds.bounds.audit import Row
from sparsebounds.bounds.audit.overall import closest
from sparsebounds.bounds.audit.run import audit_statement, confirmed
from sparsebounds.bounds.audit.search.architectures import convolutional, dense, unshared
from sparsebounds.bounds.audit.search.ascent import all_signs, half_signs, search, some_signs
from sparsebounds.bounds.audit.search.families import EACH_ROW, EACH_ROW_L1, FROBENIUS, ROWS, ROWS_L1, scores
from sparsebounds.bounds.audit.search.inputs import inputs, sign_patterns
from sparsebounds.bounds.audit.theorems import simulate
from sparsebounds.bounds.audit.theorems.losses import LOSSES, audit_losses, loss_cases
from sparsebounds.bounds.audit.theorems.programs import audit_programs
from sparsebounds.bounds.audit.theorems.statement import HALF
from sparsebounds.bounds.audit.theorems.statements import STATEMENTS
from sparsebounds.bounds.bound import Bound, declare
from sparsebounds.bounds.theorems.chains import sparse, sparse_forms
from sparsebounds.bounds.theorems.rademacher import neyshabur

ROOT = Path(__file__).resolve().parents[3]
CERTIFICATES = {name for name, f in bounds.BOUNDS.items() if f.declaration.guarantee == "certificate"}
CODES = simulate.CODES
# The cases of the quick search that come closest, those that refute the printed form, and one of every architecture.
KEPT = {
    "linear, one-hot, C=1",
    "linear, one-hot, C=2",
    "linear, constant, C=100",
    "linear, all sign patterns",
    "two layers, one-hot",
    "convolution with padding, constant",
    "one channel on 400 pixels",
    "convolution, constant, C=100",
    "unshared nodes with biases, constant",
    "one unit, one-hot, C=100",
    "one unit, one-hot",
    "one unit of ELU, all sign patterns",
    "skip, biases, max pool, all sign patterns",
    "64 maps on 64 one-hot inputs",
    "sigmoid, inputs of size 0.01",
}


def audited(statement):
    few = tuple(
        case
        for case in statement.cases("quick")
        if case.name in KEPT and (statement.norm in ("frobenius", "nodes") or "convolution" not in case.name)
    )
    assert few
    return audit_statement(replace(statement, cases=lambda preset: few))


@pytest.fixture(scope="module")
def found():
    """Bound and statement → rows."""
    return {(s.bound, s.what): audited(s) for s in STATEMENTS}


# ---- is it a bound? ------------------------------------------------------------------------------


def test_no_bound_is_violated_and_the_printed_form_is(found):
    for found_rows in found.values():
        for row in found_rows:
            assert row.refuted or not row.violated, row
            assert row.ratio < 1 + 1e-9 or row.refuted
    broken = {
        row.case for row in found["galanti_published", "as printed: ‖W_L‖_F, no last predecessors"] if row.violated
    }
    assert {"one channel on 400 pixels", "convolution, constant, C=100", "linear, constant, C=100"} <= broken
    twin = found["galanti", "a twin without √C: ‖W_L‖_F for Σ_r ‖w_r‖"]
    assert {"convolution, constant, C=100", "linear, constant, C=100"} <= {row.case for row in twin if row.violated}


def test_the_search_is_sharp(found):
    """What was found before; ratios of 1 are attained, and no smaller number could be a bound."""
    sharpest = {
        "neyshabur_frobenius": 1.0,
        "golowich_sharp": 1.0,
        "galanti": 0.66,
        "neyshabur_l1": 0.849,
        "path_norm_layered": 0.849,
        "path_norm": 0.79,
        "golowich_l1": 0.52,
        "golowich": 0.459,
        "neyshabur_two_layer": 0.33,
        "gonon": 0.8,
    }
    for name, least in sharpest.items():
        assert max(row.ratio for (bound, _), rows in found.items() if bound == name for row in rows) > least - 1e-9


@pytest.mark.parametrize(
    ("bound", "twin"),
    [
        ("galanti", "without √|pred| of the last layer"),
        ("galanti", "without 1 + √(2 logs)"),
        ("galanti", HALF),
        ("neyshabur_frobenius", "without √C"),
        ("neyshabur_frobenius", HALF),
        ("neyshabur_l1", HALF),
        ("neyshabur_two_layer", "without √C"),
        ("golowich", "without C"),
        ("golowich_sharp", "without log C"),
        ("golowich_l1", "without C"),
        ("path_norm_layered", HALF),
        ("path_norm_layered", "without √(2 logs)"),
        ("path_norm", HALF),
        ("gonon", HALF),
        ("neyshabur_frobenius", "a max pool without its K"),
        ("neyshabur_l1", "a max pool without its K"),
        ("golowich_l1", "a max pool without its K"),
        ("path_norm_layered", "a max pool without its K"),
        ("neyshabur_l1", "without σ(0)"),
        ("golowich_l1", "without σ(0)"),
    ],
)
def test_a_broken_twin_is_caught(found, bound, twin):
    assert any(twin in c.caught for (name, _), rows in found.items() if name == bound for c in closest(rows))


def test_twins_that_the_audit_does_not_see_have_a_test_that_does(found):
    """Of statements and losses here; the others where they are audited."""
    assert not without_a_test(row for rows in found.values() for row in rows)
    assert {(loss.bound, HALF) for loss in LOSSES} <= set(SEEN_BY)


@pytest.mark.parametrize("test", sorted(set(SEEN_BY.values())))
def test_a_test_that_sees_a_twin_exists(test):
    file, name = test.split("::")
    written = ast.parse((ROOT / file).read_text(encoding="utf-8")).body
    assert name in {node.name for node in written if isinstance(node, ast.FunctionDef)}


def test_no_test_is_named_for_a_twin_that_is_none():
    twins = {(s.bound, twin.name) for s in STATEMENTS for twin in s.twins} | {(loss.bound, HALF) for loss in LOSSES}
    twins |= {(bound, name) for bound in CERTIFICATES - CODES for name in (HALF_COMPLEXITY, NO_UNION)}
    twins |= {(bound, HALF_BITS) for bound in CODES} | {("peeling", name) for name in ("s → 1", "B dropped")}
    assert set(SEEN_BY) <= twins


def test_every_bound_is_audited():
    """By a search over its class or a code; held_out exactly. A certificate is simulated besides."""
    searched = {s.bound for s in STATEMENTS} | {s.bound for s in LOSSES} | set(CODES)
    assert CERTIFICATES - searched <= {"held_out", "long_sedghi", "pac_bayes"}, "simulation alone is for these"


def test_every_certificate_has_broken_twins():
    """Of their whole rows, but for the one that covers no linear network, which has twins of its statement."""
    simulated = {bound for bound, twin in SEEN_BY if twin == HALF_COMPLEXITY}
    assert CERTIFICATES == simulated | CODES | {"neyshabur_two_layer", "held_out"}
    assert any(s.twins for s in STATEMENTS if s.bound == "neyshabur_two_layer")


# Bounds that have no statement about scores; `sparsebounds audit` searches the losses of others too.
ONLY_LOSSES = [loss for loss in LOSSES if loss.norm not in ("frobenius", "l1 path")]


@pytest.mark.parametrize("loss", ONLY_LOSSES, ids=lambda loss: loss.bound)
def test_ramp_losses_stay_below_the_row(loss):
    few = [case for case in loss_cases("quick") if "two layers" not in case.name or loss.norm != "difference"]
    rows = audit_losses(loss, bounds.BOUNDS[loss.bound], cases=few)
    assert rows and all(not row.violated for row in rows)
    assert max(row.ratio for row in rows) > 0.005


# ---- whole certificates --------------------------------------------------------------------------


@pytest.mark.parametrize("name", bounds.BOUNDS)
def test_networks_that_know_the_sample_by_heart(name, monkeypatch):
    """Coin labels: the true error is exactly 1/2. Ten samples of 40."""
    monkeypatch.setitem(simulate.PROPORTIONS, "quick", ((1, 40), (40, 40)))
    monkeypatch.setitem(simulate.DRAWS, "quick", 10)
    row_of = bounds.BOUNDS[name]
    if row_of.declaration.guarantee == "certificate":
        rows = simulate.audit_certificate(name, row_of)
        assert not any(row.violated for row in rows)
        assert rows or name in ("held_out", "neyshabur_two_layer")
        assert not without_a_test(rows)
        for row in rows if name not in CODES else ():
            factors = dict(row.broken)
            assert 1 < factors["half the complexity"] <= 2
            assert name == "pac_bayes" or factors["without the union"] > 1


def test_a_code_pays_for_what_it_can_learn():
    for name, least in (("occam", 0.4), ("occam_quantised", 0.1), ("parameter_count", 0.005)):
        rows = simulate.audit_code(name, bounds.BOUNDS[name])
        assert least < max(row.ratio for row in rows) <= 1
        (found,) = closest(rows)
        assert NO_UNION in found.caught and not without_a_test(rows)


@pytest.mark.parametrize(("name", "least"), [("occam", 0.3), ("parameter_count", 0.03)])
def test_a_program_pays_for_what_stands_in_its_arrays_and_in_its_text(name, least):
    rows = audit_programs(name, bounds.BOUNDS[name])
    assert not any(row.violated for row in rows) and max(row.ratio for row in rows) > least
    (found,) = closest(rows)
    assert set(found.caught) == {"arrays for free", "text for free"}


def test_held_out_fails_as_often_as_it_may():
    rows = [row for row in bounds.audit.audit("held_out") if row.statement == "failure probability / δ"]
    assert len(rows) == 3 and all(0.999 < row.ratio <= 1 + 1e-9 for row in rows)
    assert set(closest(rows)[0].caught) == {"one error fewer", "δ doubled"}


# ---- the search itself ---------------------------------------------------------------------------


def test_equal_inputs_have_a_known_supremum():
    """f(x) = ±1 at most: E|Σ ξ_i| = m C(m−1, ⌊(m−1)/2⌋) / 2^(m−1) = 1.875 for m = 5."""
    found = search(scores(dense((3, 2)), "frobenius", FROBENIUS), np.tile(np.eye(1, 3), (5, 1)), all_signs(5))
    assert found.moment()[0] == pytest.approx(1.875, rel=1e-3) and found.moment()[0] <= 1.875 + 1e-12
    assert found.moment(2.0)[0] == pytest.approx(math.sqrt(5), rel=1e-3)


def test_one_relu_on_two_orthogonal_inputs():
    """sup_u |ξ_1 (u_1)_+ + ξ_2 (u_2)_+| over ‖u‖ = 1 is √2 for equal signs and 1 for others."""
    found = search(scores(dense((2, 1)), "frobenius", FROBENIUS), np.eye(2), all_signs(2))
    np.testing.assert_allclose(found.values, [math.sqrt(2), 1, 1, math.sqrt(2)], rtol=1e-4)


def test_signs():
    assert len(all_signs(3, 2)) == 64 == 2 * len(half_signs(3, 2))
    np.testing.assert_array_equal(np.sort(half_signs(3), axis=0), np.sort(-all_signs(3)[4:], axis=0))
    assert some_signs(7, 3, 2).shape == (7, 3, 2) and set(np.unique(some_signs(7, 3))) == {-1.0, 1.0}


@pytest.mark.parametrize("ball", [FROBENIUS, ROWS, EACH_ROW, ROWS_L1, EACH_ROW_L1], ids=lambda ball: ball.name)
def test_the_best_last_layer_is_in_its_ball_and_attains_the_supremum(ball):
    v = np.random.default_rng(0).normal(size=(3, 5))
    w = ball.best(v)
    rows, sums = np.linalg.norm(w, axis=1), np.abs(w).sum(axis=1)
    size = {FROBENIUS: np.linalg.norm(w), ROWS: rows.sum(), EACH_ROW: rows.max(), ROWS_L1: sums.sum()}
    assert size.get(ball, sums.max()) == pytest.approx(1.0, rel=1e-12)
    assert float(ball.supremum(v)) == pytest.approx(float((w * v).sum()), rel=1e-5)


@pytest.mark.parametrize(
    "architecture",
    [dense((4, 3, 2)), dense((4, 3), True), convolutional((4, 4, 1), ((2, 2, 1, 2),), True), unshared((4, 3, 2), 2)],
    ids=["dense", "biased", "convolution", "unshared"],
)
def test_norms_of_the_search_are_those_of_the_graph(architecture):
    """Projected by every norm it has; the graph's own numbers, from bounds.norms, are 1."""
    import jax

    rng = np.random.default_rng(0)
    for name in {"frobenius", "nodes", "l1"} & set(architecture.norms):
        with jax.enable_x64(True):
            weights = [np.asarray(w) for w in architecture.norms[name](architecture.draw(rng))]
            width = architecture.read_by_last(weights, np.zeros((1, *architecture.input))).shape[1]
        graph = architecture.graph(weights, np.full((1, width), 1.0))
        top = {"frobenius": math.sqrt(width), "nodes": math.sqrt(width), "l1": width}[name]
        measure = {
            "frobenius": lambda g: neyshabur.frobenius_complexity(g, np.ones(architecture.input), 3).log_scale,
            "l1": lambda g: neyshabur.l1_complexity(g, np.ones(architecture.input), 3).log_scale,
            "nodes": lambda g: sparse_forms.shared(sparse.read_chain(g), np.ones(g.node_counts[0]), 3, True).log_scale,
        }[name]
        assert math.exp(measure(graph)) == pytest.approx(top, rel=1e-9)


def test_a_search_that_is_at_fault_says_so():
    confirmed("case", 1.0, 1.0 + 1e-12, 5)
    with pytest.raises(ArithmeticError, match="attains"):
        confirmed("case", 1.0, 0.99, 5)


def test_inputs():
    assert inputs("identical", 3, (2, 2)).shape == (3, 2, 2) and np.ptp(inputs("identical", 3, (4,)), axis=0).max() == 0
    x = sign_patterns(4)
    assert x.shape == (4, 8) and all(np.abs(s[:, 0] @ x).max() == 4 for s in all_signs(4))


# ---- what a row says -----------------------------------------------------------------------------


def test_a_violation_needs_four_standard_errors():
    row = Row("b", "s", "c", 1.1, 1.0, 0.03, False, (("twin", 2.0),))
    assert not row.violated and row.catches(2.0)
    assert replace(row, error=0.02).violated
    assert replace(row, lower=1 + 1e-12, error=0.0).violated is False
    (found,) = closest([row, replace(row, lower=0.2)])
    assert found.row is row and found.caught == ("twin",) and not found.failed
    (found,) = closest([replace(row, error=0.0), row])
    assert found.failed


def test_a_twin_inside_the_slack_comes_with_the_least_slack_of_the_cases_in_which_it_differs():
    row = Row("b", "s", "c", 0.4, 1.0, 0.0, False, (("twin", 2.0),))
    (found,) = closest([row, replace(row, lower=0.2), replace(row, lower=0.9, broken=(("twin", 1.0),))])
    assert found.caught == () and found.inside == (("twin", pytest.approx(2.5)),)
    (found,) = closest([replace(row, lower=0.0)])
    assert found.inside == (("twin", math.inf),)


def test_a_certificate_that_lies_is_caught():
    @declare(summary="too small", guarantee="certificate", assumes=(), source="nowhere")
    def liar(graph, sample, *, delta):
        return Bound(0.1, 0.0, 0.1, 0.0, 1.0, delta, "certificate", {"nothing": 0})

    rows = bounds.audit.audit("liar", liar)
    assert rows and all(row.violated for row in rows) and closest(rows)[0].failed
