"""Diagonal: one element each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int, Int32

from sparsebounds.bounds.graph.blocks import Blocks, LayerNodes, row_blocks
from sparsebounds.bounds.graph.elements import ABSENT, counted
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms.linear_map import LinearMap, Read, Table


@dataclass(frozen=True)
class Diagonal(LinearMap):
    """One element each: a skip connection, an elementwise scale, an activation without a linear map before it."""

    elements: Int32[np.ndarray, " size"]
    """The element that each element of the layer reads."""
    scale: Float64[np.ndarray, " size"] | None = None
    """None for ones."""

    @property
    def copies(self) -> Int32[np.ndarray, "1 size"]:
        """The one P of which this is diag(scale) · P: the element that each element of the layer reads."""
        return self.elements[None]

    @property
    def factors(self) -> Float64[np.ndarray, " size"]:
        """What each element of the layer is multiplied by: float64 (size,)."""
        return np.ones(self.elements.size) if self.scale is None else self.scale

    @property
    def learned_scale(self) -> float | None:
        """max |scale| of what is there; None for a plain copy."""
        return None if self.scale is None else float(np.abs(self.scale[self.elements >= 0]).max(initial=0.0))

    # ---- as every term ------------------------------------------------------------------------------------------

    @property
    def elements_read(self) -> Int32[np.ndarray, " size"]:
        return self.elements

    @property
    def reads_twice(self) -> bool:
        return False

    def renumbered(self, renumber: Table) -> Diagonal:
        return replace(self, elements=renumber(self.elements))

    @property
    def strengths(self) -> Float64[np.ndarray, " ..."]:
        return np.ones(1) if self.scale is None else self.scale

    def with_strengths(self, values: Float64[np.ndarray, " ..."]) -> Diagonal:
        return replace(self, scale=np.broadcast_to(values, self.elements.shape).copy())

    @property
    def parameters(self) -> Float64[np.ndarray, " size"] | None:
        return self.scale

    def scaled(self, factor: Float64[np.ndarray, " size"]) -> Diagonal:
        return replace(self, scale=factor if self.scale is None else self.scale * factor)

    def reordered(self, order: Int[np.ndarray, " size"]) -> Diagonal:
        return Diagonal(self.elements[order], None if self.scale is None else self.scale[order])

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"elementwise scale": (self.elements, self.scale)}

    @property
    def entry_count(self) -> int:
        return self.elements.size

    @property
    def additions(self) -> int:
        return self.elements.size

    def entries(self) -> tuple[Int[np.ndarray, " size"], Int[np.ndarray, " size"], Float64[np.ndarray, " size"]]:
        return np.arange(self.elements.size), self.elements.ravel(), self.factors

    def apply(self, values: Float64[np.ndarray, " padded"], table: Table) -> Float64[np.ndarray, " size"]:
        return values[self.elements] * table(self.strengths)

    def apply_transposed(
        self, outputs: Float64[np.ndarray, " outputs"], table: Table, size: int
    ) -> Float64[np.ndarray, " size"]:
        return counted(self.elements, outputs * table(self.strengths), size)

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        values = read(self.elements)
        return values if self.scale is None else values * self.scale

    def blocks(self, nodes: LayerNodes) -> Blocks:
        elements = self.elements if self.scale is None else np.where(self.scale == 0, ABSENT, self.elements)
        rows = elements.astype(np.int32).reshape(1, -1, nodes.channels)
        return row_blocks(Taps.spelled(rows), np.eye(nodes.channels)[None], None, nodes)
