"""From a task to a certified network: rehearsal on the images left out, training inside the class, certificate."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.certificates.boxes.certificate import box_certificate, measure_boxes
from sparsebounds.bounds.certificates.boxes.family import Boxes, box_reach, box_weights, pairs
from sparsebounds.bounds.certificates.boxes.rehearsal import box_of_rehearsal
from sparsebounds.bounds.certificates.ellipsoids.certificate import ellipsoid_certificate
from sparsebounds.bounds.certificates.ellipsoids.family import Ellipsoids, energy_weights
from sparsebounds.bounds.certificates.ellipsoids.rehearsal import rehearsal_ellipsoids
from sparsebounds.bounds.certificates.energies import Energies, EnergyWeights, measure_energies
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.experiments.certify.data import Prepared, energy_clip
from sparsebounds.experiments.certify.models import (
    Family,
    Model,
    Scores,
    class_means,
    dense_scores,
    model_of,
    tree_of,
)
from sparsebounds.experiments.certify.tasks import Task
from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.shared.scoring import margins

FORMS = ("boxes", "signed", "rehearsal", "uniform")
"""What fixes the class: a network trained on the images left out, by boxes with its signs, by ellipsoids with its
signs, by ellipsoids of any sign; or ellipsoids with all axes equal, and no label is used."""
UNIFORM_BIAS = 0.25
"""τ of a bias beside axes of 1, where no rehearsal gives one."""
GROWTH = 0.2
"""How much longer the axes are one level further down the tree: digits that look alike need larger weights."""
FLOOR = 0.005
"""Share of a row's mean weight and mean size that every side of a box gets."""
CLIPPED = 0.98
"""Inputs whose weighted energy exceeds this quantile of the images left out are shrunk: a short range is cheap."""


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
        seed: of the training.
        delta: failure probability.

    Returns:
        Fitted; its `bound` is the certificate, after all costs.

    Raises:
        Problem: an unknown form, or "uniform" for a network with hidden layers.
    """
    if form not in FORMS:
        raise unknown("form", form, FORMS)
    if form == "uniform" and task.convs:
        raise Problem(f"{task.name} has no uniform form: the axes of its hidden layers come from a rehearsal")
    if form == "boxes" and task.convs:
        raise Problem(f"{task.name} has no form with boxes: they are for networks without hidden layers")
    marks = {"start": time.perf_counter()}
    model = model_of(task, prepared.left_out.shape[1:], form)
    family, weights, rehearsal = _class(task, form, model, prepared, seed)
    limits = np.quantile(weights.of(prepared.left_out), CLIPPED, axis=0)
    prepared = prepared.then(energy_clip(weights.inputs, weights.constant, limits))
    marks["rehearsal"] = time.perf_counter()
    values, y = prepared.certified.values, prepared.parts.certified.y
    energies, costs = _measured(family, weights, values, y, limits)
    scores = model.scores(model.train(prepared, family, costs, rehearsal, seed))
    marks["training"] = time.perf_counter()
    graph = bounds.read_graph(scores, values[:2])
    sample = bounds.Sample.measure(scores, prepared.certified, y, batch_size=2048)
    choices = {"configuration": task.tried}
    if isinstance(family, Boxes):
        bound = box_certificate(graph, sample, family, energies, delta=delta, choices=choices)
    else:
        bound = ellipsoid_certificate(graph, sample, family, energies, delta=delta, choices=choices, tied_only=True)
    marks["certificate"] = time.perf_counter()
    frozen = None if rehearsal is None else margins(model.scores(rehearsal), values, y)
    return Fitted(bound, scores, graph, prepared, family, energies, _by_row(family, weights), frozen, _laps(marks))


def _measured(
    family: Family, weights: EnergyWeights, values: np.ndarray, y: np.ndarray, limits: np.ndarray
) -> tuple[Energies, np.ndarray]:
    """The energies of the sample, and what a radius of one in every row adds to the bound, for training."""
    form, m = family.form, len(y)
    if isinstance(family, Boxes):
        energies = measure_boxes(family, values, y, limits)
        own = energies.means[np.arange(len(limits)), [k for _, k in pairs(form)]]
        return energies, 2 / m * box_reach(family, own, m)
    energies = measure_energies(weights, form, values, y, limits)
    return energies, 2 / np.sqrt(m) * (form.multipliers * np.sqrt(energies.means)).sum(axis=1)


def _by_row(family: Family, weights: EnergyWeights) -> EnergyWeights:
    """Of boxes the weights for the whole sample, a row each."""
    if isinstance(family, Ellipsoids):
        return weights
    whole = [i for i, (_, k) in enumerate(pairs(family.form)) if k == 0]
    return EnergyWeights(weights.inputs[whole], weights.constant[whole], weights.p)


def _class(task: Task, form: str, model: Model, prepared: Prepared, seed: int) -> tuple[Family, EnergyWeights, Any]:
    """The class, what it weighs the inputs with, and the rehearsal's parameters: all from the images left out."""
    if form == "uniform":
        axes = _uniform_axes(task, prepared)
        some = np.random.default_rng(0).normal(size=axes.shape)  # only the structure counts
        graph = bounds.read_graph(dense_scores(some, model.form.rows * 2), prepared.left_out[:2])
        ellipsoids = Ellipsoids(model.form, axes, name="uniform")
        return ellipsoids, energy_weights(graph, ellipsoids), None
    rehearsal = model.rehearse(prepared, seed)
    graph = bounds.read_graph(model.scores(rehearsal), prepared.left_out[:2])
    means = class_means(prepared.rehearsal.x, prepared.rehearsal.y, task.classes)
    shaped_by = prepared.front_end.shaped_by
    if form == "boxes":
        largest = np.abs(prepared.left_out).max(axis=0).astype(np.float64)
        boxes = box_of_rehearsal(
            model.form, rehearsal, means, largest, shaped_by=shaped_by, side_floor=FLOOR, size_floor=FLOOR
        )
        return boxes, box_weights(boxes), rehearsal
    ellipsoids = rehearsal_ellipsoids(graph, model.form, means, shaped_by=shaped_by, signed=form == "signed")
    return ellipsoids, energy_weights(graph, ellipsoids), rehearsal


def _uniform_axes(task: Task, prepared: Prepared) -> np.ndarray:
    """Equal axes in every row, longer by GROWTH with every level below the root; (R, K + 1).

    They are so long that rows of radius 1 have about the complexity guessed for the task.

    The length is no more than the centre of the grid of radii; it comes from the images left out, not their labels.
    """
    axes = np.append(np.ones(prepared.left_out.shape[1]), UNIFORM_BIAS)
    size = np.append(np.sqrt(np.square(prepared.left_out).mean(axis=0, dtype=np.float64)), 1.0)
    rows = np.array([1.0 + GROWTH * split.depth for split in tree_of(task).splits])
    full = 2 / np.sqrt(prepared.m) * 1.7 * rows.sum() * np.linalg.norm(axes * size)
    return np.outer(rows, axes * (task.guess / full))


def _laps(marks: dict[str, float]) -> dict[str, float]:
    """Seconds between the marks of a watch."""
    return {name: round(t - before, 2) for (_, before), (name, t) in itertools.pairwise(marks.items())}
