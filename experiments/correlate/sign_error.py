"""The robust sign error: how often a quantity orders a pair wrongly, in the worst environment and near it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from sparsebounds.experiments.correlate.draws import Draws, interval
from sparsebounds.experiments.correlate.pairs import Pairs, signs
from sparsebounds.experiments.correlate.rank import UNKNOWN, Estimate

Array = npt.NDArray[np.float64]
HIGH = 0.9
SURE = 0.5
"""An environment counts if its pairs' gaps differ by more than noise with at least this probability, on average."""


@dataclass(frozen=True)
class SignError:
    """The distribution of the sign error over environments.

    Args:
        mean, high: over environments, and their 90th percentile, with intervals.
        worst: the largest.
        environment: which one that is, in words.
        change: the change of level, over all environments, that is ordered worst, and its sign error.
        pairs, environments: how many it is made of.
    """

    mean: Estimate
    high: Estimate
    worst: float
    environment: str
    change: tuple[str, float]
    pairs: int
    environments: int


def weights(gap: Array, error: Array, pairs: Pairs) -> Array:
    """(P,) probability that noise of the two test errors is smaller than the difference of the gaps.

    Normal approximation: 2Φ(|Δg|/√(s² + s'²)) − 1 with the standard errors s, s' of the test errors.
    """
    apart = np.abs(gap[pairs.second] - gap[pairs.first])
    noise = np.hypot(error[pairs.first], error[pairs.second])
    ratio = np.where(noise > 0, apart / np.where(noise > 0, noise, 1.0), np.where(apart > 0, np.inf, 0.0))
    return np.asarray(2 * stats.norm.cdf(ratio) - 1, np.float64)


def sign_error(values: Array, gap: Array, sure: Array, pairs: Pairs, draws: Draws) -> SignError:
    """Per environment the weighted mean over its pairs of ½(1 − sgn Δμ · sgn Δg).

    Args:
        values, gap: (N,).
        sure: (P,) of `weights`.
        pairs, draws: of the networks.
    """
    product = signs(values[pairs.first], values[pairs.second]) * signs(gap[pairs.first], gap[pairs.second])
    known = ~np.isnan(product)
    wrong = np.where(known, 0.5 * (1 - product), 0.0)
    weight = np.where(known, sure, 0.0)
    total, count = pairs.per_environment(weight), pairs.per_environment(known.astype(float))
    counted = (count > 0) & (total >= SURE * count)
    if not counted.any():
        return SignError(UNKNOWN, UNKNOWN, np.nan, "", ("", np.nan), 0, 0)
    found = pairs.per_environment(weight * wrong)[counted] / total[counted]
    # In order of size, so that the share of draws below a value is a running sum.
    order = np.argsort(found, kind="stable")
    drawn = draws.environments[:, counted][:, order]
    share = np.cumsum(drawn, axis=1) / np.maximum(drawn.sum(axis=1), 1)[:, None]
    highs = found[order][np.argmax(share >= HIGH - 1e-12, axis=1)]
    means = (drawn @ found[order]) / np.maximum(drawn.sum(axis=1), 1)
    place = np.flatnonzero(counted)[int(np.argmax(found))]
    return SignError(
        mean=(float(found.mean()), *interval(means)),
        high=(float(np.quantile(found, HIGH, method="inverted_cdf")), *interval(highs)),
        worst=float(found.max()),
        environment=f"{pairs.factors[pairs.factor[place]]} moves; {pairs.environments[place]}",
        change=_worst_change(weight, wrong, pairs),
        pairs=int(known[counted[pairs.environment]].sum()),
        environments=int(counted.sum()),
    )


def _worst_change(weight: Array, wrong: Array, pairs: Pairs) -> tuple[str, float]:
    total, lost = (np.bincount(pairs.change, v, minlength=len(pairs.changes)) for v in (weight, weight * wrong))
    shares = np.where(total > 0, lost / np.where(total > 0, total, 1.0), -1.0)
    place = int(np.argmax(shares))
    return (pairs.changes[place], float(shares[place])) if shares[place] >= 0 else ("", np.nan)
