"""Softmax attention."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Bool, Float64, Int32
from scipy.special import softmax

from sparsebounds.bounds.graph.layers.shared import NoTerms
from sparsebounds.bounds.graph.terms import Read, Table


@dataclass(frozen=True)
class Attention(NoTerms):
    """o_t^h = Σ_s A_ts^h v_s^h, A_t^h = softmax over s of scale · q_t^h · k_s^h; element (t, h·E + e)."""

    positions: int
    channels: int
    query: Int32[np.ndarray, "T H D"]
    key: Int32[np.ndarray, "S H D"]
    value: Int32[np.ndarray, "S H E"]
    scale: float
    mask: Bool[np.ndarray, "T S"] | None = None
    """Fixed, the same for all heads: False where a key is left out; no row is all False."""
    name: str = ""
    where: str = ""
    groups: int = 1

    role: ClassVar[str] = "attention"
    kind: ClassVar[str] = "attention"
    node: ClassVar[None] = None
    grid: ClassVar[None] = None

    @property
    def elements_read(self) -> tuple[Int32[np.ndarray, " ..."], ...]:
        return (self.query, self.key, self.value)

    @property
    def structure(self) -> dict[str, tuple[Any, ...]]:
        return {"attention": (self.query, self.key, self.value, self.scale, self.mask)}

    def renumbered(self, renumber: Table) -> Attention:
        return replace(self, query=renumber(self.query), key=renumber(self.key), value=renumber(self.value))

    def evaluate(self, read: Read) -> Float64[np.ndarray, "batch size"]:
        """Its values for a batch of inputs: float64 (batch, size)."""
        q, k, v = read(self.query), read(self.key), read(self.value)
        scores = self.scale * (q.transpose(0, 2, 1, 3) @ k.transpose(0, 2, 3, 1))  # (batch, heads, T, S)
        if self.mask is not None:
            scores = np.where(self.mask, scores, -np.inf)
        seen = softmax(scores, axis=-1) @ v.transpose(0, 2, 1, 3)
        return np.asarray(seen.transpose(0, 2, 1, 3).reshape(len(q), -1))
