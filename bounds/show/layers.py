"""What a network's layers show of themselves: energies by position, and what shrinking each would gain."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.pruning import pruned
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.rademacher.galanti import vector_complexity

MOST_CELLS = 32
"""A heat map has at most so many rows and columns; larger ones are averaged."""
DENSITY = 0.5
"""What stays of a layer in the ranking."""


@dataclass(frozen=True, eq=False)
class HeatMap:
    """The mean energy of a layer by position, or by channel where it has one position."""

    layer: str
    of: str
    """What a cell is: "positions" or "channels"."""
    values: Float64[np.ndarray, "H W"]


def energy_maps(graph: Graph, x: np.ndarray) -> list[HeatMap]:
    """Mean squares of the values of every layer over some inputs.

    Args:
        graph: the network.
        x: (n, …) inputs.

    Returns:
        One map per layer, the input first: Σ over channels of the mean of a², position by position, in the shape of the
        image where the positions make a square or the input says their shape.

    Example:
        >>> from sparsebounds import bounds
        >>> x = np.array([[3.0, 4.0]], np.float32)
        >>> [m.values.tolist() for m in energy_maps(bounds.read_graph(lambda x: 2 * x, x), x)]
        [[[9.0, 16.0]], [[36.0, 64.0]]]
    """
    maps = []
    for layer, values in zip(graph.layers, activations(graph, x), strict=True):
        squares = np.mean(np.square(values), axis=0)
        whole = squares.shape[0] == 1 or (layer.grid is None and squares.shape[1] == 1 and layer.role == "input")
        energy = squares.ravel() if whole else squares.sum(axis=1)
        shape = _shape(len(energy), None if whole else layer.grid)
        maps.append(HeatMap(layer.name, "channels" if whole else "positions", _small(energy.reshape(shape))))
    return maps


def _shape(count: int, grid: tuple[int, ...] | None) -> tuple[int, int]:
    if grid is not None and math.prod(grid) == count:
        return (grid[0], count // grid[0]) if len(grid) > 1 else (1, count)
    side = math.isqrt(count)
    return (side, side) if side * side == count and side > 1 else (1, count)


def _small(values: np.ndarray) -> np.ndarray:
    """Means of blocks, so that no side is longer than `MOST_CELLS`."""
    for axis in (0, 1):
        count = values.shape[axis]
        if count > MOST_CELLS:
            parts = np.array_split(values, MOST_CELLS, axis=axis)
            values = np.concatenate([part.mean(axis=axis, keepdims=True) for part in parts], axis=axis)
    return values


def shrinking_gains(graph: Graph, sample: Sample, density: float = DENSITY) -> dict[str, float]:
    """How much smaller the complexity of `galanti` is with half of a layer's weights, layer by layer, largest first.

    Magnitude pruning of one layer; the margins are left as they are, so that this ranks layers and bounds nothing:
    `bounds.what_if_pruned` gives the bound of the pruned network with its own margins.

    Args:
        graph: the network.
        sample: its energies and m.
        density: share of the layer's weights that stays.

    Returns:
        Layer → 1 − complexity pruned / complexity now.

    Raises:
        NotCovered: a network outside `galanti`.

    Example:
        >>> from sparsebounds import bounds
        >>> [round(gain, 2) for gain in shrinking_gains(graph, sample).values()]  # half of an identity's numbers are 0
        [0.0, 0.0]
    """
    outside = graph.outside(("input", "linear", "max pool", "activation"))
    if outside:
        raise NotCovered(outside)
    now = _complexity(graph, sample)
    gains = {
        layer.name: 1 - _complexity(pruned(graph, i, density), sample) / now if now > 0 else 0.0
        for i, layer in graph.linear_layers()
        if layer.dots
    }
    return dict(sorted(gains.items(), key=lambda item: -item[1]))


def _complexity(graph: Graph, sample: Sample) -> float:
    return vector_complexity(graph, sample.energies, sample.m).value
