"""The plain parameter count: what any network pays whose weights are so many numbers of 32 bits."""

from __future__ import annotations

from sparsebounds.bounds.bound import ANY_NETWORK, Bound, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.description.code_length import PART_BITS, layer_bits, number_format, parts
from sparsebounds.bounds.theorems.description.occam import (
    ASSUMES,
    inverted,
    program_note,
    selection_bits,
    text_terms,
)


@declare(
    summary="32 bits per parameter, for orientation",
    guarantee="certificate",
    assumes=ASSUMES,
    source="Shalev-Shwartz, Ben-David, Understanding Machine Learning, 2014, remark 4.1; exact binomial inversion",
    covers=ANY_NETWORK,
)
def parameter_count(graph: Graph | Program, sample: Sample, *, delta: float) -> Bound:
    """The union bound over all networks with W parameters of 32 bits.

    err ≤ max { e : P(Bin(m, e) ≤ errors on S) ≥ δ · 2^-bits }, bits = 32·W and a byte or two per layer (64 bits each
    where a part, such as folded batch norm, holds numbers that are no float32). W counts weights, biases and zeros;
    shared weights once. Lists of what the network reads are paid for as in `occam`. Of a `Program` its arrays and its
    text count, as in `occam`.

    Returns:
        A certificate; close to 1 unless m exceeds the number of bits. Parts as in `occam`.

    Example:
        >>> b = parameter_count(graph, sample, delta=0.001)
        >>> b.terms["parameters"], b.terms["bits"] - 32 * 8, round(b.value, 2)
        (8, 34, 0.19)

    Source: as above.
    """
    widths = [(slots.size, max(32, number_format(slots)[1])) for _, slots in parts(graph)]
    selected = selection_bits(graph)
    bits = layer_bits(graph) + sum(PART_BITS + size * width for size, width in widths) + selected
    terms: dict[str, object] = {"parameters": sum(size for size, _ in widths)}
    if selected:
        terms["bits of selections"] = selected
    return inverted(parameter_count, sample, bits, delta, terms | text_terms(graph), note=program_note(graph))
