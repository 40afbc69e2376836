"""What a class fixes, rounded up to grids written down in advance, and what the union over these grids costs.

* A homogeneous chain does not change when A_l is divided by s_l ≥ ‖A_l‖, b_l by p_l = Π_{j ≤ l} ρ_j s_j, and the
  product is given to the scores. So its class fixes c = Π ρ_l s_l / γ, r_l = a_l/s_l and, with biases, h_l = η_l/p_l
  and g_l = ζ_l/p_l: no s_l. A layer of zeros takes s_l = 1, any positive number will do.
* Any other network fixes s, a of every learned map and η, ζ of every bias, and then γ through c = 1/γ. So does a chain
  with a reference, for rescaling would move the reference; without biases its c is Π ρ_l s_l / γ all the same.

Where there are biases or branches there are many numbers, and on a small sample their prices count. So a class may be
written on a coarser grid, and with fewer numbers (`TIES`): which is one of `ROUNDINGS`, and the choice is paid for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, Literal

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.grids import RATIO, exp_or_inf, grid_up
from sparsebounds.bounds.theorems.covering.own_numbers import OwnNumbers
from sparsebounds.bounds.theorems.passes.chain import Step, homogeneous_chain
from sparsebounds.bounds.theorems.passes.fixed import Fixed
from sparsebounds.bounds.theorems.passes.maps import Place, term_upper
from sparsebounds.bounds.theorems.passes.sizes import log

Tie = Literal["every number", "biases by their hulls", "one ratio of radii"]
TIES: tuple[Tie, ...] = ("every number", "biases by their hulls", "one ratio of radii")
"""All numbers; η ≤ ‖b⁰‖ + ζ in place of η; and, with it, a = κ s √kinds with one κ for the whole network."""


@dataclass(frozen=True)
class Rounding:
    """How the numbers of a class are written."""

    ratio: float = RATIO
    tie: Tie = "every number"


ROUNDINGS = tuple(Rounding(ratio, tie) for ratio, tie in product((RATIO, 1.5, math.e), TIES))


@dataclass(frozen=True)
class FixedClass:
    """A class that contains the network, and what the union over its numbers costs."""

    fixed: Fixed
    """s and η."""
    radii: Mapping[Place, float]
    """a of every learned map."""
    shifts: Mapping[int, float]
    """ζ of every layer with a bias."""
    log_scale: float
    """log of c at γ = 1; −inf where the class holds one function, 0."""
    nats: float
    """log(1/weight) of the grid points of every number but c, and of the choice of how they are written."""
    terms: Mapping[str, Any] = field(default_factory=dict)


def classes(own: OwnNumbers) -> Iterator[FixedClass]:
    """The classes that may be used for a network, each with its whole price.

    Args:
        own: the network's numbers.

    Yields:
        FixedClass; a single one for chains without biases.
    """
    chain = homogeneous_chain(own.graph)
    if chain is not None and not own.offsets:
        yield _unbiased(own, chain)
        return
    for rounding in ROUNDINGS:
        book = _Book(rounding)
        if chain is not None and own.centred:
            yield _rescaled(own, chain, book)
        else:
            yield _free(own, book)


class _Book:
    """Rounds numbers up and adds up what they cost."""

    def __init__(self, rounding: Rounding, choices: int = len(ROUNDINGS)) -> None:
        self.rounding = rounding
        self.nats = math.log(choices)

    def up(self, value: float) -> float:
        """The grid point above a number."""
        found, price = grid_up(value, self.rounding.ratio)
        self.nats += price
        return found

    def radii(self, own: Mapping[Place, float], width: Mapping[Place, float]) -> dict[Place, float]:
        """a of every map: a number each, or one number times these widths."""
        if not self.tied:
            return {place: self.up(radius) for place, radius in own.items()}
        kappa = self.up(max((own[place] / width[place] for place in own if width[place] > 0), default=0.0))
        return {place: kappa * width[place] for place in own}

    def offsets(
        self, offsets: Mapping[int, float], shifts: Mapping[int, float], fixed: Mapping[int, float]
    ) -> dict[int, float]:
        """log η of every bias: a number each, or what the shifts of the class say."""
        if self.rounding.tie == "every number":
            return {i: log(self.up(offset)) for i, offset in offsets.items()}
        return {i: log(fixed[i] + shifts[i]) for i in offsets}

    @property
    def tied(self) -> bool:
        """Whether the radii of all maps are one number."""
        return self.rounding.tie == "one ratio of radii"

    @property
    def stated(self) -> dict[str, Any]:
        """For whoever redoes the rounding."""
        return {"grid ratio": self.rounding.ratio, "numbers": self.rounding.tie}


def _unbiased(own: OwnNumbers, chain: tuple[Step, ...]) -> FixedClass:
    """Of a chain without biases: c and a_l/s_l; with a reference every s_l and a_l too."""
    graph, nats = own.graph, 0.0
    log_fixed = math.fsum(log(term_upper(graph, step.place)) for step in chain if not step.learned)
    zero = min(own.norms.values()) == 0 or log_fixed == -math.inf
    used: dict[Place, float] = {}
    ratios: dict[Place, float] = {}
    for place, s in own.norms.items():
        a = own.hulls[place].radius
        if own.centred:
            # The zero network lies in the class whose ratios are all 0.
            used[place], (ratios[place], price) = s, grid_up(0.0 if zero else a / s)
        else:
            up, price = grid_up(a)
            # A layer that has not moved has the norm of the reference, which was fixed in advance.
            used[place], s_price = (s, 0.0) if a == 0 else grid_up(s)
            ratios[place], price = up / used[place] if used[place] > 0 else 0.0, price + s_price
        nats += price
    terms = {**_stated(own), "log rho of fixed maps": log_fixed}
    if not own.centred:
        terms["s_i of the class"] = tuple(used.values())
    terms["b_i/s_i of the class"] = tuple(ratios.values())
    log_scale = -math.inf if zero else sum(map(log, used.values())) + log_fixed
    return FixedClass(_units(graph, chain, {}), ratios, {}, log_scale, nats, terms)


def _rescaled(own: OwnNumbers, chain: tuple[Step, ...], book: _Book) -> FixedClass:
    """Of a chain with biases: c, r_l, h_l and g_l."""
    scale, products, ones = 0.0, {}, {}
    for step in chain:
        norm = own.norms[step.place] if step.learned else term_upper(own.graph, step.place)
        ones[step.place] = norm if norm > 0 else 1.0
        scale += math.log(ones[step.place])
        products[step.place.layer] = scale

    def shrunk(value: float, layer: int) -> float:
        return exp_or_inf(log(value) - products[layer])

    last = max(place.layer for place in own.norms)
    ratios = {place: hull.radius / ones[place] for place, hull in own.hulls.items()}
    ratios = book.radii(ratios, {place: math.sqrt(hull.kinds) for place, hull in own.hulls.items()})
    shifts = {i: book.up(shrunk(hull.radius, i)) for i, hull in own.shifts.items()}
    # No map reads what comes after the last of them.
    read = {i: shrunk(offset, i) for i, offset in own.offsets.items() if i < last}
    offsets = book.offsets(read, shifts, dict.fromkeys(read, 0.0))
    terms = {
        **_stated(own),
        **book.stated,
        "b_i/s_i of the class": tuple(ratios.values()),
        "eta_i/p_i of the class": tuple(map(math.exp, offsets.values())),
        "zeta_i/p_i of the class": tuple(shifts.values()),
    }
    return FixedClass(_units(own.graph, chain, offsets), ratios, shifts, scale, book.nats, terms)


def _units(graph: Graph, chain: tuple[Step, ...], offsets: Mapping[int, float]) -> Fixed:
    """A chain all of whose steps have norm 1."""
    return Fixed(graph, {step.place: 0.0 for step in chain}, offsets)


def _free(own: OwnNumbers, book: _Book) -> FixedClass:
    """Of any network: s, a, η, ζ."""
    norms = {}
    for place, s in own.norms.items():
        # A layer that has not moved, as its radius 0 in the class says, has the norm of the reference.
        kept = not own.centred and not book.tied and own.hulls[place].radius == 0
        norms[place] = s if kept else book.up(s)
    width = {place: norms[place] * math.sqrt(hull.kinds) for place, hull in own.hulls.items()}
    radii = book.radii({place: hull.radius for place, hull in own.hulls.items()}, width)
    shifts = {i: book.up(hull.radius) for i, hull in own.shifts.items()}
    offsets = book.offsets(own.offsets, shifts, own.fixed_offsets)
    terms = {
        **_stated(own),
        **book.stated,
        "s_i of the class": tuple(norms.values()),
        "b_i of the class": tuple(radii.values()),
        "eta_i of the class": tuple(map(exp_or_inf, offsets.values())),
        "zeta_i of the class": tuple(shifts.values()),
    }
    fixed = Fixed(own.graph, {place: log(s) for place, s in norms.items()}, offsets)
    return FixedClass(fixed, radii, shifts, 0.0, book.nats, terms)


def _stated(own: OwnNumbers) -> dict[str, Any]:
    """The network's own numbers, for whoever redoes the rounding."""
    shown: dict[str, Any] = {
        "layers": tuple(own.graph.layers[place.layer].name for place in own.norms),
        "s_i": tuple(own.norms.values()),
        "b_i": tuple(hull.radius for hull in own.hulls.values()),
    }
    if own.offsets:
        shown |= {
            "biased layers": tuple(own.graph.layers[i].name for i in own.offsets),
            "eta_i": tuple(own.offsets.values()),
            "zeta_i": tuple(hull.radius for hull in own.shifts.values()),
        }
    return shown
