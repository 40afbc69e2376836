"""The Occam bound of a quantised network: fewer bits, and errors of its own."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from sparsebounds.bounds.bound import ANY_NETWORK, Bound, NotCovered, declare
from sparsebounds.bounds.confidence.binomial import binomial_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.description.code_length import PartCode, total_bits
from sparsebounds.bounds.theorems.description.grid_code import quantised_code
from sparsebounds.bounds.theorems.description.occam import (
    ASSUMES,
    code_terms,
    inverted,
    program_note,
    selection_bits,
)

ABOUT = "about the quantised network, not about the one that was trained"
UNMEASURED = (
    "it was not run on the sample, and every sample counts as an error: without a single one {bits} bits would leave "
    "{least:.4g}"
)


@dataclass(frozen=True, eq=False)
class Quantised:
    """Another network in the place of the trained one, of fewer bits, and its margins on the same sample.

    Made by `bounds.quantised`; one of your own making, such as that of `bounds.quantise`, will do.

    Args:
        network: its graph, or its program.
        margins: `Margins.measure` of it on the training sample; None: not measured, every sample is an error.

    Example:
        >>> from sparsebounds import bounds
        >>> from sparsebounds.bounds.sample import Margins
        >>> small = bounds.quantise(graph, 2)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
        >>> own = Margins.measure(lambda x: bounds.evaluate(small, np.asarray(x)), x, y)
        >>> bounds.occam_quantised(graph, sample, delta=0.001, quantised=Quantised(small, own)).covered
        True
    """

    network: Graph | Program
    margins: Margins | None = None

    def sample(self, sample: Sample) -> Sample:
        """The sample with the margins of the quantised network in place of the trained one's.

        Raises:
            ValueError: margins of another sample, or of another network.
        """
        if self.margins is None:
            return replace(sample, margins=np.full_like(sample.margins, -1.0))
        margins, own, other = self.margins.margins, self.margins.fingerprints, sample.fingerprints
        same = own is None or other is None or np.array_equal(own, other)
        if np.shape(margins) != sample.margins.shape or not same:
            raise ValueError(
                "the quantised network was measured on other samples than those of this row; "
                "needed its margins on the same inputs in the same order"
            )
        self.margins.check_network(self.network)
        found = replace(sample, margins=margins)
        if own is None:
            found = replace(found, fingerprints=None)
        return found if self.margins.probes is not None else replace(found, probe_inputs=None, probe_scores=None)


@declare(
    summary="the same of the network rounded to few bits, with its own errors",
    guarantee="certificate",
    assumes=ASSUMES,
    source="Blumer, Ehrenfeucht, Haussler, Warmuth, Occam's razor, 1987; Langford, JMLR 2005, theorem 4.1; the code is "
    "this library's",
    covers=ANY_NETWORK,
)
def occam_quantised(
    graph: Graph | Program, sample: Sample, *, delta: float, quantised: Quantised | None = None
) -> Bound:
    """The Occam bound of a quantised network.

    err(quantised) ≤ max { e : P(Bin(m, e) ≤ its errors on S) ≥ δ · 2^-bits }, w.p. ≥ 1 − δ for all networks at once.
    bits are those of `occam`, one more for whether layers or a program are described, and of arrays on a uniform grid
    at most: 3 for the number b of bits, 16 for the step, 1, and k·b for its k non-zero numbers or what their counts
    and their order take (`grid_code`). b, the rounding and the step may be chosen by looking at the sample: they are
    in the code. The positions of all zeros are paid for, since rounding makes new ones.

    Args:
        graph: the trained network; the row speaks of the quantised one.
        quantised: that one, with its margins on this very sample: `bounds.quantised(f, x, y)`. `table` makes it.

    Returns:
        A certificate about the quantised network, run as it was on the sample. Value NaN without one.

    Raises:
        ValueError: margins on other samples, or of another network.

    Example:
        >>> from sparsebounds import bounds
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 500], np.array([0, 1] * 500)
        >>> f = lambda x: x @ np.array([[1.0, -0.1], [0.01, 1.0]], np.float32)
        >>> graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
        >>> b = occam_quantised(graph, sample, delta=0.001, quantised=bounds.quantised(f, x, y))
        >>> b.terms["nonzeros"], b.terms["bits"] < bounds.occam(graph, sample, delta=0.001).terms["bits"]
        (2, True)

    Source: as above; compressed networks as in Zhou et al., ICLR 2019, with exact inversion.
    """
    if quantised is None:
        raise NotCovered(
            "no quantised network was given (table makes one of arrays; bounds.quantised, quantised= of this bound)"
        )
    network = quantised.network
    if network.input.shape != graph.input.shape or network.classes != graph.classes:
        raise ValueError("the quantised network has other inputs or classes than the graph; needed the same network")
    codes = quantised_code(network)
    bits = network_bits(network, codes)
    notes = [ABOUT, program_note(network)]
    if quantised.margins is None:
        notes.append(UNMEASURED.format(bits=bits, least=least_value(bits, sample.m, delta)))
    terms = {"described by": "its program" if isinstance(network, Program) else "its layers"}
    return inverted(
        occam_quantised, quantised.sample(sample), bits, delta,
        terms | code_terms(network, codes),
        note="; ".join(note for note in notes if note),
    )  # fmt: skip


def least_value(bits: int, m: int, delta: float) -> float:
    """What the row would be without a single error."""
    return binomial_upper(0, m, math.log(delta) - bits * math.log(2))


def network_bits(network: Graph | Program, codes: tuple[PartCode, ...]) -> int:
    """One bit for which description it is, and the description.

    Raises:
        NotCovered: a program that could not be written down.
    """
    return 1 + total_bits(network, codes) + selection_bits(network)
