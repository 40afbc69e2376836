"""Weights from which distances are measured, and whether they can have been fixed without the sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import label
from sparsebounds.bounds.graph.terms import Dot

Fixed = Literal["before training"]
NEAR = 0.01
"""A learned layer that has moved by less than this share of its reference was probably never a beginning."""
_READ_BEFORE = (
    "read it before training, or, if these weights were indeed fixed without the sample, "
    "declare it: bounds.Reference(graph, fixed='before training')"
)


@dataclass(frozen=True, eq=False)
class Reference:
    """A graph whose weights the caller declares to have been fixed without the sample.

    A graph alone will do, except where its weights are those of the network itself or nearly so (`check_moved`): then
    it was most probably read after training, and only this declaration lets it pass. A declared reference that the
    sample had a part in, such as a checkpoint of the training, makes every bound that uses it void.

    Args:
        graph: the initial weights.
        fixed: when; "before training" is the only answer that a theorem accepts.

    Raises:
        ValueError: no graph, or another answer.

    Example:
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2)))
        >>> bounds.Reference(graph, fixed="before training").fixed
        'before training'
    """

    graph: Graph
    fixed: Fixed

    def __post_init__(self) -> None:
        if not isinstance(self.graph, Graph):
            raise _no_graph(self.graph)
        if self.fixed not in get_args(Fixed):
            raise ValueError(f"fixed is {self.fixed!r}; a reference must have been fixed 'before training'")


def fixed_weights(reference: object) -> Graph | None:
    """The graph of a reference, declared or not; None where there is none.

    Raises:
        ValueError: anything else.
    """
    found = reference.graph if isinstance(reference, Reference) else reference
    if found is None or isinstance(found, Graph):
        return found
    raise _no_graph(found)


def check_moved(graph: Graph, reference: Graph) -> None:
    """Raise ValueError unless two networks of one structure are as far apart as training leaves them.

    ‖W − W⁰‖_F / ‖W⁰‖_F of a learned layer is 0 where it was never trained. One layer at least must have moved, and each
    that has by `NEAR` or more: less is what rounding, a copy in another precision or a late checkpoint of the same
    training leave.

    Example:
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2)))
        >>> check_moved(graph, graph)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the reference has the weights of the network itself in every learned layer; read it before ...
    """
    pairs = zip(graph.layers, reference.layers, strict=True)
    moved = {label(ours): _moved(ours.dots, theirs.dots) for ours, theirs in pairs if ours.dots}
    if moved and not any(moved.values()):
        raise ValueError(f"the reference has the weights of the network itself in every learned layer; {_READ_BEFORE}")
    near = {name: distance for name, distance in moved.items() if 0.0 < distance < NEAR}
    if near:
        name, distance = min(near.items(), key=lambda item: item[1])
        raise ValueError(
            f"the reference has nearly the weights of the network itself: in layer {name} they differ by "
            f"{distance:.2g} of their norm, less than {NEAR:g}, as in a rounded copy or a late checkpoint; "
            f"{_READ_BEFORE}"
        )


def _moved(ours: tuple[Dot, ...], theirs: tuple[Dot, ...]) -> float:
    """The relative distance of a layer's learned maps together; infinite from weights that are all zero."""
    pairs = list(zip(ours, theirs, strict=True))
    size = math.hypot(*(float(np.linalg.norm(b.strengths)) for _, b in pairs))
    distance = math.hypot(*(float(np.linalg.norm(a.strengths - b.strengths)) for a, b in pairs))
    return distance / size if size > 0.0 else math.inf if distance > 0.0 else 0.0


def _no_graph(found: object) -> ValueError:
    return ValueError(
        f"reference is a {type(found).__name__}; needed a Graph: "
        "bounds.read_graph(f0, x[:2]) with the initial weights, read before training"
    )
