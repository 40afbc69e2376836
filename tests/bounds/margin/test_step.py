"""The margin engine: both schemes of payment by hand, the grid point above every scale, curves, the one ending."""

import math
import types

import numpy as np
import pytest

from sparsebounds import bounds
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.payment import Payment, alternative
from sparsebounds.bounds.margin.step import MarginStep, smallest
from sparsebounds.bounds.sample.repetitions import NO_COPIES

M = 1000


def sample(margin=1.0, m=M):
    """m equal margins."""
    ramps = lambda gammas: np.clip(1 - margin / gammas, 0, 1)  # noqa: E731
    return types.SimpleNamespace(m=m, ramp=lambda gamma: float(ramps(np.array([gamma]))[0]), ramps=ramps)


def weight(j):
    """Of grid point j."""
    return 1 / (2 * (abs(j) + 1) * (abs(j) + 2))


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("payment", [Payment(0.01, 2.0), Payment.of_theorem_3(0.01, 2.0)])
def test_a_fixed_gamma_by_hand(payment, one_sided):
    """scale 3, γ = 2: c = 1.5 → 1.1⁵ = 1.61051; ramp 1/2."""
    step = smallest([ClassSize(math.log(3), 20.0, {"a": 1.0, "b": 0.5}, one_sided)], sample(), payment)
    assert step.margin_error == 0.5 and step.terms["grid index j"] == 5
    assert step.complexity == pytest.approx(payment.factor / M * 1.1**5 * 20, rel=2e-6)
    nats = math.log((2 if one_sided else 1) / 0.01) - math.log(weight(5)) + 1.5
    assert step.confidence == pytest.approx((1 if one_sided else 2) * math.sqrt(nats / (2 * M)), rel=1e-12)
    assert step.value == step.margin_error + step.complexity + step.confidence


def test_the_weights_of_both_schemes_sum_to_at_most_one():
    grid = sum(weight(j) for j in range(-10000, 10001))
    assert grid < 0.75 and grid + weight(0) <= 1  # 0 is a grid point of its own …
    forms = [alternative(math.log(n)) for n in (2, 2)]  # … or two forms share the last quarter
    assert grid * (1 + sum(math.exp(-sum(form.values())) for form in forms)) <= 1


@pytest.mark.parametrize("payment", [Payment(0.01, "best"), Payment.of_theorem_3(0.01, "best")])
@pytest.mark.parametrize("log_scale", [-2000.0, -800.0, -300.0, -1.0, 0.0, 5.0, 300.0, 800.0, 2000.0])
def test_the_grid_point_is_never_below_the_scale(payment, log_scale):
    """However large or small γ would have to be: c = scale/γ ≤ c_j, or the class would not hold the network."""
    step = smallest([ClassSize(log_scale, 20.0)], sample(), payment)
    log_c = log_scale - math.log(step.gamma)
    assert log_c <= step.terms["grid index j"] * math.log(1.1) + 1e-6
    assert step.value > 0 and not math.isnan(step.value)


@pytest.mark.parametrize("payment", [Payment(0.01, "best"), Payment.of_theorem_3(0.01, "best")])
def test_the_best_gamma_is_the_best_of_those_given_by_hand(payment):
    size, data = ClassSize(math.log(3), 20.0), sample(5.0)
    best = smallest([size], data, payment)
    for gamma in (best.gamma, *np.geomspace(0.01, 100, 41)):
        one = Payment(0.01, gamma, payment.factor, alternatives=payment.alternatives)
        assert smallest([size], data, one).value >= best.value * (1 - 1e-12)


def test_a_constant_margin():
    """Theorem 3 has a grid point 0 of weight ¼; where that quarter serves alternatives, a small grid point does."""
    constant = ClassSize(-math.inf, 20.0)
    own = smallest([constant], sample(), Payment.of_theorem_3(0.01, "best"))
    assert own.complexity == 0.0 and own.terms["grid index j"] is None
    assert own.confidence == pytest.approx(2 * math.sqrt(math.log(4 / 0.01) / (2 * M)))
    shared = smallest([constant], sample(), Payment(0.01, "best"))
    j = shared.terms["grid index j"]
    assert 0 < shared.complexity < 1e-6 and j < -100
    assert shared.confidence == pytest.approx(2 * math.sqrt(math.log(1 / (0.01 * weight(j))) / (2 * M)))


def test_a_curve_stands_in_the_bound_as_it_is():
    curve = lambda c: 0.1 * math.sqrt(c)  # noqa: E731
    step = smallest([ClassSize(0.0, 0.0, curve=curve)], sample(), Payment(0.01, 1.0, factor=2.0))
    assert step.complexity == pytest.approx(0.1, rel=1e-6)
    best = smallest([ClassSize(0.0, 0.0, curve=curve)], sample(), Payment(0.01, "best", factor=2.0))
    assert best.value <= step.value


def test_the_cheaper_of_two_classes():
    small, large = ClassSize(0.0, 5.0, {"dear": 0.1}, terms={"which": 1}), ClassSize(0.0, 50.0, terms={"which": 2})
    assert smallest([large, small], sample(), Payment(0.01, 1.0)).terms["which"] == 1


@pytest.mark.parametrize("size", [ClassSize(math.inf, 1.0), ClassSize(math.nan, 1.0), ClassSize(0.0, math.nan)])
def test_what_float64_cannot_hold_is_refused(size):
    with pytest.raises(ValueError, match="overflow float64"):
        smallest([size], sample(), Payment(0.01, 1.0))


@pytest.mark.parametrize(
    ("guarantee", "preprocessing", "said"),
    [
        ("certificate", "fixed", "certificate"),
        ("certificate", "sample", "published"),
        ("certificate", "scaled", "published"),
        ("expectation", "sample", "published"),
        ("published", "sample", "published"),
        ("shape", "sample", "shape"),
    ],
)
def test_a_row_claims_what_its_preprocessing_allows(guarantee, preprocessing, said):
    @bounds.declare(summary="", guarantee=guarantee, assumes=(), source="a paper")
    def theorem(graph, sample, *, delta):
        raise AssertionError

    step = MarginStep(0.1, 0.2, 0.3, 1.0, 0.01, {"last": 1})
    sample = types.SimpleNamespace(preprocessing=preprocessing, copies=NO_COPIES, unchecked="")
    row = bound_from_step(step, theorem, sample, terms={"first": 0}, note="n")
    assert row.guarantee == said and row.source == "a paper" and list(row.terms) == ["first", "last"]
    assert (
        row.value == step.value and row.note.endswith("n") and ("certificate" in row.note) == (preprocessing != "fixed")
    )
