"""A network with its class as theorem P needs it: norms that the class fixes, and the network's own numbers.

A homogeneous chain does not change when layers are rescaled against each other and their product is given to the
scores. There every map is divided by its norm s_l, the bias b_l by p_l = χ Π_{j ≤ l} ρ_j s_j, χ the largest input, and
the class fixes p_L/γ and ‖b_l‖/p_l alone. A layer of zeros takes s_l = 1. Any other network fixes all its norms, and γ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.theorems.passes.chain import Step, homogeneous_chain
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.hulls import bias_norm
from sparsebounds.bounds.theorems.passes.maps import Place, biased_layers, learned_terms, term_upper
from sparsebounds.bounds.theorems.passes.noise import Noisy, noisy_bias, noisy_map
from sparsebounds.bounds.theorems.passes.perturbation import Array, Bearing
from sparsebounds.bounds.theorems.passes.sizes import Size, log

LOG2 = math.log(2.0)


@dataclass(frozen=True)
class NoisyClass:
    """A class, in units in which the largest input of a homogeneous chain has norm 1; logarithms throughout."""

    bearing: Bearing
    noisy: Mapping[Array, Noisy]
    """The arrays that get noise."""
    own: Mapping[Array, float]
    """log ‖K‖_F, log ‖b‖ of the network, each number counted once."""
    log_scale: float
    """log of the scores that stand for 1."""
    nats: float
    """Of the signs of scales that became part of the scale."""

    @property
    def norms(self) -> dict[Array, float]:
        """log s of every map, log η of every bias, as the class fixes them."""
        found: dict[Array, float] = dict(self.bearing.fixed.norms)
        return found | dict(self.bearing.fixed.offsets)


def noisy_class(graph: Graph, chi: float, up: Callable[[float], float]) -> NoisyClass:
    """The class that contains a network.

    Args:
        graph: of linear maps, maxima and activations.
        chi: no input has a larger norm.
        up: rounds a number that the class fixes up to a grid, and has it paid for.

    Returns:
        NoisyClass; no arrays where nothing is learned.

    Raises:
        ValueError: weights or biases that are not finite.

    Example:
        >>> found = noisy_class(graph, 1.0, lambda value: value)
        >>> len(found.noisy), round(math.exp(found.log_scale), 6)  # norms 1 and 1
        (2, 1.0)
    """
    chain = homogeneous_chain(graph)
    places, biased = learned_terms(graph, absorbed=chain is not None), biased_layers(graph)
    noisy: dict[Array, Noisy] = {place: noisy_map(graph, place) for place in places}
    noisy |= {i: noisy_bias(graph, i) for i in biased}
    own = {array: log(one.norm) for array, one in noisy.items()}
    if chain is None:
        norms = {place: log(up(term_upper(graph, place) or 1.0)) for place in places}
        fixed = Fixed(graph, norms, {i: log(up(bias_norm(graph, i))) for i in biased})
        return NoisyClass(Bearing.of(fixed, places, _size(log(chi))), noisy, own, 0.0, 0.0)
    units, products = _units(graph, chain, log(chi))
    own = {array: norm - (units[array] if isinstance(array, Place) else products[array]) for array, norm in own.items()}
    offsets = {i: log(up(_exp(log(bias_norm(graph, i)) - products[i]))) for i in biased}
    fixed = Fixed(graph, dict.fromkeys(units, 0.0), offsets)
    signs = len(learned_terms(graph)) - len(places)
    scale = products[chain[-1].place.layer]
    return NoisyClass(Bearing.of(fixed, places, _size(0.0)), noisy, own, scale, signs * LOG2)


def _exp(x: float) -> float:
    """exp, inf where it overflows, rounded up where it would underflow."""
    if x >= 709.0:
        return math.inf
    return 0.0 if x == -math.inf else math.exp(max(x, -690.0))


def _size(log_norm: float) -> Size:
    return Size(log_norm, log_norm, log_norm)


def _units(graph: Graph, chain: tuple[Step, ...], log_chi: float) -> tuple[dict[Place, float], dict[int, float]]:
    """log s_l of every step, and log p_l after each."""
    units, products, product = {}, {}, log_chi
    for step in chain:
        units[step.place] = log(term_upper(graph, step.place) or 1.0)
        product += units[step.place]
        products[step.place.layer] = product
    return units, products
