"""Draws whose independent coordinates were chosen with the samples: the prior does not see the turn."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from sparsebounds import bounds

RNG = np.random.default_rng(0)
LEFT, RIGHT = (np.linalg.qr(RNG.normal(size=(n, n)))[0] for n in (3, 2))
MEAN = {"w": RNG.normal(size=(3, 2)), "b": RNG.normal(size=2)}
SPREAD = {"w": np.exp(RNG.normal(size=(3, 2)) - 2), "b": np.array([0.1, 0.3])}
ZERO = {"w": np.zeros((3, 2), np.float32), "b": np.zeros(2, np.float32)}


def test_the_ratio_is_that_of_two_normal_densities_in_the_weights() -> None:
    """log q(w) − log p(w) with q's covariance written out: (U ⊗ V) diag(t²) (U ⊗ V)ᵀ."""
    prior = bounds.Prior(ZERO, 0.7)
    drawn = bounds.draw(prior, MEAN, spread=SPREAD, turns={"w": (LEFT, RIGHT)}, seed=7)
    turn = np.kron(LEFT, RIGHT)  # rows of w follow each other: w = (U ⊗ V) v
    noise = np.random.default_rng(7).standard_normal(8)
    moved = MEAN["w"].ravel() + turn @ (SPREAD["w"].ravel() * noise[:6])
    bias = MEAN["b"] + SPREAD["b"] * noise[6:]
    order = list(prior.leaves)
    if order[0] == "b":  # whichever leaf is drawn first
        moved = MEAN["w"].ravel() + turn @ (SPREAD["w"].ravel() * noise[2:])
        bias = MEAN["b"] + SPREAD["b"] * noise[:2]
    np.testing.assert_allclose(drawn.params["w"].ravel(), moved, rtol=1e-6)
    np.testing.assert_allclose(drawn.params["b"], bias, rtol=1e-6)
    q = multivariate_normal(MEAN["w"].ravel(), turn @ np.diag(SPREAD["w"].ravel() ** 2) @ turn.T)
    q_b = multivariate_normal(MEAN["b"], np.diag(SPREAD["b"] ** 2))
    p, p_b = (multivariate_normal(np.zeros(n), 0.7**2 * np.eye(n)) for n in (6, 2))
    by_hand = q.logpdf(moved) - p.logpdf(moved) + q_b.logpdf(bias) - p_b.logpdf(bias)
    assert drawn.log_ratio == pytest.approx(by_hand, rel=1e-9)


def test_equal_spreads_see_no_turn() -> None:
    prior = bounds.Prior.data_free(ZERO)
    ratios = [
        np.mean([bounds.draw(prior, MEAN, spread=0.3, turns=turns, seed=s).log_ratio for s in range(400)])
        for turns in (None, {"w": (LEFT, RIGHT)})
    ]
    assert ratios[0] == pytest.approx(ratios[1], abs=0.3)


def test_ratios_of_turned_draws_average_to_one() -> None:
    """E_Q p/q = 1, whatever coordinates Q is independent in."""
    prior, mean = bounds.Prior(ZERO, 0.5), {"w": 0.05 * MEAN["w"], "b": 0.05 * MEAN["b"]}
    spread = {"w": 0.5 * np.linspace(0.7, 1.1, 6).reshape(3, 2), "b": 0.5}
    draws = [bounds.draw(prior, mean, spread=spread, turns={"w": (LEFT, RIGHT)}, seed=s) for s in range(3000)]
    assert np.exp([-one.log_ratio for one in draws]).mean() == pytest.approx(1.0, abs=0.05)


def test_a_file_keeps_the_turns(tmp_path) -> None:
    drawn = bounds.draw(bounds.Prior.data_free(ZERO), MEAN, spread=SPREAD, turns={"w": (None, RIGHT)})
    drawn.save(tmp_path / "draw.npz")
    again = bounds.Draw.load(tmp_path / "draw.npz", like=ZERO)
    assert again.fingerprint == drawn.fingerprint and again.turns["w"][0] is None and set(again.turns) == {"w"}
    np.testing.assert_array_equal(again.turns["w"][1], RIGHT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"turns": {"v": (LEFT, None)}}, "names the leaf v, which the reference does not have"),
        ({"turns": {"w": (RIGHT, None)}}, "no orthogonal matrix of 3 rows"),
        ({"turns": {"w": (2 * LEFT, None)}}, "no orthogonal matrix"),
        ({"turns": {"w": (LEFT, None)}, "spread": None}, "turns were given without a spread"),
    ],
)
def test_what_is_no_turn(change, message) -> None:
    given = {"spread": SPREAD, **change}
    with pytest.raises(ValueError, match=message):
        bounds.draw(bounds.Prior(ZERO, 0.5), MEAN, **given)


def test_a_leaf_with_scales_of_its_own_cannot_be_turned() -> None:
    scales = {"w": np.full((3, 2), 0.5), "b": 0.5}
    bounds.draw(bounds.Prior(ZERO, scales), MEAN, spread=SPREAD, turns={"w": (LEFT, RIGHT)})
    scales["w"][0, 0] = 0.6
    with pytest.raises(ValueError, match="the leaf w has scales that differ"):
        bounds.draw(bounds.Prior(ZERO, scales), MEAN, spread=SPREAD, turns={"w": (LEFT, RIGHT)})
