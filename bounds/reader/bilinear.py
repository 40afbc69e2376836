"""Sums of products of two values that both depend on the input: scores of attention, and what they weigh."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Int32

from sparsebounds.bounds.reader.values import View


@dataclass(frozen=True)
class Bilinear:
    """Element (b, f, n) = Σ_k left[b, f, k] · right[b, n, k], of element numbers."""

    left: Int32[np.ndarray, "B F K"]
    right: Int32[np.ndarray, "B N K"]
    shape: tuple[int, ...]
    """What the program has (b, f, n) in."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        return (*self.left.shape[:2], self.right.shape[1])


def bilinear(eqn: JaxprEqn, a: View, b: View) -> Bilinear:
    """A `dot_general` of two plain views."""
    contract, batch = eqn.params["dimension_numbers"]
    (left, free), (right, others) = (_rows(v, contract[i], batch[i]) for i, v in enumerate((a, b)))
    shape = (*(a.shape[d] for d in batch[0]), *free, *others)
    return Bilinear(left, right, shape)


def _rows(view: View, contract: Any, batch: Any) -> tuple[Int32[np.ndarray, "B F K"], tuple[int, ...]]:
    """Element numbers by batch, free and contracted axes, and the lengths of the free ones."""
    free = [d for d in range(view.ids.ndim) if d not in (*contract, *batch)]
    lengths = tuple(view.shape[d] for d in free)
    shape = (prod(view.shape[d] for d in batch), prod(lengths), prod(view.shape[d] for d in contract))
    return np.ascontiguousarray(view.ids.transpose(*batch, *free, *contract).reshape(shape)), lengths
