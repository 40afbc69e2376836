"""What k errors of one drawn network say of its error: e-values on the count, inverted.

The network v is drawn from a posterior that saw the sample, r is its density with respect to a prior that did not. An
e-value e(v, S) ≥ 0 has expectation at most 1 for every fixed v; with probability 1 − δ, e(v, S) < r/δ. All functions
here take nats = log r + log(1/δ) + prices. Proofs: docs/theory.md, "Distance from a reference".
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln, xlogy

from sparsebounds.bounds.confidence.binomial import EPS, binomial_upper, kl_upper

SLACK = 1e-9
"""Nats that every budget is wider than it says: what sums of logarithms may lose."""


def log_g(m: int) -> Float64[np.ndarray, " m+1"]:
    """log g(k) = log C(m,k) (k/m)^k (1−k/m)^(m−k), k = 0..m: the probability that Bin(m, k/m) is k.

    Example:
        >>> np.exp(log_g(2)).round(12).tolist()
        [1.0, 0.5, 1.0]
    """
    if m < 1:
        raise ValueError(f"m={m} samples; needed at least one")
    k = np.arange(m + 1, dtype=np.float64)
    choose = gammaln(m + 1.0) - gammaln(k + 1.0) - gammaln(m - k + 1.0)
    return np.asarray(np.minimum(choose + xlogy(k, k / m) + xlogy(m - k, (m - k) / m), 0.0))


@lru_cache(maxsize=4)
def _log_sums(m: int) -> np.ndarray:
    """log Σ_{j ≤ k} g(j) for every k, raised by what rounding may have taken."""
    sums = np.cumsum(np.exp(log_g(m)))
    return np.asarray(np.log(sums) + 64 * EPS * (float(gammaln(m + 2)) + 1))


def log_xi(m: int) -> float:
    """log ξ(m), ξ = Σ_k g(k): never below, and at most log(2 + √(πm/2)) above m = 1.

    Example:
        >>> round(math.exp(log_xi(2)), 9)
        2.5
    """
    return float(_log_sums(m)[-1])


def maurer_upper(k: int, m: int, nats: float) -> float:
    """The largest p with m kl(k/m‖p) ≤ nats + log ξ(m): Maurer's two-sided e-value, for comparison.

    Args:
        k: errors, 0..m.
        m: samples.
        nats: log r + log(1/δ) + prices; a negative right side counts as 0.

    Returns:
        Never below the exact one.

    Example:
        >>> round(maurer_upper(0, 100, math.log(20)), 6)
        0.054241

    Source: Maurer, A note on the PAC-Bayesian theorem, 2004; ξ summed.
    """
    return kl_upper(k / m, max(nats + log_xi(m), 0.0) / m)


def one_sided_upper(k: int, m: int, nats: float) -> float:
    """The largest p with p ≤ k/m or m kl(k/m‖p) ≤ nats + log Z(p), Z(p) = Σ_{j ≤ mp} g(j).

    p_0 = 1, p_{i+1} = kl⁻¹(k/m, (nats + log Z(p_i))/m): Z grows with p, so that every p_i is a bound and the next is
    not larger. ⌊m p⌋ is taken of p rounded up.

    Args:
        k: errors, 0..m.
        m: samples.
        nats: log r + log(1/δ) + prices; a negative right side counts as 0.

    Returns:
        Never below the exact one; at most `maurer_upper`.

    Example:
        >>> one_sided_upper(390, 30000, 20.0) < maurer_upper(390, 30000, 20.0)
        True
    """
    sums, p = _log_sums(m), 1.0
    while True:
        below = min(math.floor(m * p * (1 + 4 * EPS)), m)
        found = min(kl_upper(k / m, max(nats + float(sums[below]), 0.0) / m), p)
        if min(math.floor(m * found * (1 + 4 * EPS)), m) == below:
            return found
        p = found


def budget_upper(k: int, m: int, nats: float, log_delta: float, budgets: tuple[float, ...]) -> tuple[float, float]:
    """The exact binomial limit at the least of several budgets, written down in advance, that pays for the draw.

    max { p : P(Bin(m,p) ≤ k) ≥ q_j }, log q_j = log δ − log #budgets − R_j, for the least R_j ≥ log r + prices.

    Args:
        k: errors, 0..m.
        m: samples.
        nats: log r + prices, without log(1/δ).
        log_delta: log δ.
        budgets: R_1 < R_2 < …, not negative, fixed without the sample.

    Returns:
        The limit, never below the exact one, and the budget; (1, ∞) beyond the last.

    Example:
        >>> value, budget = budget_upper(5, 100, 0.0, math.log(0.05), (0.0,))
        >>> round(value, 6), budget
        (0.102253, 0.0)
    """
    enough = [budget for budget in budgets if nats <= budget + SLACK]
    if not enough:
        return 1.0, math.inf
    log_q = log_delta - math.log(len(budgets)) - enough[0] - SLACK
    return max(binomial_upper(k, m, log_q), k / m), enough[0]


def calibrated_upper(k: int, m: int, nats: float) -> float:
    """No budgets at all: the exact binomial limit at q with f(q) = e^nats, f(u) = 2/(u log²(1/u)) on u ≤ e^-2.

    U = P(Bin(m, L) ≤ k) is no less than uniform and ∫ f = 1, so that f(U) is an e-value. With ℓ = log(1/q) the
    equation is ℓ + log 2 − 2 log ℓ = nats; its larger root.

    Args:
        k: errors, 0..m.
        m: samples.
        nats: log r + log(1/δ) + prices.

    Returns:
        Never below the exact one.

    Example:
        >>> calibrated_upper(390, 30000, 8.0) < one_sided_upper(390, 30000, 8.0)
        True
    """
    least = 2.0 - math.log(2.0)  # log f(e^-2), where f jumps to 0
    length = 2.0
    if nats > least:
        length = max(nats, 3.0)
        for _ in range(200):  # ℓ ↦ nats − log 2 + 2 log ℓ contracts above 2, from either side
            length = nats - math.log(2.0) + 2.0 * math.log(length)
        length = max(length, 2.0)
    return max(binomial_upper(k, m, -(length + SLACK)), k / m)
