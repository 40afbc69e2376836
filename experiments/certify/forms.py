"""The forms of `certify`: which family of classes is fixed in advance, and how networks are trained inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsebounds.bounds.certificates import (
    Boxes,
    Centred,
    CentredNetwork,
    Ellipsoids,
    Family,
    HiddenBoxes,
    Orthants,
    box_around_rehearsal,
    box_of_rehearsal,
    boxes_around_network,
    hidden_boxes_of_rehearsal,
    rehearsal_ellipsoids,
)
from sparsebounds.bounds.certificates.boxes.moments import FIRST
from sparsebounds.bounds.certificates.signs import HALF
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.experiments.certify.data import Prepared
from sparsebounds.experiments.certify.models import Model, Training, class_means, tree_of
from sparsebounds.experiments.certify.tasks import Task
from sparsebounds.nets.certify import (
    Chain,
    train_boxes,
    train_centred,
    train_chain_boxes,
    train_chain_centred,
    train_chain_ellipsoids,
    train_ellipsoids,
)


@dataclass(frozen=True, eq=False)
class Shaping:
    """What a family may be made from: the images left out, and a network trained on them."""

    task: Task
    model: Model
    prepared: Prepared
    rehearsal: Any
    """The parameters of the rehearsal; None where there is none."""
    graph: Graph
    """Of the rehearsal, or of a network of this structure."""

    @property
    def means(self) -> np.ndarray:
        """(C, K + 1): mean energies of the rehearsal's images, per class."""
        return class_means(self.prepared.rehearsal.x, self.prepared.rehearsal.y, self.task.classes)

    @property
    def largest(self) -> np.ndarray:
        """(K,): what no input exceeds, since the front end clips."""
        left_out = self.prepared.left_out
        return np.abs(left_out.reshape(len(left_out), -1)).max(axis=0).astype(np.float64)

    @property
    def shaped_by(self) -> np.ndarray | None:
        return self.prepared.front_end.shaped_by


@dataclass(frozen=True)
class Form:
    """What fixes a class of networks."""

    family: Callable[[Shaping], Family]
    training: Training
    words: str
    """What the images left out are for, beside the front end."""
    rehearsed: bool = True
    """Whether a network is trained on the images left out, and their labels used."""
    linear_only: str = ""
    """What a network with hidden layers does not have, and why; empty where it has it."""


def _boxes(shaping: Shaping) -> Boxes | HiddenBoxes:
    form, floor = shaping.model.form, shaping.task.floor
    if shaping.task.convs:
        return hidden_boxes_of_rehearsal(
            shaping.graph, form, shaping.means, shaping.largest,
            shaped_by=shaping.shaped_by, side_floor=floor, size_floor=floor,
        )  # fmt: skip
    return box_of_rehearsal(
        form, shaping.rehearsal, shaping.means, shaping.largest,
        shaped_by=shaping.shaped_by, side_floor=floor, size_floor=floor,
    )  # fmt: skip


def _centred(shaping: Shaping) -> Centred | CentredNetwork:
    form, task = shaping.model.form, shaping.task
    if task.convs:
        seen = shaping.prepared.rehearsal
        return boxes_around_network(
            shaping.graph, form, seen.x, seen.y, shaping.largest,
            width=task.width, shaped_by=shaping.shaped_by, side_floor=task.floor, size_floor=task.floor,
        )  # fmt: skip
    return box_around_rehearsal(
        form, shaping.rehearsal, shaping.means, shaping.largest,
        width=task.width, shaped_by=shaping.shaped_by, side_floor=task.floor, size_floor=task.floor,
    )  # fmt: skip


def _ellipsoids(shaping: Shaping, *, signed: bool) -> Ellipsoids:
    task = shaping.task
    return rehearsal_ellipsoids(
        shaping.graph, shaping.model.form, shaping.means, shaped_by=shaping.shaped_by, signed=signed,
        weight_floor=task.weight_floor, moment_floor=task.moment_floor,
    )  # fmt: skip


def _uniform(shaping: Shaping) -> Ellipsoids:
    """Equal axes in every row, longer by `growth` with every level below the root; (R, K + 1).

    They are so long that rows of radius 1 have about the complexity guessed for the task.

    The length is no more than the centre of the grid of radii; it comes from the images left out, not their labels.
    """
    task, prepared = shaping.task, shaping.prepared
    axes = np.append(np.ones(prepared.left_out.shape[1]), task.uniform_bias)
    size = np.append(np.sqrt(np.square(prepared.left_out).mean(axis=0, dtype=np.float64)), 1.0)
    rows = np.array([1.0 + task.growth * split.depth for split in tree_of(task).splits])
    full = 2 / np.sqrt(prepared.m) * 1.7 * rows.sum() * np.linalg.norm(axes * size)
    return Ellipsoids(shaping.model.form, np.outer(rows, axes * (task.guess / full)), name="uniform")


def _in_boxes(values: Any, y: Any, signs: Any, family: Boxes, costs: Any, config: Any, start: Any) -> Any:
    return train_boxes(values, y, signs, family.sides * family.signs, costs, config, start=start)


def _in_centred(values: Any, y: Any, signs: Any, family: Centred, costs: Any, config: Any, start: Any) -> Any:
    return train_centred(values, y, signs, family.centres, family.halves, costs, config)


def _in_ellipsoids(values: Any, y: Any, signs: Any, family: Ellipsoids, costs: Any, config: Any, start: Any) -> Any:
    orthant = None if family.orthants is None else family.orthants.rows
    return train_ellipsoids(values, y, signs, family.rows, costs, config, start=start, orthant=orthant)


def _chain_in_ellipsoids(
    chain: Chain, values: Any, y: Any, signs: Any, family: Ellipsoids, costs: Any, config: Any, start: Any
) -> Any:
    orthants = None if family.orthants is None else _named(chain, family.orthants)
    axes = _named(chain, family)
    return train_chain_ellipsoids(chain, values, y, signs, axes, costs, config, start=start, orthants=orthants)


def _chain_in_boxes(
    chain: Chain, values: Any, y: Any, signs: Any, family: HiddenBoxes, costs: Any, config: Any, start: Any
) -> Any:
    sides, shapes = family.sides, enumerate(chain.kernels)
    edges = {f"conv{i}": (sides.hidden[i + 1] * sides.hidden_signs[i + 1])[0, :-1].reshape(s) for i, s in shapes}
    edges["rows"] = sides.rows * sides.signs
    return train_chain_boxes(chain, values, y, signs, edges, costs, config, start=start)


def _chain_in_centred(
    chain: Chain, values: Any, y: Any, signs: Any, family: CentredNetwork, costs: Any, config: Any, start: Any
) -> Any:
    return train_chain_centred(chain, values, y, signs, start, _named(chain, family), costs, config)


def _named(chain: Chain, found: Ellipsoids | Orthants | CentredNetwork) -> dict[str, np.ndarray]:
    """Numbers of all weights, named and shaped like the parameters."""
    shapes = enumerate(chain.kernels)
    return {f"conv{i}": found.hidden[i + 1][0, :-1].reshape(s) for i, s in shapes} | {"rows": found.rows}


FORMS = {
    "boxes": Form(
        _boxes,
        Training((HALF * FIRST) ** 2, _in_boxes, _chain_in_boxes),
        ", sides and signs of the class",
    ),
    "centred": Form(
        _centred,
        Training((HALF * FIRST) ** 2, _in_centred, _chain_in_centred),
        ", the middle of the class",
    ),
    "signed": Form(
        lambda shaping: _ellipsoids(shaping, signed=True),
        Training(HALF, _in_ellipsoids, _chain_in_ellipsoids),
        ", axes and signs of the class",
    ),
    "rehearsal": Form(
        lambda shaping: _ellipsoids(shaping, signed=False),
        Training(1.0, _in_ellipsoids, _chain_in_ellipsoids),
        ", axes of the class",
    ),
    "uniform": Form(
        _uniform,
        Training(1.0, _in_ellipsoids),
        "",
        rehearsed=False,
        linear_only="uniform form: the axes of its hidden layers come from a rehearsal",
    ),
}
"""What fixes the class: a network trained on the images left out, by boxes with its signs, by boxes around it, by
ellipsoids with its signs, by ellipsoids of any sign; or ellipsoids with all axes equal, and no label is used."""
