"""A network of which no graph is known: its program written down, its numbers beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Shaped

from sparsebounds.bounds.graph.layers.input import Input
from sparsebounds.bounds.graph.memory import Memory

ROLE = "program"
"""What a theorem names among the roles that it covers if it needs no graph."""


@dataclass(frozen=True, eq=False)
class Program:
    """A network as a bound sees it that looks at predictions, or at the length of a program, and at no layer.

    Stands in the place of a graph; made by `bounds.read_program`.
    """

    input: Input
    classes: int
    run: Callable[[Shaped[np.ndarray, "B ..."]], Float64[np.ndarray, "B C"]]
    """The scores of some inputs."""
    reason: str
    """Why there is no graph, in one sentence."""
    text: str | None
    """All of the program but its arrays; None where it could not be traced."""
    numbers: tuple[tuple[str, np.ndarray], ...] = ()
    """Name and numbers of every array that the program uses: parameters, and constants of the closure."""
    constants: int = 0
    """How many of them, the last ones, were closed over and not handed in as parameters."""
    ends: tuple[str, ...] = ()
    """As in `Graph`."""
    rounding: float = 0.0
    """As in `Graph`: scores are those of the program itself."""
    memory: Memory = field(default_factory=Memory, init=False, repr=False)

    def outside(self, roles: Collection[str]) -> str:
        """Why a theorem that knows layers of these roles cannot speak of it; empty where it can."""
        return "" if ROLE in roles else f"it needs the graph of the network, which could not be read: {self.reason}"

    def with_fixed_selections(self) -> Program:
        """The same: what its text picks is paid for with the text."""
        return self
