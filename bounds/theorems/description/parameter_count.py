"""The plain parameter count: what any network pays whose weights are so many numbers of 32 bits."""

from __future__ import annotations

from sparsebounds.bounds.bound import Bound, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.checks import check_delta, check_match
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.description.code_length import PART_BITS, layer_bits, number_format, parts
from sparsebounds.bounds.theorems.description.occam import ASSUMES, inverted


@declare(
    summary="32 bits per parameter, for orientation",
    guarantee="certificate",
    assumes=ASSUMES,
    source="Shalev-Shwartz, Ben-David, Understanding Machine Learning, 2014, remark 4.1; exact binomial inversion",
)
def parameter_count(graph: Graph, sample: Sample, *, delta: float, reference: object = None) -> Bound:
    """The union bound over all networks with W parameters of 32 bits.

    err ≤ max { e : P(Bin(m, e) ≤ errors on S) ≥ δ · 2^-bits }, bits = 32·W and a byte or two per layer (64 bits each
    where a part, such as folded batch norm, holds numbers that are no float32). W counts weights, biases and zeros;
    shared weights once.

    Args:
        graph: the network; every architecture that the reader reads.
        sample: the data that trained it.
        delta: failure probability.
        reference: not used by this bound.

    Returns:
        A certificate: never below the true error, except with probability δ over the draw of the sample; close to 1
        unless m exceeds the number of bits. Parts as in `occam`.

    Raises:
        ValueError: delta out of range, weights that are not finite, or a sample of another network.

    Example:
        >>> import numpy as np
        >>> from sparsebounds import bounds
        >>> f = lambda x: x @ np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
        >>> x = np.eye(2, dtype=np.float32)[[0, 1] * 500]
        >>> sample = bounds.Sample.measure(f, x, np.array([0, 1] * 500))
        >>> b = parameter_count(bounds.read_graph(f, x[:2]), sample, delta=0.001)
        >>> b.terms["parameters"], b.terms["bits"] - 32 * 4, round(b.value, 2)
        (4, 17, 0.1)

    Source: as above.
    """
    check_delta(delta)
    check_match(graph, sample)
    widths = [(slots.size, max(32, number_format(slots)[1])) for _, slots in parts(graph)]
    bits = layer_bits(graph) + sum(PART_BITS + size * width for size, width in widths)
    terms = {"parameters": sum(size for size, _ in widths)}
    return inverted(sample, bits, delta, parameter_count.declaration, terms)  # type: ignore[attr-defined]
