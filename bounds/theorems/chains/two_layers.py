"""Networks of two layers, unit by unit: what comes into every hidden unit, and what goes from it to the scores."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Linear
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity, two_slopes
from sparsebounds.bounds.margin.grids import grid_up
from sparsebounds.bounds.norms import row_norms
from sparsebounds.bounds.norms.entries import biases, layer_scale, linear_layer
from sparsebounds.bounds.theorems.chains.plain import Level, read_levels

Elements = Float64[np.ndarray, " elements"]


@dataclass(frozen=True)
class TwoLayers:
    """A hidden layer of units σ(u_k·(x, 1)), fixed linear maps, one linear layer."""

    graph: Graph
    levels: tuple[Level, ...]
    function: Nonlinearity
    """σ."""

    @property
    def hidden(self) -> tuple[int, ...]:
        """The layers whose elements are the units."""
        return self.levels[0].indices

    @property
    def contraction(self) -> float:
        """s_σ/λ, 1 where σ is odd: E sup |Σ ξ σ(t)| ≤ s_σ (E sup |Σ ξ t|²)^½, theorem M of docs/theory.md."""
        one = self.function
        if one.odd:
            return 1.0
        apart = (abs(one.low + one.high) + (one.high - one.low) * math.sqrt(2)) / 2
        return min(math.sqrt(2), apart / one.lipschitz)

    def incoming(self) -> tuple[Elements, dict[str, float]]:
        """‖u_k‖ of every element that is a unit, 0 elsewhere, and what they cost.

        One number for all, rounded up, where σ is not homogeneous and units cannot be rescaled.
        """
        found = np.zeros(int(self.graph.offsets[-1]))
        for i in self.hidden:
            mine = slice(self.graph.offsets[i], self.graph.offsets[i + 1])
            found[mine] = np.hypot(row_norms(self.graph, i), biases(self.graph, i))
        if self.function.homogeneous:
            return found, {}
        largest, nats = grid_up(float(found.max()))
        for i in self.hidden:
            found[self.graph.offsets[i] : self.graph.offsets[i + 1]] = largest
        return found, {"largest norm into a unit": nats}

    def outgoing(self) -> tuple[Elements, float]:
        """‖v_k‖ of every element, and the norm of what the constant 1 goes to the scores with."""
        last = len(self.graph.layers) - 1
        head = linear_layer(self.graph, last)
        if len(self.levels) == 2 and head.single_dot is not None and not self.function.at_zero and self._plain:
            scale = layer_scale(head)
            squares = head.single_dot.apply_transposed(
                np.ones(head.size), lambda w: np.square(w / scale), int(self.graph.offsets[-1])
            )
            return np.sqrt(squares) * scale, math.hypot(*biases(self.graph, last))
        squares, constants = np.zeros(int(self.graph.offsets[-1])), []
        for r in range(head.size):
            weights, constant = self._of_score(r)
            squares += np.square(weights)
            constants.append(constant)
        return np.sqrt(squares), math.hypot(*constants)

    @property
    def _plain(self) -> bool:
        """Whether units are activated in the layer itself."""
        return all(self.graph.layers[i].activated for i in self.hidden)

    def _of_score(self, r: int) -> tuple[Elements, float]:
        """The weight of score r on every element, through all that lies between, and that of the constant 1."""
        graph = self.graph
        weights, constant = np.zeros(int(graph.offsets[-1])), 0.0
        weights[graph.offsets[-2] + r] = 1.0
        for index in range(len(graph.layers) - 1, 0, -1):
            layer, mine = graph.layers[index], weights[graph.offsets[index] : graph.offsets[index + 1]].copy()
            if index in self.hidden or not mine.any():
                continue
            if isinstance(layer, Activation):
                there = layer.elements >= 0
                np.add.at(weights, layer.elements[there], mine[there])
                constant += self.function.at_zero * float(mine.sum())
            elif isinstance(layer, Linear):
                for term in linear_layer(graph, index).terms:
                    weights += term.apply_transposed(mine, lambda w: w, len(weights))
                if layer.bias is not None:
                    constant += float(mine @ np.copysign(biases(graph, index), layer.bias))
        return weights, constant


def read_two_layers(graph: Graph) -> TwoLayers:
    """The two layers of a network.

    Args:
        graph: any network of linear layers and activations.

    Raises:
        NotCovered: another number of layers, a skip, max pooling.

    Example:
        >>> read_two_layers(graph).hidden
        (1,)
    """
    levels = read_levels(graph, lipschitz=True)
    first, *between = levels[:-1] or (levels[0],)
    applied = first.activation
    if first is levels[-1] or applied is None or any(not level.fixed for level in between):
        names = "; ".join(level.names for level in levels)
        raise NotCovered(f"{len(levels)} layers ({names}) where there must be two, an activation between them")
    return TwoLayers(graph, levels, applied if isinstance(applied, Nonlinearity) else two_slopes(applied, 1.0))
