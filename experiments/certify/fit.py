"""From a task to a certified network: rehearsal on the images left out, training inside the class, certificate."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.certificates import Energies, EnergyWeights, Family, certify_family, measure_energies
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.experiments.certify.data import Prepared, energy_clip
from sparsebounds.experiments.certify.forms import FORMS, Form, Shaping
from sparsebounds.experiments.certify.models import Model, Scores, model_of
from sparsebounds.experiments.certify.space import configuration
from sparsebounds.experiments.certify.tasks import Task
from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.shared.scoring import margins
from sparsebounds.experiments.shared.watch import laps


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained and certified network, with what a reader should see beside the certificate."""

    bound: bounds.Bound
    scores: Scores
    """From what the network receives to scores."""
    graph: Graph
    prepared: Prepared
    family: Family
    energies: Energies
    weights: EnergyWeights
    """What every row weighs the inputs with."""
    rehearsal_margins: np.ndarray | None
    """Of the rehearsal network, frozen, on the certified images."""
    seconds: dict[str, float]


def fit(task: Task, form: str, prepared: Prepared, *, seed: int, delta: float) -> Fitted:
    """Train a network inside a class that the images left out fixed, and certify it.

    Args:
        task: what is certified.
        form: one of FORMS.
        prepared: the data behind the front end.
        seed: of the rehearsal, which shapes the class and is priced, and of the training.
        delta: failure probability.

    Returns:
        Fitted; its `bound` is the certificate, after all costs.

    Raises:
        Problem: an unknown form, or one that a network with hidden layers does not have.
        ValueError: a task outside the configuration space of its data.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    fixed = FORMS[form]
    if fixed.linear_only and task.convs:
        raise Problem(f"{task.name} has no {fixed.linear_only}")
    choices = configuration(task, form, seed)
    marks = {"start": time.perf_counter()}
    model = model_of(task, prepared.left_out.shape[1:], fixed.training)
    family, weights, rehearsal = _family(task, fixed, model, prepared, seed)
    limits = np.quantile(weights.of(prepared.left_out), task.clipped, axis=0)
    maps = _same if weights.features is None else model.maps(rehearsal)
    prepared = prepared.then(energy_clip(weights.inputs, weights.constant, limits, maps))
    marks["rehearsal"] = time.perf_counter()
    values, y = prepared.certified.values, prepared.parts.certified.y
    energies = measure_energies(weights, family.form, values, y, limits)
    costs = 2 / len(y) * family.reach(energies.means, len(y))  # of a radius of one in every row
    scores = model.scores(model.train(prepared, family, costs, rehearsal, seed))
    marks["training"] = time.perf_counter()
    graph = bounds.read_graph(scores, values[:2])
    sample = bounds.Sample.measure(scores, prepared.certified, y, batch_size=2048)
    shaped_by = prepared.front_end.shaped_by
    bound = certify_family(
        graph, sample, family, energies, delta=delta, choices=choices, tied_only=True, left_out=shaped_by
    )
    marks["certificate"] = time.perf_counter()
    frozen = None if rehearsal is None else margins(model.scores(rehearsal), values, y)
    return Fitted(bound, scores, graph, prepared, family, energies, _by_row(family, weights), frozen, laps(marks))


def _family(task: Task, form: Form, model: Model, prepared: Prepared, seed: int) -> tuple[Family, EnergyWeights, Any]:
    """The family, what it weighs the inputs with, and the rehearsal's parameters: all from the images left out."""
    rehearsal = model.rehearse(prepared, seed) if form.rehearsed else None
    shape = len(model.form.rows), prepared.left_out[0].size + 1
    params = np.random.default_rng(0).normal(size=shape) if rehearsal is None else rehearsal  # the structure counts
    graph = bounds.read_graph(model.scores(params), prepared.left_out[:2])
    family = form.family(Shaping(task, model, prepared, rehearsal, graph))
    return family, family.energy_weights(graph), rehearsal


def _same(values: Any) -> Any:
    return values


def _by_row(family: Family, weights: EnergyWeights) -> EnergyWeights:
    """Those of the whole sample, a row each."""
    whole = family.counted[:, 0]
    return replace(weights, inputs=weights.inputs[whole], constant=weights.constant[whole])
