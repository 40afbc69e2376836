"""What every layer has, and what a layer without terms says of them."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.terms import Dot, Table, Term


class Elements:
    """What every layer has: elements in the order (position, channel)."""

    positions: int
    channels: int
    role: ClassVar[str]
    """What it is to a theorem: "input", "linear", "max pool", "activation" …; a declaration names those it covers."""
    maximum: ClassVar[bool] = False
    """Whether its values are maxima of some of those that it reads, so that an increasing function may come before."""

    @property
    def size(self) -> int:
        return self.positions * self.channels


class NoTerms(Elements):
    """What a layer that adds up no terms says of them."""

    terms: ClassVar[tuple[Term, ...]] = ()
    dots: ClassVar[tuple[Dot, ...]] = ()
    single_dot: ClassVar[None] = None
    bias: ClassVar[None] = None
    bias_of: ClassVar[None] = None
    slope: ClassVar[float] = 1.0
    activated: ClassVar[bool] = False
    affine: ClassVar[bool] = False

    def with_parameters(self, change: Table) -> Self:
        """The same layer: it has no weights."""
        return self

    def folded(self, factor: Float64[np.ndarray, " size"] | None, shift: Float64[np.ndarray, " size"] | None) -> None:
        """A scale or shift that follows it needs a layer of its own."""
        return None
