"""Homogeneous chains: networks that do not change when layers are rescaled against each other."""

from __future__ import annotations

from dataclasses import dataclass

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Layer, Linear, MaxPool
from sparsebounds.bounds.theorems.passes.maps import Place, is_learned


@dataclass(frozen=True)
class Step:
    """One layer of a chain."""

    place: Place
    """Of its term; of a max pool too, which counts as a single one."""
    learned: bool
    biased: bool


def homogeneous_chain(graph: Graph) -> tuple[Step, ...] | None:
    """The layers above the input where each reads the one below it alone, through one positively homogeneous map.

    Args:
        graph: any network.

    Returns:
        In order; None for another network: a skip, a branch, a sum of maps.

    Example:
        >>> [step.learned for step in homogeneous_chain(graph) or ()]
        [True, True]
    """
    found = []
    for i, layer in graph.computed():
        if graph.sources(i) not in ([i - 1], []) or not _homogeneous(layer):
            return None
        learned = isinstance(layer, Linear) and is_learned(layer.terms[0], absorbed=True)
        found.append(Step(Place(i, 0), learned, layer.bias is not None))
    return tuple(found)


def _homogeneous(layer: Layer) -> bool:
    """Whether a layer, its bias left out, is one map with f(c z) = c f(z) for c ≥ 0."""
    if isinstance(layer, Activation):
        return layer.function.homogeneous
    return isinstance(layer, MaxPool) or (isinstance(layer, Linear) and len(layer.terms) == 1)
