"""Products of elements: gates, squares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True)
class Product(NoTerms):
    """The product of two elements each: gated units, squeeze-and-excite, squares."""

    positions: int
    channels: int
    left: Int32[np.ndarray, " size"]
    right: Int32[np.ndarray, " size"]
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "product"
    kind: ClassVar[str] = "product"
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, " size"], ...]:
        return (self.left, self.right)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"factors": (self.left, self.right)}

    def renumbered(self, renumber: Table) -> Product:
        return replace(self, left=renumber(self.left), right=renumber(self.right))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        return read(self.left) * read(self.right)
