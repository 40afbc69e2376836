"""The Occam bound: a network that can be described in few bits cannot have learned its errors by heart.

A prefix code fixed before the sample gives every network w a weight 2^-bits(w), and these sum to 1 at most. Each
network pays for a failure probability δ·2^-bits of its own, and the number of its errors is binomial: nothing else is
used, so that biases, batch norm, pooling, skips and weight sharing are all covered.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from sparsebounds.bounds.bound import ANY_NETWORK, Bound, Theorem, declare
from sparsebounds.bounds.confidence.binomial import binomial_upper, kl_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Unknown
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.margin.architecture import selection_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.step import MarginStep
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.description.code_length import PartCode, graph_code, layer_bits, total_bits
from sparsebounds.bounds.unrounded import unrounded

SOURCE = "Blumer, Ehrenfeucht, Haussler, Warmuth, Occam's razor, 1987; Langford, JMLR 2005, theorem 4.1"
ASSUMES = ("the architecture was fixed without the sample (weights, zeros and number formats need not be)",)
UNCODED = "the code does not hold them: move the normalisation into the network, where its constants are counted"


@declare(
    summary="code length of the non-zero weights, exact binomial inversion",
    guarantee="certificate",
    assumes=ASSUMES,
    source=f"{SOURCE}; the code is this library's",
    covers=ANY_NETWORK,
)
def occam(graph: Graph | Program, sample: Sample, *, delta: float, mask_fixed: bool = False) -> Bound:
    """The Occam bound of the network as it is, sparse or quantised.

    err ≤ max { e : P(Bin(m, e) ≤ errors on S) ≥ δ · 2^-bits }, w.p. ≥ 1 − δ for all weights at once, where bits counts,
    for every part of every layer, ⌈log₂(p+1)⌉ + ⌈log₂ C(p,k)⌉ for the positions of its k non-zero values among p, and
    the shortest of: every value in 16, 32 or 64 bits; a codebook, 32·2^b + k·b; a codebook with counts (entropy). The
    choice is counted as well, so that pruning and quantisation may look at the sample. Shared weights count once.
    Widths are not coded: where the data chose them (channels cut out), divide δ by the product of the widths before.
    Of a `Program`, a network without a graph, the whole text is counted too, deflated, widths and all; arrays that its
    function closes over count as its parameters do.
    The statement is about this network, run as it was on the sample: for a compressed one compress first (`quantise`),
    then measure its own sample.

    Args:
        sample: with the margins of this very network.
        mask_fixed: True if the positions of zero weights were fixed before seeing the sample; they cost nothing then,
            but those of biases do, which no mask thins out: that of a unit that never fires stays where it began.
            Lists of what the network reads cost what they did, see `read_graph`.

    Returns:
        A certificate. `complexity` is what the bits cost, `confidence` what δ would cost a network chosen without the
        sample. 1 where the code is longer than the sample can pay for; gamma is 0: an error is a margin of 0 or less.

    Raises:
        ValueError: a sample of another network.

    Example:
        >>> b = occam(graph, sample, delta=0.001)
        >>> b.terms["bits"], round(b.value, 4)  # 1 − (0.001 · 2^-82)^(1/1000)
        (82, 0.0618)

    Source: as above; sparse and quantised networks as in Zhou et al., ICLR 2019, with exact inversion.
    """
    codes = graph_code(graph, mask_fixed=mask_fixed)
    bits = total_bits(graph, codes) + selection_bits(graph)
    return inverted(occam, sample, bits, delta, code_terms(graph, codes), note=program_note(graph))


def code_terms(graph: Graph | Program, codes: tuple[PartCode, ...]) -> dict[str, object]:
    """What a row shows of a code: of all parts together, and of each."""
    terms: dict[str, object] = {
        "parameters": sum(code.slots for code in codes),
        "nonzeros": sum(code.nonzeros for code in codes),
        "bits of positions": sum(code.position_bits for code in codes),
        "bits of values": sum(code.value_bits for code in codes),
        "codes": {code.name: f"{code.form}, {code.number}, {code.bits} bits" for code in codes},
    }
    if selected := selection_bits(graph):
        terms["bits of selections"] = selected
    return terms | text_terms(graph)


def selection_bits(graph: Graph | Program) -> int:
    """What the lists of what a network reads cost, in whole bits; those of a program stand in its text."""
    if isinstance(graph, Program):
        return 0
    return math.ceil(math.fsum(selection_prices(graph).values()) / math.log(2))


def text_terms(graph: Graph | Program) -> dict[str, object]:
    """The bits of what is written down and no number of an array; nothing where all is layers."""
    written = isinstance(graph, Program) or any(isinstance(layer, Unknown) for layer in graph.layers)
    return {"bits of operations": layer_bits(graph)} if written else {}


def program_note(graph: Graph | Program) -> str:
    """Of what was counted without a graph; empty with one."""
    if not isinstance(graph, Program):
        return ""
    number, all_of_them = graph.constants, len(graph.numbers)
    closed = f", {number} of them constants of the closure" if number else ""
    return (
        f"of the program, its text and {all_of_them} arrays{closed}: there is no graph, and nothing but the language "
        "was fixed in advance"
    )


def inverted(
    theorem: Theorem[Any], sample: Sample, bits: int, delta: float, terms: Mapping[str, object], *, note: str = ""
) -> Bound:
    """Binomial inversion at δ·2^-bits as a Bound; the looser kl and Hoeffding forms stand in its terms."""
    m = sample.m
    errors = round(sample.train_error * m)  # a scaled sample has shares of margins, and an m of its own
    log_delta = math.log(delta) - bits * math.log(2)
    value = max(binomial_upper(errors, m, log_delta), errors / m)
    alone = max(binomial_upper(errors, m, math.log(delta)), errors / m)
    counted = {
        "bits": bits,
        "errors": errors,
        "m": m,
        "log(delta 2^-bits)": log_delta,
        "by kl": kl_upper(errors / m, -log_delta / m),
        "by Hoeffding": errors / m + math.sqrt(-log_delta / (2 * m)),
    }
    # Constants of the normalisation that come from the sample are part of the network, and not in its code.
    notes = (UNCODED if sample.preprocessing in ("sample", "apparent") else "", note)
    if unrounded():
        return bound_from_step(MarginStep(errors / m, bits * math.log(2) / m, 0.0, 0.0, delta, {}), theorem, sample)
    step = MarginStep(errors / m, value - alone, alone - errors / m, 0.0, delta, counted, whole=value)
    return bound_from_step(step, theorem, sample, terms=terms, note="; ".join(n for n in notes if n))
