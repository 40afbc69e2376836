"""The two forms on counts: literal formulas, prices where they belong, the worst posterior of all by enumeration."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import beta, multinomial

from sparsebounds import bounds
from sparsebounds.bounds.certificates.distance.forms import BUDGETS, Counts, check_budgets, direct, excess
from sparsebounds.bounds.certificates.distance.prices import prices
from sparsebounds.bounds.confidence.betting import excess_upper
from sparsebounds.bounds.confidence.one_draw import budget_upper, calibrated_upper, one_sided_upper

DELTA = 0.05
LOG_DELTA = math.log(DELTA)
FREE = prices(None, (), 1)
COUNTS = Counts(m=3000, errors=60, reference=58, worse=12, better=10)


def test_excess_by_hand():
    """Clopper–Pearson at 0.8 δ, the betting root at log(1/(0.2 δ)) + R."""
    found = excess(COUNTS, 20.0, LOG_DELTA, FREE)
    reference = beta.isf(0.8 * DELTA, 59, 2942)
    more = excess_upper(12, 10, 3000, 20.0 + math.log(1 / (0.2 * DELTA)))
    assert found.value == pytest.approx(reference + more, rel=1e-9)
    assert found.value == pytest.approx(0.02 + found.complexity + found.confidence, rel=1e-12)


def test_samples_that_the_reference_never_saw_count_for_it():
    counts = Counts(3000, 60, 58, 12, 10, (21, 1000))
    found = excess(counts, 20.0, LOG_DELTA, FREE)
    reference = beta.isf(0.8 * DELTA, 80, 4000 - 79)
    assert found.terms["bound on the reference"] == pytest.approx(reference, rel=1e-9)
    assert found.value == pytest.approx(0.02 + found.complexity + found.confidence, rel=1e-12)


def test_shares_of_budgets_and_words():
    """Budgets together and every word have 1/3 of δ each; the least of the three holds."""
    found = direct(COUNTS, 3.0, LOG_DELTA, FREE, (1.0, 4.0, "kl", "tail"))
    nats = 3.0 + math.log(3 / DELTA)
    expected = {
        "budgets": budget_upper(60, 3000, 3.0, math.log(DELTA / 3), (1.0, 4.0))[0],
        "one-sided kl": one_sided_upper(60, 3000, nats),
        "binomial tail without budgets": calibrated_upper(60, 3000, nats),
    }
    assert {name: found.terms[f"value by {name}"] for name in expected} == expected
    assert found.value == min(expected.values())
    alone = direct(COUNTS, 3.0, LOG_DELTA, FREE, ("kl",))
    assert alone.value == one_sided_upper(60, 3000, 3.0 + math.log(1 / DELTA))


def test_one_declared_budget_costs_no_list():
    """The half-space's way: log # = 0, no shortfall."""
    one, listed = direct(COUNTS, 10.0, LOG_DELTA, FREE, (10.0,)), direct(COUNTS, 10.0, LOG_DELTA, FREE, BUDGETS)
    assert (
        one.value == pytest.approx(beta.isf(DELTA * math.exp(-10.0), 61, 2940), rel=1e-6) and one.value < listed.value
    )


def test_what_each_price_divides():
    """A split or a reference divides both shares of δ, scales and draws only that of the drawn network (E4)."""
    base = excess(COUNTS, 5.0, LOG_DELTA, FREE).terms
    split = excess(COUNTS, 5.0, LOG_DELTA, prices({"split": 4}, (), 1)).terms
    scales = excess(COUNTS, 5.0, LOG_DELTA, prices({"factor": 4}, ("factor",), 1)).terms
    draws = excess(COUNTS, 5.0, LOG_DELTA, prices(None, (), 4)).terms
    on_reference, on_excess = "bound on the reference", "bound on the excess"
    assert split[on_reference] == pytest.approx(beta.isf(0.2 * DELTA, 59, 2942), rel=1e-9)
    assert scales[on_reference] == draws[on_reference] == base[on_reference]
    assert split[on_excess] == scales[on_excess] == draws[on_excess] > base[on_excess]
    paid = direct(COUNTS, 5.0, LOG_DELTA, prices({"split": 4}, (), 3), ("kl",)).value
    assert paid == one_sided_upper(60, 3000, 5.0 + math.log(12) + math.log(1 / DELTA))


def test_a_configuration_is_paid_field_by_field():
    space = bounds.ConfigurationSpace("s", 1, (
        bounds.Field("split", bounds.Listed((0, 1))), bounds.Field("factor", bounds.Listed(tuple(range(16)))),
    ))  # fmt: skip
    paid = prices(space.configuration({"split": 1, "factor": 3}), ("factor",), 1)
    assert paid.draw == pytest.approx(math.log(32)) and paid.reference == pytest.approx(math.log(2))
    assert paid.terms["configuration space"] == "s"


@pytest.mark.parametrize(
    ("budgets", "says"),
    [((), "at least one"), ((2.0, 1.0), "increasing"), ((1.0, 1.0), "increasing"), ((-1.0, 2.0), "negative"),
     ((1.0, math.inf), "increasing numbers"), ((1.0, math.nan), "increasing"), ((1.0, "hl"), "knows 'kl', 'tail'"),
     (("kl", "kl"), "once")],
)  # fmt: skip
def test_budgets_that_are_refused(budgets, says):
    with pytest.raises(ValueError, match=says):
        check_budgets(budgets)


@pytest.mark.parametrize(
    ("choices", "scales_only", "draws", "says"),
    [({"split": 0}, (), 1, "'split'"), ({"split": True}, (), 1, "'split'"), ({"split": 1.5}, (), 1, "whole number"),
     (None, (), 0, "draws=0"), (None, (), 1.5, "draws=1.5"), ({"split": 2}, ("factor",), 1, "none of the choices")],
)  # fmt: skip
def test_prices_that_are_refused(choices, scales_only, draws, says):
    with pytest.raises(ValueError, match=says):
        prices(choices, scales_only, draws)


# ---- the worst posterior of all --------------------------------------------------------------------


def outcomes(m):
    """Both wrong, the drawn alone, the reference alone, neither."""
    return [t for t in itertools.product(range(m + 1), repeat=4) if sum(t) == m]


def worst(form, p):
    """(1/δ) Σ P(outcome) sup{r: the value is below L}; 1 where the value is below it whatever r is."""
    m, total, error = 5, 0.0, p[0] + p[1]
    for both, worse, better, none in outcomes(m):
        counts = Counts(m, both + worse, both + better, worse, better)
        mass = float(multinomial.pmf([both, worse, better, none], m, p))
        low, high = -10.0, 14.0
        if mass == 0.0 or form(counts, low) >= error:
            continue
        for _ in range(18):
            middle = (low + high) / 2
            low, high = (middle, high) if form(counts, middle) < error else (low, middle)
        total += mass * min(math.exp(low), math.inf)
    return total / DELTA


def both(counts, ratio):
    half = LOG_DELTA - math.log(2)
    return min(direct(counts, ratio, half, FREE, (0.0, 2.0, "kl")).value, excess(counts, ratio, half, FREE).value)


FORMS = {
    "direct": lambda counts, ratio: direct(counts, ratio, LOG_DELTA, FREE, (0.0, 2.0, 5.0, "kl", "tail")).value,
    "excess": lambda counts, ratio: excess(counts, ratio, LOG_DELTA, FREE).value,
    "both": both,
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("p", [(0.1, 0.3, 0.1, 0.5), (0.3, 0.2, 0.3, 0.2), (0.02, 0.4, 0.0, 0.58)])
def test_no_posterior_whatever_fails_more_often(name, p):
    """Four categories at once, every posterior, m = 5: failures/δ at most 1."""
    assert 0.0 < worst(FORMS[name], p) <= 1 + 1e-6


def test_an_excess_form_without_the_reference_s_bound_is_refuted():
    def empirical(counts, ratio):
        more = excess_upper(counts.worse, counts.better, counts.m, ratio + math.log(1 / DELTA))
        return counts.reference / counts.m + more

    assert worst(empirical, (0.5, 0.1, 0.1, 0.3)) > 1


def test_copies_count_against_both():
    wrong, base = np.array([0, 1, 0, 1], bool), np.array([0, 0, 1, 1], bool)
    assert Counts.of(wrong, base, np.zeros(4, bool)) == Counts(4, 2, 2, 1, 1)
    assert Counts.of(wrong, base, np.array([1, 0, 1, 0], bool)) == Counts(4, 4, 3, 3, 0)
