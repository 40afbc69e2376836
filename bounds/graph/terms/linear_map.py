"""What every term of a layer can do, whatever its kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Self

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32

from sparsebounds.bounds.graph.blocks import Blocks, LayerNodes

Table = Callable[[np.ndarray], np.ndarray]
"""What is done to a weight before it is summed: its square, its absolute value."""
Read = Callable[[np.ndarray], np.ndarray]
"""Numbers of elements, of any shape → their values for a batch of inputs, (batch, *shape); ABSENT is 0."""


class LinearMap(ABC):
    """A linear map from the elements of a graph to those of one layer: one of the terms that the layer adds up."""

    learned: ClassVar[bool] = False
    """Whether training chooses all that the map does; otherwise it is fixed, up to a scale."""

    # ---- what it reads ------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def elements_read(self) -> Int32[np.ndarray, " ..."]:
        """Numbers of the elements that it reads, ABSENT for zeros; an image once and whole, not per window."""

    @property
    @abstractmethod
    def reads_twice(self) -> bool:
        """Whether some row reads one element twice, so that its entry is a sum of weights."""

    @property
    def width(self) -> int:
        """One more than the largest of the elements that it reads."""
        return int(self.elements_read.max(initial=-1)) + 1

    @abstractmethod
    def renumbered(self, renumber: Table) -> Self:
        """The same map of elements with other numbers."""

    # ---- its weights --------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def strengths(self) -> Float64[np.ndarray, " ..."]:
        """Its weights in float64: a table, or the coefficients of a fixed map."""

    @abstractmethod
    def with_strengths(self, values: Float64[np.ndarray, " ..."]) -> Self:
        """The same map with other weights, arranged like `strengths`."""

    @property
    @abstractmethod
    def parameters(self) -> Float64[np.ndarray, " ..."] | None:
        """The weights that the program sets one by one; None where there are none (a pooling, a plain skip)."""

    @abstractmethod
    def scaled(self, factor: Float64[np.ndarray, " size"]) -> Self | None:
        """diag(factor) · map, for a factor (size,); None where a shared weight would have to differ between rows."""

    @abstractmethod
    def reordered(self, order: Int[np.ndarray, " size"]) -> Self | None:
        """The map whose row j is row `order[j]` of this one; None where its rows have no other order."""

    @property
    @abstractmethod
    def structure(self) -> dict[str, tuple[Any, ...]]:
        """All but the learned weights, by name: two maps with equal structure differ in these alone."""

    # ---- its matrix ---------------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def entry_count(self) -> int:
        """How many entries `entries` writes out."""

    @property
    @abstractmethod
    def additions(self) -> int:
        """Not below the number of additions behind one sum over its weights."""

    @abstractmethod
    def entries(self) -> tuple[Int[np.ndarray, " ..."], Int[np.ndarray, " ..."], Float64[np.ndarray, " ..."]]:
        """(row, element, weight) of every entry of its matrix, broadcast against each other; ABSENT ones included."""

    def add_to(self, matrix: Float64[np.ndarray, "size columns"], column: Int[np.ndarray, " padded"]) -> None:
        """Add its matrix to one whose columns are `column[element]`; ABSENT, −1, has a column too."""
        rows, elements, values = self.entries()
        places = rows * matrix.shape[1] + column[elements]
        added = np.bincount(places.ravel(), np.broadcast_to(values, places.shape).ravel(), matrix.size)
        matrix += added.reshape(matrix.shape)

    def row_sums(self, table: Table) -> Float64[np.ndarray, " size"]:
        """Σ over the entries of every row of `table(entry)`, an element that is read twice counting twice: (size,)."""
        return self.apply(np.append(np.ones(self.width), 0.0), table)

    def sum_of_entries(self, table: Table) -> float:
        """Σ over all entries of `table(entry)`."""
        return float(self.row_sums(table).sum())

    # ---- what it does to values ---------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, values: Float64[np.ndarray, " padded"], table: Table) -> Float64[np.ndarray, " size"]:
        """The map with weights `table(weight)` on one value per element of the graph, 0 at the end: float64 (size,)."""

    def reads_of(self, values: Float64[np.ndarray, " padded"]) -> Bool[np.ndarray, " size"]:
        """Which rows have an entry, be it zero, at an element whose value is above 0: `apply` with ones for weights."""
        return np.asarray(self.apply(values, np.ones_like) > 0)

    @abstractmethod
    def apply_transposed(
        self, outputs: Float64[np.ndarray, " outputs"], table: Table, size: int
    ) -> Float64[np.ndarray, " size"]:
        """The transposed map with weights `table(weight)` on one vector of outputs: float64 (size,), per element."""

    @abstractmethod
    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""

    @abstractmethod
    def blocks(self, nodes: LayerNodes) -> Blocks:
        """Its blocks between nodes. A fixed map gets its pattern: norm 1 per non-zero."""
