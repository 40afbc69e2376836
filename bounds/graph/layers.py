"""Layers of three kinds: the input, sums of linear terms with an activation, maxima over windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int, Int32

from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot, Fixed, Read, Table, Term


class _Elements:
    """What every layer has: elements in the order (position, channel)."""

    positions: int
    channels: int
    maximum: ClassVar[bool] = False
    """Whether its values are maxima of some of those that it reads, so that an increasing function may come before."""

    @property
    def size(self) -> int:
        return self.positions * self.channels


class _NoTerms(_Elements):
    """What a layer that adds up no terms says of them."""

    terms: ClassVar[tuple[Term, ...]] = ()
    dots: ClassVar[tuple[Dot, ...]] = ()
    single_dot: ClassVar[None] = None
    bias: ClassVar[None] = None
    slope: ClassVar[float] = 1.0
    activated: ClassVar[bool] = False
    affine: ClassVar[bool] = False

    def folded(self, factor: Float64[np.ndarray, " size"] | None, shift: Float64[np.ndarray, " size"] | None) -> None:
        """A scale or shift that follows it needs a layer of its own."""
        return None


@dataclass(frozen=True)
class Input(_NoTerms):
    """The coordinates of one input, as the function received them."""

    shape: tuple[int, ...]
    positions: int
    channels: int
    node: Int32[np.ndarray, " size"] | None = None
    """The caller's own grouping of the coordinates into nodes, for every partition but "scalar"."""
    name: str = "input"
    where: str = ""
    groups: int = 1

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

    def with_parameters(self, change: Table) -> Input:
        return self


@dataclass(frozen=True)
class Linear(_Elements):
    """A sum of linear terms, a bias, then t ↦ max(t, slope·t): ReLU (0), leaky ReLU (0..1), no activation (1)."""

    positions: int
    channels: int
    terms: tuple[Term, ...]
    bias: Float64[np.ndarray, " size"] | None = None
    """None where the function adds no constant."""
    slope: float = 1.0
    name: str = ""
    where: str = ""
    number: str = "float32"
    """The type of the numbers that the activation was computed in."""
    groups: int = 1
    """Groups of a grouped convolution; they are the channel groups of partition "group"."""

    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def kind(self) -> str:
        return "+".join(type(term).__name__.lower() for term in self.terms)

    @property
    def activated(self) -> bool:
        return self.slope != 1.0

    @property
    def affine(self) -> bool:
        """Whether it is a linear map and a bias alone."""
        return not self.activated

    @property
    def dots(self) -> tuple[Dot, ...]:
        """Its learned maps."""
        return tuple(term for term in self.terms if isinstance(term, Dot))

    @property
    def fixed_terms(self) -> tuple[Fixed, ...]:
        """Its other maps."""
        return tuple(term for term in self.terms if not isinstance(term, Dot))

    @property
    def single_dot(self) -> Dot | None:
        """Its learned map, where that is its only term."""
        return self.dots[0] if len(self.terms) == len(self.dots) == 1 else None

    @property
    def elements_read(self) -> tuple[Int[np.ndarray, " ..."], ...]:
        """The element numbers that it reads, one array per term (a convolution's image once, not per window)."""
        return tuple(term.elements_read for term in self.terms)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        """All but weights and biases, by name; the terms have structures of their own."""
        return {"activation": (self.slope,), "terms": tuple(type(term) for term in self.terms)}

    def renumbered(self, renumber: Table) -> Linear:
        """The same layer reading elements with other numbers."""
        return replace(self, terms=tuple(term.renumbered(renumber) for term in self.terms))

    def with_parameters(self, change: Table) -> Linear:
        """The same layer with every array of weights that the program sets, and the biases, changed."""
        terms = tuple(t if t.parameters is None else t.with_strengths(change(t.parameters)) for t in self.terms)
        return replace(self, terms=terms, bias=None if self.bias is None else change(self.bias))

    def folded(
        self, factor: Float64[np.ndarray, " size"] | None, shift: Float64[np.ndarray, " size"] | None
    ) -> Linear | None:
        """factor · layer + shift as one layer, factor and shift (size,) or None.

        None with an activation, or where a weight that rows share would have to differ between them.
        """
        if not self.affine:
            return None
        terms, bias = self.terms, self.bias
        if factor is not None:
            scaled = [term.scaled(factor) for term in terms]
            terms = tuple(term for term in scaled if term is not None)
            if len(terms) != len(scaled):
                return None
            bias = None if bias is None else bias * factor
        if shift is not None:
            bias = shift if bias is None else bias + shift
        return replace(self, terms=terms, bias=bias)

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        total: np.ndarray = np.sum([term.evaluate(read) for term in self.terms], axis=0)
        if self.bias is not None:
            total = total + self.bias
        return np.maximum(total, self.slope * total) if self.activated else total


@dataclass(frozen=True)
class MaxPool(_NoTerms):
    """The maximum over windows, channel by channel: element (f, c) = max_t z[taps(f)_t,c]; ABSENT taps are left out."""

    positions: int
    channels: int
    taps: Taps
    name: str = ""
    where: str = ""
    groups: int = 1

    kind: ClassVar[str] = "max pool"
    maximum: ClassVar[bool] = True
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def window(self) -> int:
        """The most sites in a window."""
        return int(self.taps.window_sizes.max())

    @property
    def elements(self) -> Int32[np.ndarray, "size T"]:
        """int32 (size, T): the elements that each element of the layer compares, ABSENT left out."""
        seen = self.taps.rows(0).reshape(len(self.taps.sites), -1, self.taps.channels)
        return np.ascontiguousarray(seen.transpose(0, 2, 1)).reshape(self.size, -1)

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, "B S C"], ...]:
        return (self.taps.source,)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"windows": (self.taps.source, self.taps.sites)}

    def renumbered(self, renumber: Table) -> MaxPool:
        return replace(self, taps=self.taps.renumbered(renumber))

    def with_parameters(self, change: Table) -> MaxPool:
        return self

    def windows(self, values: Float64[np.ndarray, " padded"]) -> Iterator[Float64[np.ndarray, "rows T C"]]:
        """From one value per element of the graph, 0 at the end: (rows, T, C) of some rows after the others."""
        return (taken for _, _, taken in self.taps.windows(values))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        source = self.taps.source[0]
        values = read(source)
        values[:, source < 0] = -np.inf
        maxima = [rows.max(axis=2) for _, rows in self.taps.batches(values, fill=-np.inf)]
        return np.concatenate(maxima, axis=1).reshape(len(values), -1)


Layer = Input | Linear | MaxPool


def label(layer: Layer) -> str:
    """How a message names a layer: a module by its name, another operation with its file, line and function too."""
    made_up = " " in layer.name  # such as "dot 1"
    return layer.name + (f" ({layer.where.rpartition('/')[2]})" if made_up and layer.where else "")
