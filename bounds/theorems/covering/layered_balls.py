"""Numbers of weights on any network: a ball for every map and every bias, covered by multiples of its radius.

The class: ‖A_t − A_t⁰‖ ≤ β_t and ‖b_t − b_t⁰‖ ≤ η_t. A ball of W numbers in any norm has an internal cover of (3β/e)^W
elements of radius e ≤ β, and one element where e ≥ β. With s_t = ‖A_t⁰‖ + β_t and ‖b_t⁰‖ + η_t in the cover pass, Λ_t
and χ_t hold for every input that can occur and every network between two of the class, so that replacing one map after
the other by its cover element moves any loss by at most Σ_t (√2/γ) Λ_t (χ_t e_t + e_t').
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TypeVar

from sparsebounds.bounds.margin.grids import RATIO, grid_up
from sparsebounds.bounds.theorems.covering.distances import Distances
from sparsebounds.bounds.theorems.passes.cover import backward, forward
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, sources_of_terms
from sparsebounds.bounds.theorems.passes.sizes import Size, joined, log

Key = TypeVar("Key", Place, int)
ROUNDINGS = tuple(product((RATIO, 1.5, math.e), (False, True)))
"""Ratio of the grid, and whether one β and one η serve the whole network; the choice is paid for."""


@dataclass(frozen=True)
class Balls:
    """A class by its radii, and what the union over them costs."""

    radii: Mapping[Place, float]
    shifts: Mapping[int, float]
    nats: float
    ratio: float
    tied: bool


@dataclass(frozen=True)
class Part:
    """A map or a bias in the covering number."""

    numbers: int
    log_reach: float
    """log of (radius · Λ · χ) at λ_out = 1."""


def roundings(own: Distances) -> Iterator[Balls]:
    """The network's distances on each of the grids."""
    for ratio, tied in ROUNDINGS:
        radii, price = _raised(own.moved, ratio, tied)
        shifts, shift_price = _raised(own.shifts, ratio, tied)
        yield Balls(radii, shifts, math.log(len(ROUNDINGS)) + price + shift_price, ratio, tied)


def _raised(own: Mapping[Key, float], ratio: float, tied: bool) -> tuple[dict[Key, float], float]:
    """The grid points above numbers, or that above the largest for all of them, and their price."""
    if tied and own:
        up, price = grid_up(max(own.values()), ratio)
        return dict.fromkeys(own, up), price
    found = {key: grid_up(value, ratio) for key, value in own.items()}
    return {key: up for key, (up, _) in found.items()}, math.fsum(price for _, price in found.values())


def parts_of(own: Distances, balls: Balls, chi: float, weights: Mapping[Place, int]) -> list[Part]:
    """What the pass says of every ball.

    Args:
        own: the network beside its reference.
        balls: radii of the class.
        chi: no input has a larger norm.
        weights: how many each map has.
    """
    norms = {place: log(own.start[place] + radius) for place, radius in balls.radii.items()}
    offsets = {i: log(own.start_shifts[i] + shift) for i, shift in balls.shifts.items()}
    fixed = Fixed(own.graph, norms, offsets)
    sizes = forward(fixed, Size(log(chi), log(chi), log(chi)), 1)
    multipliers = backward(fixed, sizes)
    found = []
    for place, radius in balls.radii.items():
        read = joined(sizes[v] for v in sources_of_terms(own.graph, place.layer)[place.term])
        found.append(Part(weights[place], log(radius) + multipliers[place.layer] + read.largest))
    return [*found, *(Part(own.numbers[i], log(shift) + multipliers[i]) for i, shift in balls.shifts.items())]


def log_covering(parts: list[Part], log_outer: float, epsilon: float) -> float:
    """log N(ε) = Σ_t W_t log⁺(3 Λ_t χ_t β_t / ε_t), ε_t = ε W_t / Σ W.

    Args:
        parts: of the network.
        log_outer: log of what stands before the scores, √2/γ.
        epsilon: radius in the losses.

    Returns:
        Never below the logarithm of an internal covering number in the supremum over all inputs.

    Example:
        >>> round(log_covering([Part(2, 0.0), Part(1, -math.inf)], 0.0, 0.1), 6)  # 2 log(3 · 3/2 / 0.1)
        7.613325
    """
    total = sum(part.numbers for part in parts)
    logs = [
        part.numbers * (math.log(3 * total / part.numbers) + part.log_reach + log_outer - math.log(epsilon))
        for part in parts
        if part.numbers and part.log_reach > -math.inf
    ]
    return math.fsum(max(0.0, one) for one in logs)
