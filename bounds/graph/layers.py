"""Layers of three kinds: the input, sums of linear terms with an activation, maxima over windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.graph.terms import Diagonal, Taps, Term


@dataclass(frozen=True)
class Input:
    """The coordinates of one input, as the function received them."""

    shape: tuple[int, ...]
    positions: int
    channels: int
    node: np.ndarray | None = None
    """The caller's own grouping of the coordinates into nodes, for every partition but "scalar"."""
    name: str = "input"
    where: str = ""
    groups: int = 1

    @property
    def size(self) -> int:
        return self.positions * self.channels


@dataclass(frozen=True)
class Linear:
    """A sum of linear terms, a bias, then t ↦ max(t, slope·t): ReLU (0), leaky ReLU (0..1), no activation (1)."""

    positions: int
    channels: int
    terms: tuple[Term, ...]
    bias: np.ndarray | None = None
    """float64 (size,); None where the function adds no constant."""
    slope: float = 1.0
    name: str = ""
    where: str = ""
    groups: int = 1
    """Groups of a grouped convolution; they are the channel groups of partition "group"."""

    @property
    def size(self) -> int:
        return self.positions * self.channels

    @property
    def activated(self) -> bool:
        return self.slope != 1.0


@dataclass(frozen=True)
class MaxPool:
    """The maximum over windows, channel by channel: element (f, c) = max_t z[taps(f)_t,c]; ABSENT taps are left out."""

    positions: int
    channels: int
    taps: Taps
    name: str = ""
    where: str = ""
    groups: int = 1

    @property
    def size(self) -> int:
        return self.positions * self.channels


Layer = Input | Linear | MaxPool


def elements_read(layer: Layer) -> list[np.ndarray]:
    """The element numbers a layer reads, one array per term (a convolution's image once, not per window)."""
    if isinstance(layer, MaxPool):
        return [layer.taps.source]
    if isinstance(layer, Linear):
        return [t.elements if isinstance(t, Diagonal) else t.taps.source for t in layer.terms]
    return []


def label(layer: Layer) -> str:
    """How a message names a layer: a module by its name, another operation with its file, line and function too."""
    made_up = " " in layer.name  # such as "dot 1"
    return layer.name + (f" ({layer.where.rpartition('/')[2]})" if made_up and layer.where else "")
