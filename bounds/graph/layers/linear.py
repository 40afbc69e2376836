"""Sums of linear terms, a bias, and ReLU or leaky ReLU."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int, Int32

from sparsebounds.bounds.graph.layers.shared import Elements
from sparsebounds.bounds.graph.terms import Dot, Fixed, Read, Table, Term


@dataclass(frozen=True)
class Linear(Elements):
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

    bias_of: Int32[np.ndarray, " size"] | None = None
    """Elements of the bias with equal numbers are one parameter of the program; None: every element has its own."""

    role: ClassVar[str] = "linear"
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
        # Which elements of the sum are still one parameter is not followed: each counts as one of its own.
        return replace(self, terms=terms, bias=bias, bias_of=self.bias_of if bias is self.bias else None)

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        parts = [term.evaluate(read) for term in self.terms]
        total: np.ndarray = parts[0] if len(parts) == 1 else np.sum(parts, axis=0)
        if self.bias is not None:
            total = total + self.bias
        return np.maximum(total, self.slope * total) if self.activated else total
