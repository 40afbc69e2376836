"""What k errors among n say about the probability of an error: binomial and kl inversion, in logarithms.

A confidence δ·2^-bits is far below the smallest float64 for any real network, so that every probability is kept as a
logarithm. A root is raised by what rounding can have taken away: what is returned is never below the exact one.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq
from scipy.special import gammaln, rel_entr

EPS = sys.float_info.epsilon
LONG = 10**7
"""With more errors than this the sum of the binomial distribution gives way to the Chernoff bound."""
_LEAST, _MOST = sys.float_info.min, 1.0 - EPS / 2


def log_binomial_cdf(k: int, n: int, e: float) -> float:
    """log P(Bin(n, e) ≤ k) = log Σ_{i≤k} C(n,i) e^i (1−e)^{n−i}, where the probability itself would be 0.

    Args:
        k: at most this many, 0..n.
        n: of so many.
        e: probability of each, 0..1.

    Returns:
        The logarithm, within 64 ε (log n! + |result|) of the exact one; −inf for e = 1 and k < n.

    Raises:
        ValueError: k outside 0..n or e outside 0..1.

    Example:
        >>> round(math.exp(log_binomial_cdf(1, 3, 0.5)), 12)
        0.5
        >>> round(log_binomial_cdf(0, 100000, 0.5))
        -69315
    """
    _check_counts(k, n)
    if not 0.0 <= e <= 1.0:
        raise ValueError(f"e={e}; needed a probability between 0 and 1")
    if k == n or e == 0.0:
        return 0.0
    return -math.inf if e == 1.0 else _log_cdf(k, n)(e)


def binomial_upper(k: int, n: int, log_delta: float) -> float:
    """The largest e with P(Bin(n, e) ≤ k) ≥ δ: with probability 1 − δ, the error is at most this.

    max { e : Σ_{i≤k} C(n,i) e^i (1−e)^{n−i} ≥ δ }, the one-sided Clopper–Pearson limit.

    Args:
        k: errors seen, 0..n.
        n: samples, drawn independently, none of which chose the hypothesis.
        log_delta: log δ, below 0; log δ − bits·log 2 for a hypothesis of `bits` bits.

    Returns:
        Never below the exact limit, above it by about 1e-12 relative and what 1e-13·log n! nats change; 1 for k = n.
        With more than 10^7 errors it is `kl_upper`, which is never below it either.

    Raises:
        ValueError: k outside 0..n, or log δ not below 0.

    Example:
        >>> round(binomial_upper(5, 100, math.log(0.05)), 9)
        0.102253378
        >>> binomial_upper(0, 1000, math.log(0.05) - 1e6 * math.log(2))  # a probability of 10^-301031
        1.0

    Source: Langford, Tutorial on practical prediction theory for classification, JMLR 2005, theorem 3.3.
    """
    _check_counts(k, n)
    if not -math.inf < log_delta < 0.0:
        raise ValueError(f"log_delta={log_delta}; needed the logarithm of a probability above 0 and below 1")
    if k == n:
        return 1.0
    if k > LONG:
        return kl_upper(k / n, -log_delta / n)
    slack = 64 * EPS * (float(gammaln(n + 2)) + abs(log_delta) + 1)
    log_cdf = _log_cdf(k, n)
    return _root_upper(lambda e: log_cdf(e) - (log_delta - slack), _LEAST)


def kl(q: float, p: float) -> float:
    """kl(q‖p) = q log(q/p) + (1−q) log((1−q)/(1−p)).

    Example:
        >>> round(kl(0.1, 0.5), 6), kl(0.5, 0.5), kl(0.5, 1.0)
        (0.368064, 0.0, inf)
    """
    return float(rel_entr(q, p) + rel_entr(1.0 - q, 1.0 - p))


def kl_upper(q: float, budget: float) -> float:
    """The largest p with kl(q‖p) ≤ budget.

    Args:
        q: the share seen, 0..1.
        budget: not negative, in nats: log(1/δ)/n for the Chernoff bound.

    Returns:
        Never below the exact one.

    Raises:
        ValueError: q outside 0..1, or a negative budget.

    Example:
        >>> round(kl_upper(0.1, 0.05), 6), kl_upper(0.0, 1e6)
        (0.220079, 1.0)
    """
    if not 0.0 <= q <= 1.0:
        raise ValueError(f"q={q}; needed a share between 0 and 1")
    if not budget >= 0.0:
        raise ValueError(f"budget={budget}; needed a number of nats that is not negative")
    if q == 1.0 or budget == math.inf:
        return 1.0
    slack = 64 * EPS * (1 + budget)
    return _root_upper(lambda p: budget + slack - kl(q, p), max(q, _LEAST))


def _log_cdf(k: int, n: int) -> Callable[[float], float]:
    """e ↦ log P(Bin(n, e) ≤ k) for 0 < e < 1, with the binomial coefficients computed once."""
    i = np.arange(k + 1, dtype=np.float64)
    log_choose = gammaln(n + 1.0) - gammaln(i + 1.0) - gammaln(n - i + 1.0)

    def log_cdf(e: float) -> float:
        logs = log_choose + i * math.log(e) + (n - i) * math.log1p(-e)
        largest = float(logs.max())
        return largest + math.log(float(np.exp(logs - largest).sum()))

    return log_cdf


def _root_upper(f: Callable[[float], float], low: float) -> float:
    """A point not below the root of a decreasing f with f(low) > 0, found by bracketing and checked by f itself."""
    if f(_MOST) > 0.0:
        return 1.0
    root = float(brentq(f, low, _MOST, xtol=1e-300, rtol=4 * EPS, maxiter=500))
    raised, step = root, EPS
    while raised < _MOST and f(raised) > 0.0:
        raised, step = root * (1 + step), 2 * step
    return min(math.nextafter(raised, 1.0), 1.0)


def _check_counts(k: int, n: int) -> None:
    if n < 1 or not 0 <= k <= n:
        raise ValueError(f"{k} errors among {n} samples; needed 0 ≤ k ≤ n and at least one sample")
