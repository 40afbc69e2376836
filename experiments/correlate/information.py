"""Conditional mutual information between the signs of a quantity's and the gap's differences."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparsebounds.experiments.correlate.draws import DRAWS, counts, interval
from sparsebounds.experiments.correlate.rank import Estimate, sign_matrix

Array = npt.NDArray[np.float64]
MOST = 2
"""Hyper-parameters that are conditioned on at once."""


@dataclass(frozen=True)
class Conditions:
    """The sets U of hyper-parameters, and what they say of every ordered pair of networks.

    Args:
        names: the hyper-parameters of every set.
        groups: per set (N, N), the number of the pair's environment: the values of both networks.
        draws: per set (B, groups), how often each environment was drawn.
    """

    names: tuple[tuple[str, ...], ...]
    groups: tuple[npt.NDArray[np.int64], ...]
    draws: tuple[Array, ...]


def conditions(levels: pd.DataFrame, factors: list[str], seed: int = 0) -> Conditions:
    """All sets of at most `MOST` hyper-parameters."""
    random = np.random.default_rng(seed)
    names = [subset for size in range(MOST + 1) for subset in itertools.combinations(factors, size)]
    groups, draws = [], []
    for subset in names:
        keys = list(levels[list(subset)].itertuples(index=False, name=None)) if subset else [()] * len(levels)
        of = pd.factorize(pd.Series(keys, dtype=object))[0]
        most = int(of.max()) + 1
        groups.append(of[:, None] * most + of[None, :])
        draws.append(counts(random, DRAWS, most * most))
    return Conditions(tuple(names), tuple(groups), tuple(draws))


def information(values: Array, target: Array, given: Conditions) -> tuple[Estimate, str]:
    """K = the least over U of I(V_μ; V_g | U) / H(V_g | U), and the U where it is reached.

    V are the signs of the differences of an ordered pair of networks, a tie being a value of its own. The interval is
    of environments, the values of U, drawn inside every set.
    """
    known = ~np.isnan(values) & ~np.isnan(target)
    if known.sum() < 2:
        return (np.nan, np.nan, np.nan), ""
    code = (3 * (sign_matrix(values[known]) + 1) + sign_matrix(target[known]) + 1).astype(np.int64)
    apart = ~np.eye(int(known.sum()), dtype=bool)
    shares, drawn = [], []
    for group, draws in zip(given.groups, given.draws, strict=True):
        inside = 9 * group[np.ix_(known, known)] + code
        table = np.bincount(inside[apart], minlength=9 * draws.shape[1]).reshape(-1, 3, 3)
        mutual, entropy = information_sums(table)
        shares.append(mutual.sum() / entropy.sum() if entropy.sum() > 0 else np.nan)
        below = draws @ entropy
        drawn.append(np.where(below > 0, draws @ mutual / np.where(below > 0, below, 1), np.nan))
    if np.isnan(shares).all():
        return (np.nan, np.nan, np.nan), ""
    least = int(np.nanargmin(shares))
    lowest = np.where(np.isnan(drawn).all(axis=0), np.nan, np.nanmin(np.nan_to_num(drawn, nan=np.inf), axis=0))
    return (float(shares[least]), *interval(lowest)), ", ".join(given.names[least]) or "nothing"


def information_sums(table: npt.NDArray[np.int64]) -> tuple[Array, Array]:
    """Per environment its number of pairs times I(V_μ; V_g) and times H(V_g), in nats.

    Args:
        table: (G, 3, 3) pairs by environment, V_μ and V_g.

    Example:
        >>> information_sums(np.array([[[2, 0, 0], [0, 0, 0], [0, 0, 2]]]))[0].round(4).tolist()
        [2.7726]
    """
    both, mine, other = table.astype(float), table.sum(2).astype(float), table.sum(1).astype(float)
    total = both.sum((1, 2))

    def log_sum(n: Array) -> Array:
        return np.asarray((n * np.log(np.where(n > 0, n, 1.0))).reshape(len(n), -1).sum(1))

    size = log_sum(total)
    # Both are at least 0; rounding is not.
    mutual = size + log_sum(both) - log_sum(mine) - log_sum(other)
    return np.maximum(mutual, 0.0), np.maximum(size - log_sum(other), 0.0)
