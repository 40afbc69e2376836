"""Norms that a class fixes layer by layer: rounded up to a grid, each with its price."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.layers import Linear, label

Logs = Float64[np.ndarray, " ..."]


@dataclass
class FixedNumbers:
    """Two numbers for every layer below the scores: of its rows and of its biases, at most."""

    round_up: Callable[[float], tuple[float, float]]
    """A number → (the number of the class, not smaller; its price in nats)."""
    shown: dict[str, float] = field(default_factory=dict)
    """What the class fixes."""
    nats: float = 0.0
    """Of all of it."""

    def fixed(
        self, layer: Linear, learned: Logs | None, bias: Logs | None, fixed: Logs | None
    ) -> tuple[Logs | None, Logs | None, Logs | None]:
        """The largest of all rows and the largest of all biases, rounded up, for each row; learned scales are rows too.

        Every row of the layer then ranges over one set, which the proof needs where no row is a multiple of another.
        """
        if any(not term.learned and term.learned_scale is not None for term in layer.fixed_terms):
            parts = [part for part in (learned, fixed) if part is not None]
            learned, fixed = np.asarray(np.logaddexp.reduce(parts, axis=0)), None
        return self._one(layer, "rows", learned), self._one(layer, "biases", bias), fixed

    def _one(self, layer: Linear, name: str, logs: Logs | None) -> Logs | None:
        if logs is None:
            return None
        number, nats = self.round_up(float(np.exp(logs.max())))
        self.nats += nats
        self.shown[f"{label(layer)}: {name}"] = number
        return np.full(len(logs), math.log(number) if number > 0 else -math.inf)
