"""Rank correlations over all networks: Kendall's τ, and the partial correlation of ranks."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from sparsebounds.experiments.correlate.draws import interval

Array = npt.NDArray[np.float64]
Estimate = tuple[float, float, float]
"""A statistic and its interval."""
UNKNOWN: Estimate = (np.nan, np.nan, np.nan)


def sign_matrix(values: Array) -> Array:
    """(N, N) signs of all differences; 0 where one of the two is NaN."""
    return ((values[None, :] > values[:, None]).astype(np.float32) - (values[None, :] < values[:, None])).astype(
        np.float32
    )


def tau(values: Array, target: Array, networks: Array) -> Estimate:
    """Kendall's τ, variant b, over all pairs of networks for which both are defined.

    Args:
        values, target: (N,) of a quantity and of what it should rank; NaN is left out.
        networks: (B, N) of `Draws`.

    Returns:
        The statistic of scipy.stats.kendalltau, and its interval; a network drawn twice makes no pair with itself.

    Example:
        >>> rise = np.arange(4.0)
        >>> round(tau(rise, np.array([0.0, 2.0, 1.0, 3.0]), np.ones((1, 4)))[0], 4)
        0.6667
    """
    known = ~np.isnan(values) & ~np.isnan(target)
    if known.sum() < 2:
        return UNKNOWN
    value = float(stats.kendalltau(values[known], target[known], variant="b").statistic)
    mine, other, weights = sign_matrix(values[known]), sign_matrix(target[known]), networks[:, known].astype(np.float32)
    product, first, second = (((weights @ m) * weights).sum(1) for m in (mine * other, mine**2, other**2))
    size = np.sqrt(first * second)
    return value, *interval(np.where(size > 0, product / np.where(size > 0, size, 1), np.nan))


def partial(values: Array, target: Array, levels: pd.DataFrame, networks: Array) -> Estimate:
    """Correlation of ranks after the hyper-parameters' own ranks have been taken out of both by least squares.

    Args:
        values, target: (N,).
        levels: a row per network; words become an indicator per level.
        networks: (B, N) of `Draws`.
    """
    known = ~np.isnan(values) & ~np.isnan(target)
    if known.sum() < 3:
        return UNKNOWN
    beside = _beside(levels[known])
    both = np.column_stack([stats.rankdata(values[known]), stats.rankdata(target[known])])
    weights = np.vstack([np.ones(int(known.sum())), networks[:, known]])
    found = np.array([_residual_correlation(both, beside, w) for w in weights])
    return float(found[0]), *interval(found[1:])


def _beside(levels: pd.DataFrame) -> Array:
    parts = [np.ones((len(levels), 1))]
    for name in levels:
        column = levels[name]
        numbers = pd.api.types.is_numeric_dtype(column)
        parts.append(stats.rankdata(column)[:, None] if numbers else pd.get_dummies(column).to_numpy(float)[:, 1:])
    return np.hstack(parts)


def _residual_correlation(both: Array, beside: Array, weights: Array) -> float:
    root = np.sqrt(weights)[:, None]
    fitted = beside @ np.linalg.lstsq(root * beside, root * both, rcond=None)[0]
    left = root * (both - fitted)
    size = np.sqrt((left**2).sum(axis=0))
    # What is left of a column that the hyper-parameters explain wholly is rounding.
    if (size <= 1e-9 * np.sqrt((both**2).sum(axis=0))).any():
        return np.nan
    return float(left[:, 0] @ left[:, 1] / size.prod())
