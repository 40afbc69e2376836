"""The bound of Ledent, Mustafa, Lei, Kloft (AAAI 2021): weight sharing, and no √C from the last layer.

Its constants are known from others' code and from memory only, so it is `published`, never a certificate, although γ,
norms and δ are paid for as in all other bounds.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import Bound, Gamma, declare
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import dense_head
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.conclude import conclude
from sparsebounds.bounds.margin.contraction import outputs_in_l2
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import RAMP, Payment
from sparsebounds.bounds.norms import frobenius_norm, kernel_two_one_norm, row_norms
from sparsebounds.bounds.sample.limits import Range, largest_norm, largest_patch
from sparsebounds.bounds.sample.sample import Sample
from sparsebounds.bounds.theorems.covering.choice import preferred
from sparsebounds.bounds.theorems.covering.hull_cover import covering_complexity
from sparsebounds.bounds.theorems.covering.own_numbers import ASSUMES, COVERS, OwnNumbers, read_numbers
from sparsebounds.bounds.theorems.covering.unions import FixedClass, classes
from sparsebounds.bounds.theorems.passes.chain import homogeneous_chain
from sparsebounds.bounds.theorems.passes.hulls import Hull, weights_by_tap
from sparsebounds.bounds.theorems.passes.maps import Place, bias_numbers, dot_at, term_upper
from sparsebounds.bounds.theorems.passes.reach import Reach, reaches
from sparsebounds.bounds.theorems.passes.sizes import Size, log

SOURCE = "Ledent, Mustafa, Lei, Kloft, Norm-based generalisation bounds for deep multi-class CNNs, AAAI 2021"
NOTE = "unverified: constants and Γ from memory and from others' code"
EXTENDED = "; extended by this library beyond chains without biases"


@declare(
    summary="filter norms and patch norms, weight sharing counted, class-free last layer; constants unverified",
    guarantee="published",
    assumes=(
        *ASSUMES,
        "the last layer is linear; a fixed one, such as pooled scores, counts as learned",
        "a bound on the norm of every input that can occur (input_bound or pixel_range)",
    ),
    covers=COVERS,
    source=f"{SOURCE}, theorem 11 with fixed constraints as others implement it; union over norms and γ",
)
def ledent(
    graph: Graph,
    sample: Sample,
    *,
    delta: float,
    reference: object = None,
    gamma: Gamma = 1.0,
    input_bound: float | None = None,
    pixel_range: Range | None = None,
) -> Bound:
    """The bound with fixed constraints, its numbers rounded up to their grids.

    err ≤ mean ramp φ_γ on S + 8/m + 1536 R (log m/√m) √log₂(32 Γ m² + 7 W̄ m) + 2 √(log(1/δ')/2m),
    R = (Σ_i r_i^{2/3})^{3/2}, r_i = (X₀/γ) (Π_j ρ_j s_j) (a_i/s_i) √(positions of layer i). X₀: norm of the largest
    input patch. s_i: spectral norms, for the last layer its largest row norm. a_i = Σ_o ‖K_o − K_o⁰‖₂, for the last
    layer ‖W − W⁰‖_F. Γ = max_i r_i · (elements of layer i), W̄ the most elements of a layer.

    Args:
        reference: the weights K⁰, W⁰, a Graph fixed without the sample; None: 0.
        input_bound, pixel_range: of every input that can occur; X₀ follows.

    Returns:
        Not a guarantee: the statement is unverified. Value NaN also without a bound on the inputs.

    Raises:
        ValueError: a reference of another structure, or inputs in the sample that are larger than they can be.

    Example:
        >>> b = ledent(graph, sample, delta=0.001, pixel_range=(0.0, 1.0))
        >>> b.guarantee, [round(b_i, 3) for b_i in b.terms["b_i"]]  # filters one by one, the last layer as a whole
        ('published', [2.0, 1.414])

    Source: as above; the original text was not at hand.
    """
    graph, reference = dense_head(graph), _with_dense_head(reference)
    own = read_numbers(graph, reference, _filters, norms=_lipschitz, biases=_biases, scores=True)
    chain = homogeneous_chain(graph) is not None
    start = largest_norm(sample, input_bound, pixel_range)
    if chain and (first := dot_at(graph, next(iter(own.norms)))) is not None and own.layers[0] == 1:
        start = largest_patch(sample, first, input_bound, pixel_range)
    sizes = (_complexity(own, fixed, start, sample.m) for fixed in classes(own))
    note = NOTE if chain and not own.offsets else NOTE + EXTENDED
    payment = Payment(delta, gamma, RAMP)
    return conclude(ledent, [preferred(sizes, sample, payment)], graph, sample, payment, note=note)


def _with_dense_head(reference: object) -> object:
    if isinstance(reference, Reference):
        return replace(reference, graph=dense_head(reference.graph))
    return dense_head(reference) if isinstance(reference, Graph) else reference


def _lipschitz(graph: Graph, place: Place) -> float:
    """s_i: of the last layer its largest row norm; of the others the norms that other theorems ask for too."""
    if place.layer < len(graph.layers) - 1:
        outputs, _ = outputs_in_l2(graph)
        return term_upper(outputs(graph), place)
    return float(row_norms(graph, place.layer, place.term).max())


def _filters(moved: Graph, place: Place) -> Hull:
    """a_i, and twice the weights."""
    term = moved.linear(place.layer).terms[place.term]
    kinds = 2.0 * term.strengths.size
    if place.layer == len(moved.layers) - 1:
        return Hull(frobenius_norm(moved, place.layer, place.term), kinds)
    if dot_at(moved, place) is None:
        return Hull(float(np.abs(term.strengths).sum()), kinds)
    return Hull(kernel_two_one_norm(weights_by_tap(moved, place)), kinds)


def _biases(moved: Graph, index: int) -> Hull:
    """‖b‖₁ over the numbers that the program can set."""
    numbers, _ = bias_numbers(moved.linear(index))
    return Hull(math.fsum(numbers), 2.0 * len(numbers))


def _complexity(own: OwnNumbers, fixed: FixedClass, start: float, m: int) -> ClassSize:
    layers = [own.graph.layers[i] for i in own.layers]
    sizes = np.array([layer.size for layer in layers], dtype=np.float64)
    positions = [layer.positions for layer in layers]
    widest = max(layer.size for layer in own.graph.layers)
    inputs = Size(log(start), log(start), log(start))
    found = reaches(Reach(fixed.fixed, fixed.radii, fixed.shifts), own.layers, inputs, 1)
    scaled = [one + 0.5 * math.log(p) for one, p in zip(found, positions, strict=True)]
    terms = {
        "X_0": start,
        "elements": tuple(sizes.tolist()),
        "positions": tuple(map(float, positions)),
        "W bar": widest,
        "r_i / c": tuple(map(exp_or_inf, scaled)),
    }
    return covering_complexity(fixed, 1.0, scaled, lambda r: rademacher(r, float((r * sizes).max()), widest, m), terms)


def rademacher(r: Float64[np.ndarray, " L"], gamma_count: float, widest: int, m: int) -> float:
    """4/m + 768 R (log m/√m) √log₂(32 Γ m² + 7 W̄ m), R = (Σ r_i^{2/3})^{3/2}.

    Args:
        r: (L,).
        gamma_count: Γ.
        widest: W̄.
        m: number of samples.

    Returns:
        The printed expression; inf past the float64 range.

    Example:
        >>> round(rademacher(np.array([1.0, 8.0]), 16.0, 4, 1024), 3) == round(
        ...     4 / 1024 + 768 * 5**1.5 * math.log(1024) / 32 * math.sqrt(math.log2(2**29 + 28672)), 3)
        True
    """
    with np.errstate(over="ignore", divide="ignore"):
        size = np.power(np.cbrt(np.square(r)).sum(), 1.5)
        logs = np.log2(32 * float(m) ** 2 * np.float64(gamma_count) + 7.0 * widest * m)
        return float(4 / m + (768 * size * math.log(m) / math.sqrt(m) * np.sqrt(logs) if size > 0 else 0.0))
