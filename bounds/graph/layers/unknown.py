"""What the reader does not know: an operation with a name and a place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float64, Int32

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True, eq=False)
class Unknown(NoTerms):
    """An operation of the program that no theorem covers; it can be run, and named in a refusal."""

    positions: int
    channels: int
    reads: tuple[Int32[np.ndarray, " ..."], ...]
    """The elements of each operand that depends on the input, in the operand's own shape."""
    operation: str
    """The primitive, as JAX calls it."""
    run: Callable[..., Float64[np.ndarray, "batch size"]]
    """Values of the operands for a batch, (batch, *shape) each → values of the layer."""
    constants: tuple[np.ndarray, ...] = ()
    """Arrays of numbers that stand in the operation and in no other layer."""
    text: str = ""
    """Everything else about the operation, written down; empty where that cannot be done."""
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "unknown"
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def kind(self) -> str:
        return self.operation

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, " ..."], ...]:
        return self.reads

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"operation": (self.operation, *self.reads), "constants": (self.text, *self.constants)}

    def __reduce__(self) -> tuple[Any, ...]:
        """An operation is a piece of the running program.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"layer {self.name or self.operation} is an operation of the program ({self.operation}), which cannot be "
            "pickled; pickle the function, and read the network anew"
        )

    def renumbered(self, renumber: Table) -> Unknown:
        return replace(self, reads=tuple(renumber(part) for part in self.reads))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        return self.run(*(read(part) for part in self.reads))
