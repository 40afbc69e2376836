"""How much more often one network errs than another on the same samples: a betting e-value, one root.

X_i = 1 where the first alone is wrong, −1 where the second alone is, else 0; D their mean. For D fixed and
0 ≤ λ ≤ 1/(1 − D), Π_i (1 + λ(D − X_i)) is not negative and has expectation 1; so has a mean over several λ.
"""

from __future__ import annotations

import math

from scipy.optimize import brentq

from sparsebounds.bounds.confidence.binomial import EPS

STAKES = (1.0, 0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.09)
"""λ, each cut at 1/(1 − D)."""


def log_betting(plus: int, minus: int, m: int, d: float) -> float:
    """log (1/8) Σ_j (1 + λ_j(D−1))^plus (1 + λ_j(D+1))^minus (1 + λ_j D)^rest, λ_j cut at 1/(1−D).

    Args:
        plus, minus: how many X_i are 1 and −1.
        m: samples.
        d: D, −1 < D ≤ 1.

    Returns:
        Increasing in D; −∞ where every product vanishes.

    Example:
        >>> by_hand = math.log(sum((1 - s) ** 3 * (1 + s) ** 5 for s in STAKES) / 8)
        >>> math.isclose(log_betting(3, 5, 10, 0.0), by_hand)
        True
    """
    logs = []
    for stake in STAKES:
        cut = stake if stake * (1.0 - d) <= 1.0 else 1.0 / (1.0 - d)
        worse, better = _times(plus, 1.0 + cut * (d - 1.0)), _times(minus, 1.0 + cut * (d + 1.0))
        logs.append(worse + better + _times(m - plus - minus, 1.0 + cut * d))
    largest = max(logs)
    if largest == -math.inf:
        return largest
    return largest + math.log(math.fsum(math.exp(one - largest) for one in logs) / len(STAKES))


def excess_upper(plus: int, minus: int, m: int, nats: float) -> float:
    """The largest D with log e(D) ≤ nats: how much larger the first error can be than the second.

    Args:
        plus: samples where the first network alone is wrong.
        minus: where the second alone is.
        m: samples.
        nats: log r + log(1/δ) + prices, r the density of the draw of the first network.

    Returns:
        D in (−1, 1], never below the exact root.

    Raises:
        ValueError: counts that are negative or exceed m.

    Example:
        >>> 0.0 < excess_upper(10, 10, 1000, 7.0) < 0.03
        True
    """
    if min(plus, minus) < 0 or plus + minus > m or m < 1:
        raise ValueError(f"{plus} and {minus} of {m} samples; needed counts that are disjoint")
    limit = nats + 64 * EPS * (1.0 + abs(nats) + m)
    if log_betting(plus, minus, m, 1.0) <= limit:
        return 1.0
    least = -1.0 + 1e-12
    if log_betting(plus, minus, m, least) > limit:
        return least
    root = float(brentq(lambda d: max(log_betting(plus, minus, m, d), -1e300) - limit, least, 1.0, xtol=1e-15))
    step = EPS
    while root < 1.0 and log_betting(plus, minus, m, root) <= limit:
        root, step = root + step, 2 * step
    return min(root, 1.0)


def _times(count: int, factor: float) -> float:
    """count · log(factor), 0 · log 0 = 0."""
    if count == 0:
        return 0.0
    return count * math.log(factor) if factor > 0.0 else -math.inf
