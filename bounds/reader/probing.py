"""Layers under construction, run on random values: how a guess about what they compute is confirmed or dropped."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import owners
from sparsebounds.bounds.graph.layers import Linear, Product, Unknown
from sparsebounds.bounds.reader.layers import Layers

DRAWS = 3
"""Random vectors that a guess is tried on."""
LARGEST = 1 << 23
"""Elements that a guess may run over; beyond, it is dropped."""
AGREE = 1e-9
"""How far values in float64 may be apart, relative to the largest."""


class Probe:
    """Values of layers as functions of some of those below, which are given random values.

    Args:
        layers: those so far.
        free: indices of the layers whose values are random.
        size: of a random value, one standard deviation.
    """

    def __init__(self, layers: Layers, free: Collection[int], size: float = 1.0):
        self.layers = layers
        rng = np.random.default_rng(0)
        self.values = {i: rng.normal(size=(DRAWS, layers.layers[i].size)) * size for i in sorted(free)}
        self.elements = 0

    def read(self, elements: Int[np.ndarray, "*shape"]) -> Float64[np.ndarray, " draws *shape"] | None:
        """Values of these elements, 0 for ABSENT; None where they depend on more than the free layers."""
        out, offsets = np.zeros((DRAWS, *elements.shape)), np.asarray(self.layers.offsets)
        for i in owners(elements, offsets):
            values = self._of(i)
            if values is None:
                return None
            mine = (elements >= offsets[i]) & (elements < offsets[i + 1])
            if mine.all():
                return np.asarray(values[:, elements - offsets[i]])
            out[:, mine] = values[:, elements[mine] - offsets[i]]
        return out

    def _of(self, index: int) -> Float64[np.ndarray, "draws size"] | None:
        if index in self.values:
            return self.values[index]
        layer = self.layers.layers[index]
        self.elements += layer.size
        if layer.role == "input" or self.elements > LARGEST:
            return None
        for elements in layer.elements_read:  # those below first: `evaluate` cannot say that there are none
            for source in owners(elements, np.asarray(self.layers.offsets)):
                if self._of(source) is None:
                    return None
        with np.errstate(all="ignore"):
            values = layer.evaluate(self._known)  # type: ignore[union-attr]
        self.values[index] = values
        return values

    def _known(self, elements: Int[np.ndarray, "*shape"]) -> Float64[np.ndarray, " draws *shape"]:
        values = self.read(elements)
        if values is None:
            raise ValueError("a layer reads what has no values yet")
        return values


def grounds(layers: Layers, elements: Int[np.ndarray, " ..."]) -> set[int]:
    """The layers below these elements that sums, products and copies come from: where a guess begins."""
    found: set[int] = set()
    seen: set[int] = set()
    queue = owners(elements, np.asarray(layers.offsets))
    while queue:
        index = queue.pop()
        if index in seen:
            continue
        seen.add(index)
        layer = layers.layers[index]
        fixed = isinstance(layer, Linear) and not layer.dots
        if not (fixed or isinstance(layer, Product | Unknown)):
            found.add(index)
            continue
        for read in layer.elements_read:
            queue += owners(read, np.asarray(layers.offsets))
    return found


def agree(a: Float64[np.ndarray, "*shape"], b: Float64[np.ndarray, "*shape"], within: float = AGREE) -> bool:
    """Whether two arrays hold the same numbers up to rounding."""
    scale = float(np.max(np.abs(b), initial=0.0))
    return bool(np.isfinite(a).all()) and bool((np.abs(a - b) <= within * scale).all())
