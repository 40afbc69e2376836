"""The input of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Table


@dataclass(frozen=True)
class Input(NoTerms):
    """The coordinates of one input, as the function received them."""

    shape: tuple[int, ...]
    positions: int
    channels: int
    node: Int32[np.ndarray, " size"] | None = None
    """The caller's own grouping of the coordinates into nodes, for every partition but "scalar"."""
    name: str = "input"
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "input"
    kind: ClassVar[str] = "input"
    elements_read: ClassVar[tuple[np.ndarray, ...]] = ()

    @property
    def grid(self) -> tuple[int, ...] | None:
        """The shape of its positions, where the function says so."""
        return self.shape[:-1] if len(self.shape) > 1 else None

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"shape": (self.shape,)}

    def renumbered(self, renumber: Table) -> Input:
        return self
