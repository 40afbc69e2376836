"""Granulated Kendall coefficients ψ: how well a quantity ranks when one hyper-parameter moves and all others stand."""

import numpy as np
import numpy.typing as npt

from sparsebounds.experiments.correlate.draws import Draws, interval
from sparsebounds.experiments.correlate.pairs import Pairs, signs
from sparsebounds.experiments.correlate.rank import Estimate

Array = npt.NDArray[np.float64]


def psi(values: Array, target: Array, pairs: Pairs, draws: Draws) -> tuple[Estimate, dict[str, float]]:
    """Ψ, the mean over hyper-parameters of ψ_i, and every ψ_i.

    ψ_i is the mean over the environments of hyper-parameter i of τ (variant b) inside each. An environment in which
    nothing moves the target has none; one in which it moves and the quantity does not counts as 0.

    Returns:
        Ψ with its interval, and ψ by hyper-parameter; NaN where there is no environment.
    """
    return _averaged(taus(values, target, pairs), pairs, draws)


def psi_less(values: Array, other: Array, target: Array, pairs: Pairs, draws: Draws) -> Estimate:
    """Ψ of one quantity minus that of another, over the environments in which both are defined, in the same draws."""
    return _averaged(taus(values, target, pairs) - taus(other, target, pairs), pairs, draws)[0]


def needed(difference: Estimate, networks: int) -> float:
    """About how many networks would tell a difference from 0: its interval narrows with the root of their number.

    Example:
        >>> needed((0.1, -0.1, 0.3), 100), needed((0.1, 0.0, 0.2), 100)
        (400, 100)
    """
    value, low, high = difference
    if not (abs(value) > 0 and high > low):
        return np.nan
    return int(np.ceil(networks * ((high - low) / 2 / abs(value)) ** 2 - 1e-9))


def _averaged(of_environment: Array, pairs: Pairs, draws: Draws) -> tuple[Estimate, dict[str, float]]:
    known = ~np.isnan(of_environment)
    filled = np.where(known, of_environment, 0.0)
    each, resampled = {}, []
    for number, name in enumerate(pairs.factors):
        inside = (pairs.factor == number) & known
        each[name] = float(of_environment[inside].mean()) if inside.any() else np.nan
        if inside.any():
            drawn = draws.environments[:, inside]
            total = drawn.sum(axis=1)
            resampled.append(np.where(total > 0, drawn @ filled[inside] / np.where(total > 0, total, 1), np.nan))
    defined = [value for value in each.values() if not np.isnan(value)]
    if not defined:
        return (np.nan, np.nan, np.nan), each
    return (float(np.mean(defined)), *interval(np.mean(resampled, axis=0))), each


def taus(values: Array, target: Array, pairs: Pairs) -> Array:
    """(E,) τ-b inside every environment."""
    mine, other = (signs(v[pairs.first], v[pairs.second]) for v in (values, target))
    known = ~np.isnan(mine) & ~np.isnan(other)
    mine, other = np.where(known, mine, 0.0), np.where(known, other, 0.0)
    product, first, second = (pairs.per_environment(v) for v in (mine * other, mine**2 * known, other**2 * known))
    size = np.sqrt(first * second)
    return np.where(second > 0, product / np.where(size > 0, size, 1.0), np.nan) if len(size) else size
