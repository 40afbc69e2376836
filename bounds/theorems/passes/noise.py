"""Gaussian noise on the learned numbers of a network: how far it moves a map or a bias, except with some probability.

An array of numbers gets independent Gaussian noise of variance σ². Its map then changes by an operator U, and

    P(‖U‖ > σκ) ≤ 1/L,   κ = factor · (√a + √b + √(2 log(L · events))),

by the smallest of these forms; which one is a matter of structure, no weight is looked at:

    taps          k √r, channels of a tap a, outputs b, k taps in g weight sets      events g k
    frequencies   √(2k), the same a and b, n frequencies in g weight sets            events g n
    one matrix    1, elements that a row reads, outputs                              the taps form with k = 1
    a scale       √(how often an element is scaled), a = b = 0, c numbers            events 2c
    a bias        √P, a = c for c numbers of P elements each, b = 0                  events 1

*Proof.* A Gaussian matrix of a times b entries has mean norm at most σ(√a + √b), and its norm is a σ-Lipschitz function
of the noise (Davidson, Szarek; Borell). Taps: U is a sum of k maps that apply one matrix at every position; each shows
an element at most r times. Frequencies: where the rows read a torus along a lattice, U is part of a circular
convolution, ‖U‖ ≤ max_ω ‖Σ_t U_t e^{iωt}‖; the real and the imaginary part are Gaussian with variances v² + w² = σ²k,
and (v + w) ≤ σ√(2k). Entries that a tap lacks have variances below that: filling them up with noise of their own raises
the mean (Jensen). ω and −ω are conjugate, so that two events each serve both and one serves an ω that is its own
opposite: n events in all. Weight sets that read one element s times between them count √s-fold. A bias: the mean norm
is at most σ(Σ_g size_g)^½, and the norm is σ√P-Lipschitz, P the largest size_g.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int64

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Dot, Pool
from sparsebounds.bounds.norms.kernels import kernel_frobenius_norm, tap_of_columns
from sparsebounds.bounds.norms.lattice import Lattice
from sparsebounds.bounds.norms.spectral_term import absolute_upper, set_lattices
from sparsebounds.bounds.theorems.passes.hulls import tap_repeats, weights_by_tap
from sparsebounds.bounds.theorems.passes.maps import Place, bias_numbers, dot_at, repeats


@dataclass(frozen=True)
class Form:
    """κ = factor · (√inputs + √outputs + √(2 log(L · events)))."""

    factor: float
    inputs: float
    outputs: float
    events: float

    def kappa(self, log_events: float) -> float:
        """κ at log L.

        Example:
            >>> [round(form.kappa(math.log(8)), 4) for form in (Form(9, 3, 16, 9), Form(math.sqrt(18), 3, 16, 100))]
            [77.9099, 39.8318]
        """
        tail = math.sqrt(2 * (log_events + math.log(self.events)))
        return self.factor * (math.sqrt(self.inputs) + math.sqrt(self.outputs) + tail)


@dataclass(frozen=True)
class Noisy:
    """An array of numbers that noise is added to."""

    forms: tuple[Form, ...]
    norm: float
    """ℓ2 norm of the trained numbers, each that the program can set counted once."""
    width: float
    """The norm is about this times that of the map, at most; a guess that no bound rests on."""

    def kappa(self, log_events: float) -> float:
        """The smallest κ."""
        return min(form.kappa(log_events) for form in self.forms)


@per_graph
def noisy_map(graph: Graph, place: Place) -> Noisy:
    """The numbers of a learned map.

    Args:
        graph: the network.
        place: of a learned term.

    Returns:
        Its forms, and ‖K‖_F of the weights that some row applies.
    """
    dot = dot_at(graph, place)
    if dot is None:
        return _noisy_scale(graph, place)
    kernel = weights_by_tap(graph, place)
    width = math.sqrt(min(kernel.shape[1], dot.weight.shape[2]))
    return Noisy(tuple(_dot_forms(graph, place, dot)), kernel_frobenius_norm(kernel), width)


@per_graph
def noisy_bias(graph: Graph, index: int) -> Noisy:
    """The numbers of a layer's bias."""
    numbers, sizes = bias_numbers(graph.linear(index))
    largest = float(sizes.max(initial=1.0))
    form = Form(math.sqrt(largest), float(sizes.sum()) / largest, 0.0, 1.0)
    return Noisy((form,), math.hypot(*numbers), 1 / math.sqrt(largest))


def _noisy_scale(graph: Graph, place: Place) -> Noisy:
    """A scale of single elements, or of sums over windows: max |noise| times the norm of what is scaled."""
    term = graph.linear(place.layer).terms[place.term]
    if isinstance(term, Pool):
        strengths = np.broadcast_to(term.strengths, term.shape)
        image = absolute_upper(replace(term, coefficient=np.ones(1)))
    else:
        strengths = np.broadcast_to(term.strengths, term.elements_read.shape)[term.elements_read >= 0]
        image = math.sqrt(repeats(term.elements_read))
    form = Form(image, 0.0, 0.0, 2.0 * max(strengths.size, 1))
    return Noisy((form,), kernel_frobenius_norm(strengths), math.sqrt(max(strengths.size, 1)))


def _dot_forms(graph: Graph, place: Place, dot: Dot) -> Iterator[Form]:
    """By taps, and by frequencies where every weight set is a convolution."""
    sets, outputs = len(dot.weight), dot.weight.shape[2]
    together = math.sqrt(_shared_by_sets(dot))
    tap, _ = tap_of_columns(graph, dot)
    channels = np.bincount(tap[tap >= 0], minlength=1)
    factor = len(channels) * together * math.sqrt(tap_repeats(graph, place))
    yield Form(factor, int(channels.max()), outputs, sets * len(channels))
    for found in zip(*(_frequency_forms(lattice) for lattice in set_lattices(graph, dot)), strict=True):
        most = [max(form[i] for form in found) for i in range(3)]
        yield Form(together * most[0], most[1], outputs, sets * most[2])


def _frequency_forms(lattice: Lattice | None) -> list[tuple[float, int, int]]:
    """(factor, inputs, frequencies) with the strides as channels, and with all positions in their place."""
    if lattice is None:
        return []
    modulus, stride = np.array(lattice.modulus), np.array(lattice.stride)
    offset, copies = lattice.offset[lattice.used], math.sqrt(lattice.copies)
    found = []
    for step in (stride, np.where(stride < modulus, 1, stride)):
        taps, phases = np.unique(offset // step % (modulus // step), axis=0), np.unique(offset % step, axis=0)
        if len(taps) == 1:
            found.append((copies, len(phases), 1))
            continue
        found.append((copies * math.sqrt(2 * len(taps)), len(phases), _frequencies(taps, modulus // step)))
    return found


def _frequencies(taps: Int64[np.ndarray, "taps axes"], grid: Int64[np.ndarray, " axes"]) -> int:
    """How many frequencies there are along the axes on which taps differ."""
    return int(np.prod(np.where((taps == taps[:1]).all(axis=0), 1, grid)))


def _shared_by_sets(dot: Dot) -> int:
    """How many weight sets read one element, at most."""
    total = np.zeros(int(dot.taps.source.max(initial=0)) + 1, dtype=np.int64)
    for source in dot.taps.source:
        total[present_elements(source)] += 1
    return max(int(total.max()), 1)
