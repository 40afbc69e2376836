"""The learned maps of a network as the papers see them: one reshaped kernel each, and its operator beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.norms.entries import linear_layer
from sparsebounds.bounds.norms.entrywise import frobenius_norm
from sparsebounds.bounds.norms.kernels import Kernel, term_kernel
from sparsebounds.bounds.norms.spectral import spectral_upper


@dataclass(frozen=True, eq=False)
class Weights:
    """One learned map of a graph, without its bias.

    Args:
        graph: the network.
        index, number: of the layer, and of the term in it.
    """

    graph: Graph
    index: int
    number: int

    @cached_property
    def kernel(self) -> Kernel:
        """Its numbers, each once, as (taps, in, out)."""
        return term_kernel(self.graph, self.index, self.number)

    @property
    def name(self) -> str:
        return self.graph.layers[self.index].name

    @cached_property
    def matrix(self) -> Float64[np.ndarray, "out taps_in"]:
        """The reshaped kernel of the papers: one row for every output channel."""
        table = self.kernel.table
        return table.reshape(-1, table.shape[2]).T

    @cached_property
    def slices(self) -> list[Float64[np.ndarray, "out in"]]:
        """One for every tap of a convolution, times √½; of other layers one per set of weights."""
        (dot,) = linear_layer(self.graph, self.index, self.number).dots
        dot = dot.with_shared_rows
        if dot.dense or (len(dot.weight) > 1 and dot.taps.shape[1] == 1):
            return [weight.T for weight in dot.weight]
        return [math.sqrt(0.5) * tap.T for tap in self.kernel.table]

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.matrix.size

    @cached_property
    def singular_values(self) -> Float64[np.ndarray, " k"]:
        """Of the reshaped kernel, the largest first."""
        return np.linalg.svd(self.matrix, compute_uv=False)

    @property
    def spectral(self) -> float:
        """σ_1 of the reshaped kernel."""
        return float(self.singular_values[0])

    @cached_property
    def frobenius(self) -> float:
        """‖w‖_F: of all numbers, each once."""
        return float(np.linalg.norm(self.matrix))

    @cached_property
    def spectral_fft(self) -> float:
        """max over the frequencies of the input's grid of σ_1 of the kernel's transform: strides count as 1.

        A dense layer has one tap, and its transform is its matrix.
        """
        table, sizes = self.kernel.table, self.graph.input.coordinates[:-1]
        places = self.kernel.places
        if len(table) == 1:
            return self.spectral
        if places is None or places.shape[1] != len(sizes):
            raise ValueError("its taps lie on no grid with the axes of the input")
        spread = np.zeros((*sizes, *table.shape[1:]))
        for place, tap in zip(places, table, strict=True):
            spread[tuple(place % np.array(sizes))] += tap
        frequencies = np.fft.fftn(spread, axes=tuple(range(len(sizes))))
        grams = frequencies.reshape(-1, *table.shape[1:])
        return float(np.linalg.svd(grams, compute_uv=False).max())

    @cached_property
    def spectral_operator(self) -> float:
        """‖A‖ of the map with its strides and padding, never below it, see `spectral_upper`."""
        return spectral_upper(self.graph, self.index, self.number)

    @cached_property
    def frobenius_operator(self) -> float:
        """‖A‖_F of the map: a weight counts as often as it is used."""
        return frobenius_norm(self.graph, self.index, self.number)


def weights_of(graph: Graph) -> tuple[Weights, ...]:
    """All learned maps of a graph, in the order of its layers; biases and learned scales are none."""
    return tuple(
        Weights(graph, index, number)
        for index, layer in graph.linear_layers()
        for number, term in enumerate(layer.terms)
        if term.learned
    )
