"""Groups of elements divided by their size: layer, RMS, group and instance normalisation, without their scales."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True)
class Normalise(NoTerms):
    """u / √(mean(u²) + ε) for every group of elements u, less its mean where `centred`.

    Scale and shift that follow are a linear layer of their own.
    """

    positions: int
    channels: int
    elements: Int32[np.ndarray, "G n"]
    """The elements of each group; none is ABSENT."""
    places: Int32[np.ndarray, "G n"]
    """Where they stand in the layer: every element of the layer once."""
    centred: bool
    epsilon: float
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "normalisation"
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def kind(self) -> str:
        return "centred normalisation" if self.centred else "normalisation"

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, "G n"], ...]:
        return (self.elements,)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"groups": (self.elements, self.places), "normalisation": (self.centred, self.epsilon)}

    def renumbered(self, renumber: Table) -> Normalise:
        return replace(self, elements=renumber(self.elements))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        u = read(self.elements)
        if self.centred:
            u = u - u.mean(axis=2, keepdims=True)
        out = np.empty((len(u), self.size))
        out[:, self.places] = u / np.sqrt(np.square(u).mean(axis=2, keepdims=True) + self.epsilon)
        return out
