"""The posterior: steps of several sizes, judged by rehearsed draws, whose seeds anybody may know."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from sparsebounds import bounds, nets
from sparsebounds.bounds.certificates.distance import Counting, certified_draw, displacement
from sparsebounds.experiments.shared.distance.network import Decoder
from sparsebounds.experiments.shared.distance.recipe import BATCH, BUDGETS, LARGER, Recipe

FREE = ("kl",)
"""Instead of budgets where the log ratio is what it is: thousands of nats, with nothing left out."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A posterior, and what a rehearsed draw from it would be worth: an illustration, no certificate."""

    strength: float
    factor: float
    """Of the prior's factors."""
    mean: Any
    nats: float
    value: float
    errors: float
    """Share of the certified samples that the rehearsed network gets wrong."""
    params: Any
    """Of the rehearsed network."""


def candidates(
    f: Decoder,
    sample: Counting,
    x: np.ndarray,
    y: np.ndarray,
    recipe: Recipe,
    choices: Any,
    *,
    delta: float,
    seed: int,
    folder: Path | None,
    tell: Callable[[str], None],
) -> list[Candidate]:
    """Means for every step size, each with the budgets that are nearest to its length.

    What is learned here shapes the posterior alone, so that it is free; the draw that is certified comes after it.
    """
    found, prior = [], sample.prior
    for index, (factor, strength) in enumerate(itertools.product(prior.factors, recipe.strengths)):
        tell(f"moving away from the reference, step size {strength:g}, scales times {factor:g}")
        around = Around(prior.reference, jax.tree.map(lambda s, c=factor: np.asarray(s) * np.float32(c), prior.scales))
        mean = nets.train_near(
            f, around, x, y, key=jax.random.fold_in(jax.random.key(seed + 2), index), strength=strength,
            epochs=recipe.epochs("near", len(y)), batch_size=BATCH,
            directory=None if folder is None else folder / f"near-{index}",
        )  # fmt: skip
        for budget in nearest_budgets(length(around, mean), choices.nats + prior.nats, recipe.rehearsals):
            nats = budget - choices.nats
            drawn = bounds.draw(prior, mean, nats=nats, factor=factor, seed=seed + index)
            bound = certified(sample, drawn, choices, delta=delta)
            found.append(Candidate(strength, factor, mean, nats, bound.value, bound.margin_error, drawn.params))
    return found


class Around(NamedTuple):
    """A normal distribution of weights, leaf by leaf."""

    reference: Any
    scales: Any


@dataclass(frozen=True, eq=False)
class OwnSpreads:
    """The data-free posterior: a mean, and standard deviations in the coordinates of `turns`, by leaf."""

    mean: Any
    spread: Any
    turns: dict[str, Any]


def with_own_spreads(
    f: Decoder, start: Any, x: np.ndarray, y: np.ndarray, recipe: Recipe, *, seed: int, folder: Path | None
) -> OwnSpreads:
    """In the coordinates in which noise on the weights hardly adds up: the prior is the same in all of them."""
    key, other = jax.random.split(jax.random.key(seed + 2))
    basis = nets.eigenbasis(f, start, x, y, key=other)
    mean, spread, _ = nets.train_free(
        basis.through(f), basis.coordinates(start), x, y, key=key, epochs=recipe.free_epochs(len(y)), directory=folder
    )
    names = bounds.Prior.data_free(start).leaves
    return OwnSpreads(basis.weights(mean), spread, dict(zip(names, basis.turns, strict=True)))


def certified(sample: Counting, drawn: bounds.Draw, choices: Any, *, delta: float) -> bounds.Bound:
    """The certificate of a draw, with the budgets and the forms that this program has written down."""
    around = drawn.prior.centre == "reference"
    return certified_draw(
        sample, drawn, delta=delta, choices=choices, budgets=BUDGETS if around else FREE,
        form="both" if around else "direct",
    )  # fmt: skip


def length(prior: Around, mean: Any) -> float:
    """|u|, u = (mean − reference)/scales over the weights that move."""
    leaves = zip(*(jax.tree.leaves(tree) for tree in (mean, prior.reference, prior.scales)), strict=True)
    total = 0.0
    for there, here, scale in leaves:
        s = np.broadcast_to(np.asarray(scale, np.float64), np.shape(here))
        step = np.asarray(there, np.float64) - np.asarray(here, np.float64)
        total += float(np.square(step[s > 0] / s[s > 0]).sum())
    return math.sqrt(total)


def nearest_budgets(
    size: float, paid: float, count: int, budgets: Sequence[float] = (*BUDGETS, *LARGER)
) -> list[float]:
    """The budgets whose half-space, after what else is paid, goes about as far as the mean that was trained.

    Example:
        >>> nearest_budgets(4.0, 1.4, 2)
        [5.0, 10.0]
    """
    allowed = [budget for budget in budgets if budget > paid + 0.1]
    return sorted(sorted(allowed, key=lambda b: abs(displacement(b - paid) - size))[:count])
