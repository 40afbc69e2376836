"""Weights from which distances are measured, and whether they can have been fixed without the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sparsebounds.bounds.graph.graph import Graph

Fixed = Literal["before training"]


@dataclass(frozen=True, eq=False)
class Reference:
    """A graph whose weights the caller declares to have been fixed without the sample.

    A graph alone will do, except where its weights are those of the network itself: then it was most probably read
    after training, and only this declaration lets it pass.

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
    """Raise ValueError if every learned map of two networks of one structure has the same weights.

    Example:
        >>> from sparsebounds import bounds
        >>> graph = bounds.read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2)))
        >>> check_moved(graph, graph)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the reference has the weights of the network itself in every learned layer; read it before ...
    """
    pairs = zip(graph.layers, reference.layers, strict=True)
    terms = [pair for ours, theirs in pairs for pair in zip(ours.terms, theirs.terms, strict=True) if pair[0].learned]
    if terms and all(np.array_equal(a.strengths, b.strengths) for a, b in terms):
        raise ValueError(
            "the reference has the weights of the network itself in every learned layer; read it before training, or, "
            "if these weights were indeed fixed without the sample, "
            "declare it: bounds.Reference(graph, fixed='before training')"
        )


def _no_graph(found: object) -> ValueError:
    return ValueError(
        f"reference is a {type(found).__name__}; needed a Graph: "
        "bounds.read_graph(f0, x[:2]) with the initial weights, read before training"
    )
