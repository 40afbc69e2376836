"""Dudley's entropy integral, evaluated from above on a grid, and logarithms of the covering numbers that go into it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.special import digamma

FINEST = 1e-8
"""Smallest radius of the grid; stopping there costs 4 · 1e-8."""
POINTS = 4000
"""Radii per integral: neighbours differ by 0.44 %, so that the sum is at most that much above the integral."""
SLACK = 1.0 + 1e-12
"""What float64 sums of a few thousand terms can lose."""

LARGEST = 1e200
"""Sizes of multisets up to which Stirling's formula is evaluated."""


@dataclass(frozen=True)
class EntropyIntegral:
    """The value of Dudley's bound and the radius at which chaining stops."""

    value: float
    alpha: float


def dudley_upper(
    log_covering: Callable[[np.ndarray], np.ndarray], m: int, *, radius: float = 1.0, latest: float = 0.5
) -> EntropyIntegral:
    """An upper bound on the empirical Rademacher complexity of a class from its covering numbers.

    R̂_S(G) ≤ inf_α [ 4α + 12/√m ∫_α^{c/2} √log N(G, ε, L2(P_m)) dε ], c ≥ sup_g ‖g‖_{L2(P_m)}.

    The integrand does not increase, so the sum with the left end of every cell is never below the integral; α runs
    over the grid.

    Args:
        log_covering: radii ε (T,), ascending → an upper bound on log N (T,), not increasing; inf is allowed.
        m: number of samples.
        radius: c; 1 for losses in [0, 1].
        latest: the largest α/c that is tried, at most ½. Losses in [0, 1] have complexity ½ at most: an α above 1/8 is
            of no use to them.

    Returns:
        Never below the infimum, hence never below the complexity; above the infimum by at most about half a percent.
        At most 2 c where chaining may stop at once, at α = c/2.

    Raises:
        ValueError: m < 1, or covering numbers that are NaN or below 1.

    Example:
        >>> points = dudley_upper(lambda e: np.full_like(e, np.log(2.0)), 10**6)  # a class of two functions
        >>> round(points.value, 6), points.alpha  # 12/1000 · √log 2 · 1/2
        (0.004995, 1e-08)

    Source: R. M. Dudley, J. Functional Analysis 1967, in the form with the constants 4 and 12 that is proved in Lean
    in `auto-res/lean-rademacher`.
    """
    if m < 1:
        raise ValueError(f"m={m}; needed a positive number of samples")
    edges = np.geomspace(FINEST, 0.5, POINTS) * radius
    entropy = np.asarray(log_covering(edges[:-1]), dtype=np.float64)
    if np.isnan(entropy).any() or (entropy < 0).any():
        raise ValueError("covering numbers that are NaN or below 1; needed the logarithm of an upper bound")
    cells = np.diff(edges) * np.sqrt(entropy)
    tails = np.append(np.cumsum(cells[::-1])[::-1], 0.0)  # the sum from every edge to the last one
    values = SLACK * (4 * edges + 12 / np.sqrt(m) * tails)
    best = int(np.argmin(np.where(edges <= latest * radius * SLACK, values, np.inf)))
    return EntropyIntegral(float(values[best]), float(edges[best]))


def log_multisets_upper(
    kinds: Float64[np.ndarray, " ..."] | float, size: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    """An upper bound on log C(kinds + size − 1, size): how many multisets of this size there are.

    Stirling's formula with Robbins' remainders: at most 0.1 % above, and free of the cancellation between logarithms
    of huge factorials.

    Args:
        kinds: number of kinds, at least 1.
        size: elements of the multiset, not negative, broadcast against `kinds`.

    Returns:
        Never below the logarithm; 0 for size 0 or a single kind; inf for a size beyond 1e200.

    Example:
        >>> round(float(log_multisets_upper(4.0, np.array(10.0))), 3)  # log C(13, 10) = log 286 = 5.656
        5.657

    Source: H. Robbins, A remark on Stirling's formula, American Mathematical Monthly 1955.
    """
    a, b = np.broadcast_arrays(np.asarray(size, dtype=np.float64), np.asarray(kinds, dtype=np.float64) - 1)
    some = (a > 0) & (b > 0) & (a <= LARGEST)
    a_safe, b_safe = np.where(some, a, 1.0), np.where(some, b, 1.0)
    total = a_safe + b_safe
    entropy = a_safe * np.log1p(b_safe / a_safe) + b_safe * np.log1p(a_safe / b_safe)
    root = 0.5 * (np.log(2 * np.pi) + np.log(a_safe) + np.log(b_safe) - np.log(total))
    remainder = 1 / (12 * total) - 1 / (12 * a_safe + 1) - 1 / (12 * b_safe + 1)
    found = np.maximum((entropy - root + remainder) * SLACK, 0.0)
    return np.where(some, found, np.where((a > LARGEST) & (b > 0), np.inf, 0.0))


def log_large_multisets_upper(
    kinds: Float64[np.ndarray, " ..."] | float, log_size: Float64[np.ndarray, "*shape"]
) -> Float64[np.ndarray, "*shape"]:
    """The same for sizes a beyond 1e200, of which only the logarithm is known: b (1 + log(a/b)), b = kinds − 1.

    Args:
        kinds: number of kinds, at least 1.
        log_size: at least log 1e200.

    Returns:
        Never below the logarithm.

    Example:
        >>> round(float(log_large_multisets_upper(2.0, np.array(1000.0))), 3)  # a + 1 multisets of two kinds
        1001.0
    """
    b = np.maximum(np.asarray(kinds, dtype=np.float64) - 1, 0.0)
    each = 1.0 + np.asarray(log_size, dtype=np.float64) - np.log(np.maximum(b, 1.0))
    return np.where(b > 0, b * np.maximum(each, 0.0), 0.0) * (1 + 1e-9)


def sparsification_sizes(
    c: Float64[np.ndarray, " L"], share: Float64[np.ndarray, " L"], radii: Float64[np.ndarray, " T"]
) -> Float64[np.ndarray, "L T"]:
    """Maurey's k: how many generators approximate one layer within its share of the radius.

    k_i(ε) = 0 where c_i ≤ ω_i ε (one network stands for all), else ⌈c_i² / (ω_i ε)²⌉.

    Args:
        c: (L,), twice the radius of every layer's set as seen in the loss: once for the radius, doubled for covers
            whose elements lie in the set.
        share: (L,) ω_i ≥ 0, summing to 1.
        radii: (T,) ε.

    Returns:
        (L, T); inf where c_i > 0 has no share.

    Example:
        >>> sparsification_sizes(np.array([0.75]), np.array([1.0]), np.array([0.25, 0.75])).tolist()
        [[9.0, 0.0]]

    Source: B. Maurey's lemma, as in Bartlett, Foster, Telgarsky, NeurIPS 2017, lemma 3.2.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where(c[:, None] > 0, c[:, None] / (share[:, None] * radii), 0.0)
        # A ratio that rounding leaves under an integer's root belongs to a radius 1e-15 larger: SLACK covers that.
        return np.where(ratio <= 1.0, 0.0, np.ceil(np.square(ratio)))


def layered_log_covering(
    c: Float64[np.ndarray, " L"], kinds: Float64[np.ndarray, " L"]
) -> Callable[[np.ndarray], np.ndarray]:
    """log N(ε) of a network whose layers are covered one after the other by multisets of generators.

    log N(ε) ≤ Σ_i log C(kinds_i + k_i(ε) − 1, k_i(ε)). Three ways to share ε among the layers are tried and the
    smallest sum is taken at every radius: ω_i ∝ c_i^{2/3}, ω_i ∝ ⌈c_i^{2/3}⌉ and ω_i = 1/L.

    Args:
        c: (L,), as in `sparsification_sizes`.
        kinds: (L,) number of signed generators: twice the number of free weights.

    Returns:
        A function of ascending radii for `dudley_upper`.

    Example:
        >>> log_n = layered_log_covering(np.array([0.2, 0.1]), np.array([200.0, 100.0]))
        >>> bool((np.diff(log_n(np.array([0.01, 0.02, 0.4]))) <= 0).all())
        True

    Source: the composition of covers is theorem 3.3 of Bartlett, Foster, Telgarsky, NeurIPS 2017, with covers inside
    the class and ceilings kept; multisets in place of k-tuples are elementary.
    """
    c, kinds = np.asarray(c, dtype=np.float64), np.asarray(kinds, dtype=np.float64)
    with np.errstate(over="ignore"):
        powers = np.cbrt(np.square(c))
    weightings = [powers, np.ceil(powers), (c > 0).astype(np.float64)]
    shares = [w / w.sum() for w in weightings if 0 < w.sum() < np.inf]

    def log_covering(radii: Float64[np.ndarray, " T"]) -> Float64[np.ndarray, " T"]:
        if not shares:
            return np.zeros_like(radii) if not c.any() else np.full_like(radii, np.inf)
        return np.min([_log_multisets(c, kinds, share, radii).sum(axis=0) for share in shares], axis=0)

    return log_covering


def _log_multisets(
    c: Float64[np.ndarray, " L"],
    kinds: Float64[np.ndarray, " L"],
    share: Float64[np.ndarray, " L"],
    radii: Float64[np.ndarray, " T"],
) -> Float64[np.ndarray, "L T"]:
    """log C(kinds_i + k_i(ε) − 1, k_i(ε)) of every layer, however large k_i is."""
    sizes = sparsification_sizes(c, share, radii)
    found = log_multisets_upper(kinds[:, None], sizes)
    far = (sizes > LARGEST) & np.isfinite(c)[:, None] & (share > 0)[:, None]
    if not far.any():
        return found
    with np.errstate(divide="ignore", invalid="ignore"):
        log_sizes = 2 * (np.log(c)[:, None] - np.log(share)[:, None] - np.log(radii))
    return np.where(far, log_large_multisets_upper(kinds[:, None], np.where(far, log_sizes, 0.0)), found)


def closed_form(c: Float64[np.ndarray, " L"], kinds: float, m: int) -> float:
    """Dudley's bound for `layered_log_covering` in closed form, ceilings included.

    4/m + (12 H_{m−1}/√m) √log(kinds) (Σ_i ⌈c_i^{2/3}⌉)^{3/2}, H_{m−1} = Σ_{k<m} 1/k.

    With ω_i = ⌈c_i^{2/3}⌉/S, S the sum, log N(1/k) ≤ S³ k² log(kinds): c_i² k²/ω_i² is at most the integer
    ⌈c_i^{2/3}⌉ S² k². The integral from 1/m to 1, cut at the radii 1/k, is then at most S^{3/2} √log(kinds) H_{m−1}.

    Args:
        c: (L,), as in `sparsification_sizes`.
        kinds: the most signed generators of a layer.
        m: number of samples.

    Returns:
        An upper bound on the empirical Rademacher complexity; inf past the float64 range.

    Example:
        >>> round(closed_form(np.array([4.0, 2.5, 0.7]), 10000.0, 1000), 6)
        126.683711

    Source: Graf, Zeng, Rieck, Niethammer, Kwitt, NeurIPS 2022, theorem 3.5 (norms), in the authors' documentation.
    """
    harmonic = float(digamma(m)) + float(np.euler_gamma) if m > 1 else 0.0
    with np.errstate(over="ignore"):
        total = np.sum(np.ceil(np.cbrt(np.square(np.asarray(c, dtype=np.float64)))))
        grown = np.power(total, 1.5)
    if total == 0:  # one network: no complexity
        return 0.0
    if harmonic == 0:
        return 4.0 / m
    return float(4.0 / m + 12.0 * harmonic / np.sqrt(m) * np.sqrt(np.log(kinds)) * grown)
