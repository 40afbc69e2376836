"""The bootstrap: environments are drawn with replacement, whole; networks never one by one."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparsebounds.experiments.correlate.pairs import Pairs

Array = npt.NDArray[np.float64]
DRAWS = 200
ENDS = (0.025, 0.975)


@dataclass(frozen=True)
class Draws:
    """The same draws for every quantity, so that their differences are not of the draws.

    Args:
        environments: (B, E) how often each environment was drawn, among those of its hyper-parameter.
        networks: (B, N) how often each network came along, when the environments of one hyper-parameter, itself drawn,
            were drawn; without pairs every network is an environment.
    """

    environments: Array
    networks: Array


def drawn(pairs: Pairs, networks: int, seed: int = 0, draws: int = DRAWS) -> Draws:
    """Draws for the pairs of so many networks."""
    random = np.random.default_rng(seed)
    environments = np.zeros((draws, len(pairs.factor)))
    for number in range(len(pairs.factors)):
        inside = np.flatnonzero(pairs.factor == number)
        if inside.size:
            environments[:, inside] = counts(random, draws, inside.size)
    weights = np.zeros((draws, networks))
    useful = [number for number in range(len(pairs.factors)) if (pairs.factor == number).any()]
    for draw in range(draws):
        of = pairs.of_network[random.choice(useful)] if useful else np.arange(networks)
        weights[draw] = counts(random, 1, int(of.max()) + 1)[0][of]
    return Draws(environments, weights)


def counts(random: np.random.Generator, draws: int, things: int) -> Array:
    """(draws, things) how often each thing came when as many were drawn with replacement."""
    return random.multinomial(things, np.full(things, 1 / things), size=draws).astype(float)


def interval(values: Array) -> tuple[float, float]:
    """The middle 95 % of what the draws gave; NaN where they gave nothing."""
    known = values[~np.isnan(values)]
    low, high = np.quantile(known, ENDS) if known.size else (np.nan, np.nan)
    return float(low), float(high)
