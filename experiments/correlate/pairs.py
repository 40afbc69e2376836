"""Pairs of networks that differ in exactly one hyper-parameter, and the environments that they lie in."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """All pairs that differ in one hyper-parameter (and perhaps in the seed).

    Args:
        first, second: (P,) numbers of the two networks.
        environment: (P,) which environment a pair lies in.
        factor: (E,) the number of the hyper-parameter that an environment varies.
        change: (P,) which change of level a pair is, among all of its hyper-parameter.
        factors: names of the hyper-parameters.
        environments: (E,) what every environment holds fixed, in words.
        changes: what every change is, in words.
        of_network: (F, N) the environment of every network along every hyper-parameter, lone ones included.
    """

    first: Index
    second: Index
    environment: Index
    factor: Index
    change: Index
    factors: tuple[str, ...]
    environments: tuple[str, ...]
    changes: tuple[str, ...]
    of_network: Index

    def per_environment(self, values: Array) -> Array:
        """Sums over the pairs of every environment: (P,) → (E,)."""
        return np.asarray(np.bincount(self.environment, values, minlength=len(self.factor)), np.float64)


def pairs_of(levels: pd.DataFrame, factors: Sequence[str]) -> Pairs:
    """The pairs among networks.

    Args:
        levels: a row per network, a column per hyper-parameter.
        factors: the columns along which networks are compared; other columns (the seed) may differ freely.

    Example:
        >>> found = pairs_of(pd.DataFrame({"depth": [1, 1, 2], "width": [8, 9, 8]}), ["depth", "width"])
        >>> list(zip(found.first.tolist(), found.second.tolist())), found.environments
        ([(0, 2), (0, 1)], ('width = 8', 'depth = 1'))
    """
    found: list[tuple[int, int, int, int]] = []
    factor: list[int] = []
    words: list[str] = []
    changes: dict[str, int] = {}
    of_network = []
    for number, name in enumerate(factors):
        others = [other for other in factors if other != name]
        column = levels[name].tolist()
        groups = _groups(levels, others)
        of_network.append(_numbers(groups, len(column)))
        for key, inside in groups.items():
            apart = [(a, b) for a, b in itertools.combinations(inside, 2) if column[a] != column[b]]
            for a, b in apart:
                low, high = sorted((column[a], column[b]))
                change = changes.setdefault(f"{name} {low} → {high}", len(changes))
                found.append((a, b, len(words), change))
            if apart:
                factor.append(number)
                words.append(", ".join(f"{other} = {value}" for other, value in zip(others, key, strict=True)))
    table = np.array(found, np.int64).reshape(-1, 4)
    return Pairs(
        first=table[:, 0], second=table[:, 1], environment=table[:, 2], change=table[:, 3],
        factor=np.array(factor, np.int64), factors=tuple(factors), environments=tuple(words), changes=tuple(changes),
        of_network=np.array(of_network, np.int64).reshape(len(factors), len(levels)),
    )  # fmt: skip


def _groups(levels: pd.DataFrame, names: Sequence[str]) -> dict[tuple[object, ...], list[int]]:
    """Numbers of the networks by what they have in these columns."""
    groups: dict[tuple[object, ...], list[int]] = {}
    columns = [levels[name].tolist() for name in names]
    for network in range(len(levels)):
        groups.setdefault(tuple(column[network] for column in columns), []).append(network)
    return groups


def _numbers(groups: dict[tuple[object, ...], list[int]], networks: int) -> Index:
    """The number of every network's group."""
    numbers = np.zeros(networks, np.int64)
    for number, inside in enumerate(groups.values()):
        numbers[inside] = number
    return numbers


def signs(first: Array, second: Array) -> Array:
    """−1, 0 or 1: whether `second` is below, at or above `first`; infinities compare as numbers do, NaN gives NaN.

    Example:
        >>> signs(np.array([1.0, np.inf, np.nan]), np.array([2.0, np.inf, 0.0])).tolist()
        [1.0, 0.0, nan]
    """
    found = (second > first).astype(float) - (second < first)
    return np.where(np.isnan(first) | np.isnan(second), np.nan, found)
