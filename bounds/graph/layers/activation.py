"""A fixed function of every element."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True)
class Activation(NoTerms):
    """One fixed function of every element: element e = σ(z[elements_e]), such as tanh, GELU, ReLU6, |t|.

    ReLU and leaky ReLU of slope 0 … 1 are no layers of their own but part of the linear layer below them.
    """

    positions: int
    channels: int
    elements: Int32[np.ndarray, " size"]
    """The element that each element of the layer reads; ABSENT gives σ(0)."""
    function: Nonlinearity
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "activation"
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def kind(self) -> str:
        return self.function.name

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, " size"], ...]:
        return (self.elements,)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"activation": (self.function.name, self.function.numbers), "elements read": (self.elements,)}

    def renumbered(self, renumber: Table) -> Activation:
        return replace(self, elements=renumber(self.elements))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        return self.function.apply(read(self.elements))
