"""In how many steps the activations and max pools of a network can be peeled: stages of one kind each.

A stage takes everything computed so far and applies one kind of map, ReLU or a maximum over K inputs, to its convex
combinations. Every layer with an activation and every max pool must find its place in one of the stages, after all
that it reads. Counting the most activations and the most max pools of any one path is not enough: a network with a
path "ReLU, then max" beside a path "max, then ReLU" has one of each on every path, and needs three stages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Layer, MaxPool
from sparsebounds.bounds.theorems.chains.activations import Applied, log_growth

Kind = tuple[Literal["activation"], Applied] | tuple[Literal["max"], int]
"""("activation", slope or function), ("max", K)."""


@dataclass(frozen=True)
class Stages:
    """The stages of a network, in an order in which they can be carried out."""

    kinds: tuple[Kind, ...]
    nonnegative: bool
    """Whether all that activations and max pools compute is non-negative for all weights, so that another ReLU does
    not change it."""

    @property
    def applied(self) -> tuple[Applied, ...]:
        """What the stages of activations apply."""
        return tuple(kind[1] for kind in self.kinds if kind[0] == "activation")

    @property
    def activations(self) -> int:
        """How many stages are activations."""
        return len(self.applied)

    @property
    def windows(self) -> tuple[int, ...]:
        """For every stage of max pooling, the most elements K of a window."""
        return tuple(kind[1] for kind in self.kinds if kind[0] == "max")

    def logs(self, kappas: Sequence[int], inputs: int, outputs: int, scales: int = 1) -> float:
        """log of 2 · x · inputs · outputs, x being how much E exp(λ sup |…|) grows from 1 at the inputs.

        A stage of activations makes it g x + 1, or (g + 1) x where values may be negative; one of max pools (1 + 2κ) x.
        """
        left = list(kappas)
        grown = 0.0
        for kind in self.kinds:
            if kind[0] == "max":
                grown += math.log1p(2 * left.pop(0))
            else:
                before = 0.0 if self.nonnegative else grown
                grown = float(np.logaddexp(log_growth(kind[1], scales) + grown, before))
        return math.log(2.0) + grown + math.log(inputs * outputs)

    def log_first_moments(self) -> float:
        """log of how much E sup |…| grows from 1 at the inputs: 2x + 1 a stage of activations, or 3x where values may
        be negative; 3x one of max pools, their values divided by their windows.

        Example:
            >>> round(math.exp(Stages((("activation", 0.0), ("max", 4)), True).log_first_moments()), 9)
            9.0
        """
        grown = 0.0
        for stage in self.kinds:
            tripled = stage[0] == "max" or not self.nonnegative
            grown = grown + math.log(3.0) if tripled else float(np.logaddexp(grown + math.log(2.0), 0.0))
        return grown


def kind(layer: Layer) -> Kind | None:
    """What a layer is, to a stage; None for what is linear."""
    if isinstance(layer, MaxPool):
        return ("max", layer.window) if layer.window > 1 else None
    if isinstance(layer, Activation):
        return ("activation", layer.function)
    return ("activation", layer.slope) if layer.activated else None


def read_stages(graph: Graph) -> Stages:
    """Stages that suffice for the network: at each step the kind that the longest remaining path waits for.

    Args:
        graph: a network of linear layers, activations and max pools.

    Returns:
        Enough stages; not more than activations and max pools together. As many as on the longest path where layers
        side by side are of one kind.

    Example:
        >>> import jax, numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: jax.nn.relu(jax.nn.relu(x) + x[:, ::-1]) @ np.ones((2, 2), np.float32)
        >>> stages = read_stages(bounds.read_graph(f, np.ones((1, 2), np.float32)))
        >>> stages.activations, stages.windows, stages.nonnegative
        (2, (), True)
    """
    kinds, sources = [kind(layer) for layer in graph.layers], [graph.sources(i) for i in range(len(graph.layers))]
    remaining = _remaining(kinds, sources)
    done: set[int] = set()
    found: list[Kind] = []
    while True:
        for i, reads in enumerate(sources):  # topological order: one sweep finds all that is linear
            if kinds[i] is None and done.issuperset(reads):
                done.add(i)
        ready = [i for i, reads in enumerate(sources) if i not in done and done.issuperset(reads)]
        if not ready:
            break
        chosen = kinds[max(ready, key=lambda i: remaining[i])]
        assert chosen is not None
        found.append(chosen)
        done.update(i for i in ready if kinds[i] == chosen)
    return Stages(tuple(found), _nonnegative(graph, kinds, sources))


def _remaining(kinds: list[Kind | None], sources: list[list[int]]) -> list[int]:
    """The most stages on a path from each layer to the scores, its own included."""
    longest = [0] * len(kinds)
    for i in range(len(kinds) - 1, -1, -1):
        longest[i] += kinds[i] is not None
        for s in sources[i]:
            longest[s] = max(longest[s], longest[i])
    return longest


def _nonnegative(graph: Graph, kinds: list[Kind | None], sources: list[list[int]]) -> bool:
    """Every activation is a ReLU, every max pool reads ReLUs or max pools of such alone."""
    sign = [False] * len(kinds)
    for i, layer in enumerate(graph.layers):
        sign[i] = layer.slope == 0.0 or (layer.maximum and all(sign[s] for s in sources[i]))
    return all(sign[i] for i, k in enumerate(kinds) if k is not None)
