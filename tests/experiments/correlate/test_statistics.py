"""Every statistic on six networks, worked by hand: depth 1, 2 × width a, b, c, one gap each."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparsebounds.experiments.correlate.draws import drawn
from sparsebounds.experiments.correlate.granulated import needed, psi, psi_less, taus
from sparsebounds.experiments.correlate.information import conditions, information
from sparsebounds.experiments.correlate.pairs import Pairs, pairs_of, signs
from sparsebounds.experiments.correlate.rank import partial, tau
from sparsebounds.experiments.correlate.sign_error import sign_error, weights

LEVELS = pd.DataFrame({"depth": [1, 1, 1, 2, 2, 2], "width": [4, 8, 16, 4, 8, 16]})
FACTORS = ["depth", "width"]
GAP = np.array([0.10, 0.20, 0.30, 0.15, 0.25, 0.35])
MEASURE = np.array([1.0, 2.0, 3.0, 6.0, 5.0, 4.0])
"""Orders width rightly at depth 1, wrongly at depth 2, and depth rightly at every width."""
NAN = float("nan")


@pytest.fixture
def pairs() -> Pairs:
    return pairs_of(LEVELS, FACTORS)


def test_pairs_of_six(pairs: Pairs) -> None:
    """Depth: one pair at each of three widths. Width: three pairs at each of two depths."""
    assert pairs.factor.tolist() == [0, 0, 0, 1, 1]
    assert list(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == [
        (0, 3), (1, 4), (2, 5), (0, 1), (0, 2), (1, 2), (3, 4), (3, 5), (4, 5),
    ]  # fmt: skip
    assert pairs.environments == ("width = 4", "width = 8", "width = 16", "depth = 1", "depth = 2")
    assert pairs.changes == ("depth 1 → 2", "width 4 → 8", "width 4 → 16", "width 8 → 16")


def test_tau_of_six() -> None:
    """In the order of the gaps the measure reads 1 6 2 5 3 4: of 15 pairs 6 are out of order, τ = (9 − 6)/15."""
    value, low, high = tau(MEASURE, GAP, drawn(pairs_of(LEVELS, FACTORS), 6).networks)
    assert value == pytest.approx(3 / 15)
    assert -1 <= low <= value <= high <= 1


def test_a_difference_of_psi(pairs: Pairs) -> None:
    """The gap itself has Ψ = 1, the measure ½: they agree wherever depth moves, and at depth 1."""
    draws = drawn(pairs, 6)
    value, low, high = psi_less(GAP, MEASURE, GAP, pairs, draws)
    assert (value, low, high) == (0.5, 0.0, 1.0)
    assert psi_less(GAP, GAP, GAP, pairs, draws) == (0.0, 0.0, 0.0)
    assert math.isnan(needed((0.0, 0.0, 0.0), 6)) and needed((value, low, high), 6) == 6


def test_tau_with_ties_is_that_of_scipy() -> None:
    values, target = np.array([1.0, 1.0, 2.0, 3.0, np.inf, 3.0]), np.array([0.1, 0.2, 0.2, 0.3, 0.5, NAN])
    value, low, high = tau(values, target, np.ones((3, 6)))
    assert value == stats.kendalltau(values[:5], target[:5]).statistic
    assert (low, high) == pytest.approx((value, value))  # nothing was drawn: the weighted form is the same number


def test_psi_of_six(pairs: Pairs) -> None:
    """Depth: τ = 1 in all three environments. Width: 1 and −1, mean 0. Ψ = (1 + 0)/2."""
    draws = drawn(pairs, 6)
    assert taus(MEASURE, GAP, pairs).tolist() == [1, 1, 1, 1, -1]
    (value, low, high), each = psi(MEASURE, GAP, pairs, draws)
    assert each == {"depth": 1.0, "width": 0.0}
    assert (value, low, high) == (0.5, 0.0, 1.0)  # of width both drawn alike: (1 ± 1)/2


def test_psi_counts_a_measure_that_stands_as_nothing(pairs: Pairs) -> None:
    draws = drawn(pairs, 6)
    (value, _, _), each = psi(np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]), GAP, pairs, draws)
    assert each == {"depth": 0.0, "width": 1.0} and value == 0.5
    (value, _, _), each = psi(MEASURE, np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3]), pairs, draws)
    assert math.isnan(each["depth"]) and value == each["width"] == 0.0


def test_taus_are_those_of_scipy() -> None:
    levels = pd.DataFrame({"a": [0] * 6 + [1] * 6, "b": [0, 1, 2, 3, 4, 5] * 2})
    random = np.random.default_rng(0)
    values, target = random.integers(0, 4, 12).astype(float), random.normal(size=12)
    pairs = pairs_of(levels, ["a", "b"])
    found = taus(values, target, pairs)[pairs.factor == 1]
    wanted = [stats.kendalltau(values[part], target[part]).statistic for part in (slice(0, 6), slice(6, 12))]
    np.testing.assert_allclose(found, wanted)


def test_information_of_six() -> None:
    """Without a condition: of 30 ordered pairs 18 agree in sign, 12 do not.

    I = 2 · (9/30) log(4 · 9/30) + 2 · (6/30) log(4 · 6/30) = 0.020136, H = log 2; given depth, among pairs inside
    depth 1 the sign of the gap is known from the measure, inside depth 2 too, and between the depths: 9 pairs of
    networks, of which (0 3) (0 4) (0 5) (1 4) (1 5) (2 5) rise in the gap and (1 3) (2 3) (2 4) fall, while the
    measure always rises: it says nothing once the order of the two is given, and of the two orders both occur
    in environments of their own. I/H = 12 log 2/(12 log 2 + 18 h(1/3)). Given width: (4, 4) pairs: all agree, in
    both orders; the same for (8, 8) and (16, 16): 6 log 2. Between two widths, 4 pairs of networks in each order:
    the gap's sign is that of the width, H = 0.
    """
    given = conditions(LEVELS, FACTORS)
    (value, low, high), condition = information(MEASURE, GAP, given)
    nothing = (0.6 * math.log(1.2) + 0.4 * math.log(0.8)) / math.log(2)
    third = math.log(3) - 2 / 3 * math.log(2)
    depth = 12 * math.log(2) / (12 * math.log(2) + 18 * third)
    assert (given.names, condition) == (((), ("depth",), ("width",), ("depth", "width")), "nothing")
    assert value == pytest.approx(nothing)
    assert low <= value and high <= value  # other sets may be drawn below, never above what is always there
    assert information(GAP, GAP, given)[0][0] == pytest.approx(1)
    only_depth = type(given)(given.names[1:2], given.groups[1:2], given.draws[1:2])
    assert information(MEASURE, GAP, only_depth)[0][0] == pytest.approx(depth)


def test_sign_error_of_six(pairs: Pairs) -> None:
    """Test errors without noise: all pairs weigh 1. Depth 0, 0, 0; width 0 at depth 1 and 1 at depth 2."""
    draws, sure = drawn(pairs, 6), weights(GAP, np.zeros(6), pairs)
    found = sign_error(MEASURE, GAP, sure, pairs, draws)
    assert sure.tolist() == [1.0] * 9
    assert found.mean[0] == pytest.approx(1 / 5)
    assert (found.worst, found.high[0], found.environment) == (1.0, 1.0, "width moves; depth = 2")
    assert found.change == ("width 4 → 8", 0.5)
    assert (found.pairs, found.environments) == (9, 5)


def test_sign_error_weighs_pairs_by_what_noise_leaves(pairs: Pairs) -> None:
    """Standard errors 0.05/√2: Δg = 0.05 is one standard error, weight 2Φ(1) − 1 = 0.6827; 0.1 two: 0.9545; 0.2: 1."""
    sure = weights(GAP, np.full(6, 0.05 / math.sqrt(2)), pairs)
    np.testing.assert_allclose(sure[[0, 3, 4]], [0.6827, 0.9545, 0.9999], atol=1e-4)
    flat = np.array([1.0, 2.0, 2.0, 1.0, 2.0, 2.0])  # a tie in the measure is half an error
    found = sign_error(flat, GAP, sure, pairs, drawn(pairs, 6))
    width = 0.5 * 0.9545 / (0.9545 + 0.9999 + 0.9545)
    assert found.mean[0] == pytest.approx((3 * 0.5 + 2 * width) / 5, abs=1e-4)
    noisy = sign_error(MEASURE, GAP, weights(GAP, np.full(6, 10.0), pairs), pairs, drawn(pairs, 6))
    assert (noisy.pairs, noisy.environments) == (0, 0) and math.isnan(noisy.worst)


def test_partial_of_six() -> None:
    """The ranks of the gap, 1 3 5 2 4 6, are a sum of what depth and width give: nothing is left to correlate with."""
    networks = np.ones((2, 6))
    assert math.isnan(partial(MEASURE, GAP, LEVELS, networks)[0])
    moved = GAP + np.array([0.2, 0.0, 0.0, 0.0, 0.0, 0.0])
    values = np.array([5.0, 2.0, 3.0, 1.0, 2.5, 4.0])
    beside = np.column_stack([np.ones(6), stats.rankdata(LEVELS["depth"]), stats.rankdata(LEVELS["width"])])
    left = [
        ranks - beside @ np.linalg.solve(beside.T @ beside, beside.T @ ranks)
        for ranks in (stats.rankdata(values), stats.rankdata(moved))
    ]
    assert partial(values, moved, LEVELS, networks)[0] == pytest.approx(stats.pearsonr(*left).statistic)


def test_nan_is_left_out_and_infinities_rank() -> None:
    assert signs(np.array([1.0, np.inf, NAN]), np.array([np.inf, np.inf, 1.0])).tolist()[:2] == [1.0, 0.0]
    holes = np.where(np.arange(6) == 3, NAN, MEASURE)
    pairs = pairs_of(LEVELS, FACTORS)
    found = sign_error(holes, GAP, weights(GAP, np.zeros(6), pairs), pairs, drawn(pairs, 6))
    assert (found.pairs, found.environments) == (6, 4)  # (0 3), (3 4) and (3 5) are gone


def test_the_seed_is_no_hyperparameter_to_rank_along() -> None:
    """Two seeds of two depths: no pair differs in the seed alone, and depths are compared across seeds."""
    levels = pd.DataFrame({"depth": [1, 1, 2, 2], "seed": [0, 1, 0, 1]})
    pairs = pairs_of(levels, ["depth"])
    assert (len(pairs.first), len(pairs.factor), pairs.environments) == (4, 1, ("",))


def test_environments_are_drawn_and_not_networks() -> None:
    pairs = pairs_of(LEVELS, FACTORS)
    draws = drawn(pairs, 6)
    depth, width = draws.environments[:, :3].sum(axis=1), draws.environments[:, 3:].sum(axis=1)
    assert set(depth) == {3.0} and set(width) == {2.0}
    for row in draws.networks:  # along depth a width comes whole, along width a depth does
        assert (row[:3] == row[3:]).all() or (len(set(row[:3])) == 1 and len(set(row[3:])) == 1)
    assert len({tuple(row) for row in draws.networks}) > 3
