"""From a network and samples to one drawn network with a certificate."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from sparsebounds import bounds, nets
from sparsebounds.bounds.certificates.distance import Counting
from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.experiments.shared.distance.network import Decoder, OwnNetwork
from sparsebounds.experiments.shared.distance.posterior import Candidate, candidates, certified, with_own_spreads
from sparsebounds.experiments.shared.distance.recipe import BATCH, Recipe
from sparsebounds.experiments.shared.distance.split import Split
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.scoring import misses
from sparsebounds.experiments.shared.watch import laps
from sparsebounds.nets.checkpoints.names import named

Tell = Callable[[str], None]
ENOUGH = 1000
"""Samples that settle the factor of the scales; of fewer, the certified ones choose a share of it, at a price."""
SHARES = (1.0, 0.5, 0.25, 0.125)


@dataclass(frozen=True, eq=False)
class Fitted:
    """A drawn network, its certificate, and what was tried on the way."""

    bound: bounds.Bound
    drawn: bounds.Draw
    f: Decoder
    """Of the drawn weights; with low-rank steps these are the adapters, and the reference is inside."""
    handed_out: Any
    """The weights of the user's own network."""
    tried: tuple[Candidate, ...]
    network: OwnNetwork
    """With the weights of the reference, and batch statistics as the drawn network has them."""
    seconds: dict[str, float]


@dataclass(frozen=True, eq=False)
class Moving:
    """What moves: a decoder, compiled once; where it starts; how weights of the network come from what is drawn."""

    f: Decoder
    start: Any
    moves: Any
    whole: Callable[[Any], Any]


def reference_of(network: OwnNetwork, found: Split, recipe: Recipe, seed: int, folder: Path | None) -> OwnNetwork:
    """The network trained on its part of the samples left out, by the user's own training if there is one.

    Raises:
        Problem: the user's training fails or returns another tree.
    """
    x, y = found.part(found.reference)
    key = jax.random.key(seed)
    if network.train is not None:
        return network.with_params(_own_training(network, x, y, key))
    epochs = recipe.epochs("reference", len(y))
    settings: dict[str, Any] = {"key": key, "epochs": epochs, "learning_rate": recipe.rate, "batch_size": BATCH}
    settings |= {"augment": network.augment, "directory": folder}
    if network.module is None:
        return network.with_params(nets.train_reference(network.f, network.params, x, y, **settings))
    nets.train_module(network.module, x, y, **settings)
    return network.again()


def moving_part(network: OwnNetwork, x: np.ndarray, layers: str, rank: int | None) -> Moving:
    """All weights, those of the last layer, or factors of low rank around where the network stands."""
    if rank is not None:
        g, adapters = nets.low_rank(network.f, network.params, rank)
        return Moving(jax.jit(g), adapters, None, lambda drawn: nets.merged(network.params, drawn))
    moves = nets.moving(network.f, network.params, x[:2], layers)
    return Moving(jax.jit(network.f), network.params, moves, lambda drawn: drawn)


def prior_of(
    part: Moving,
    found: Split,
    recipe: Recipe,
    seed: int,
    folder: Path | None,
    *,
    share: float = 1.0,
    saw: str | None = None,
) -> bounds.Prior:
    """A Gaussian around the reference; its scales come from the samples left out, their factor from those that the
    reference did not train on."""
    x, y = found.part(found.reference if len(found.reference) else found.validation)
    key, other = jax.random.split(jax.random.key(seed + 1))
    scales = nets.train_scales(
        part.f, part.start, x, y, key=key, moves=part.moves, epochs=recipe.epochs("scales", len(y)), directory=folder
    )
    x_own, y_own = found.part(found.validation)
    factor = nets.choose_factor(part.f, part.start, scales, x_own, y_own, key=other)
    shares = (1.0,) if len(y_own) >= ENOUGH else SHARES
    wrong = misses(part.f, part.start, x_own, y_own)
    return bounds.Prior(
        part.start,
        jax.tree.map(lambda s: np.asarray(s) * np.float32(share * factor), scales),
        factors=shares,
        shaped_by=fingerprints(found.x[found.left_out]),
        saw=saw or f"{len(found.left_out)} samples left out",
        own_errors=(wrong, len(y_own)),
    )


def fit_near(
    network: OwnNetwork,
    found: Split,
    recipe: Recipe,
    choices: Any,
    *,
    layers: str = "all",
    rank: int | None = None,
    seed: int = 0,
    delta: float,
    folder: Path | None = None,
    trained: bool = False,
    keep: Callable[[bounds.Draw], bounds.Draw] = lambda drawn: drawn,
    tell: Tell = lambda text: None,
    **said: Any,
) -> Fitted:
    """Reference, scales, posterior, one draw, certificate.

    Args:
        network: before its training.
        found: the samples by what they may do.
        recipe: settings.
        choices: the priced configuration.
        layers, rank: what moves.
        seed: of all trainings.
        delta: failure probability.
        folder: for checkpoints, so that an interrupted run goes on.
        trained: the network's weights are the reference already.
        keep: stores the draw before it is certified, and gives an earlier one back where there is one.
        tell: called with what is done next.
        said: preprocessing and repetitions, as `bounds.distance_certificate` takes them.
    """
    marks = {"start": time.perf_counter()}
    where = (lambda name: None) if folder is None else (lambda name: folder / name)
    tell("training the reference")
    reference = network if trained else reference_of(network, found, recipe, seed, where("reference"))
    marks["reference"] = time.perf_counter()
    tell("scales of the weights")
    part = moving_part(reference, found.x, layers, rank)
    prior = prior_of(part, found, recipe, seed, where("scales"), share=reference.share)
    marks["scales"] = time.perf_counter()
    x, y = found.part(found.certified)
    sample = Counting(part.f, prior, x, y, **said)
    tried = candidates(part.f, sample, x, y, recipe, choices, delta=delta, seed=seed, folder=folder, tell=tell)
    marks["posterior"] = time.perf_counter()
    best = min(tried, key=lambda one: one.value)
    tell("the draw and its certificate")
    drawn = keep(bounds.draw(prior, best.mean, nats=best.nats, factor=best.factor))
    sample = sample if drawn.prior is prior else Counting(part.f, drawn.prior, x, y, **said)  # kept by an earlier run
    bound = certified(sample, drawn, choices, delta=delta)
    marks["certificate"] = time.perf_counter()
    return Fitted(bound, drawn, part.f, part.whole(drawn.params), tuple(tried), reference, laps(marks))


def fit_free(
    network: OwnNetwork,
    found: Split,
    recipe: Recipe,
    choices: Any,
    *,
    seed: int = 0,
    delta: float,
    folder: Path | None = None,
    keep: Callable[[bounds.Draw], bounds.Draw] = lambda drawn: drawn,
    tell: Tell = lambda text: None,
    **said: Any,
) -> Fitted:
    """With nothing left out: a posterior around a network trained on everything, a prior around zero.

    Batch statistics stay as they were built: they belong to the decoder, which no sample may have shaped.
    """
    marks = {"start": time.perf_counter()}
    where = (lambda name: None) if folder is None else (lambda name: folder / name)
    x, y = found.part(found.certified)
    tell("training the network that the posterior starts from")
    start = reference_of(network.plain(), found.training_on(found.certified), recipe, seed, where("reference"))
    marks["start of the posterior"] = time.perf_counter()
    tell("training the posterior")
    own = with_own_spreads(start.f, start.params, x, y, recipe, seed=seed, folder=where("free"))
    marks["posterior"] = time.perf_counter()
    tell("the draw and its certificate")
    drawn = keep(bounds.draw(bounds.Prior.data_free(start.params), own.mean, spread=own.spread, turns=own.turns))
    f = jax.jit(start.f)
    bound = certified(Counting(f, drawn.prior, x, y, **said), drawn, choices, delta=delta)
    marks["certificate"] = time.perf_counter()
    return Fitted(bound, drawn, f, drawn.params, (), start, laps(marks))


def _own_training(network: OwnNetwork, x: np.ndarray, y: np.ndarray, key: jax.Array) -> Any:
    assert network.train is not None
    try:
        params = network.train(network.f, network.params, x, y, key)
    except Exception as error:
        raise Problem(f"train of {network.name} fails: {type(error).__name__}: {one_line(error)}") from error
    ours, theirs = ({name: leaf.shape for name, leaf in named(tree).items()} for tree in (network.params, params))
    if ours != theirs:
        odd = next(name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name))
        raise Problem(
            f"train of {network.name} returns another tree than it was given: {odd} has shape "
            f"{theirs.get(odd, 'none')}, not {ours.get(odd, 'none')}; return the parameters under the same names"
        )
    return params
