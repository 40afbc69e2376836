"""Theorem 3, one-sided, for any family of classes fixed in advance: energies, radii, and every price.

    err ≤ mean ramp φ_γ on S + (2/m) c_j Σ_S shares_S reach_S(U) + √((log(2/δ) + nats)/2m)

U_{S,k} ≥ E λ_k(y)² Z_S(x), all together w.p. ≥ 1 − δ/2 (empirical Bernstein with the range of Z_S, known in advance).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float64, UInt64

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, Bound, Gamma, declare
from sparsebounds.bounds.certificates.checks import check_every_class, check_left_out
from sparsebounds.bounds.certificates.energies import Energies, EnergyWeights, bernstein_limits, marks_of
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.margin.architecture import architecture_prices
from sparsebounds.bounds.margin.classes import ClassSize, choice_prices
from sparsebounds.bounds.margin.conclude import bound_from_step
from sparsebounds.bounds.margin.grids import shares_up
from sparsebounds.bounds.margin.payment import Payment
from sparsebounds.bounds.margin.space import Configuration
from sparsebounds.bounds.margin.step import smallest
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.moments.peeling import SOURCE
from sparsebounds.bounds.sample.sample import Sample

RATIOS = (1.1, 1.2, 1.5)
"""Ratios of the grid of radii that differ from row to row."""
DECLARED = "that no sample shaped the family is declared, not checked (shaped_by=, left_out=)"
SAME = 1e-6
"""Two sums over one sample, in another order, agree up to this."""


class Family(Protocol):
    """Classes of networks, all numbers but the radii of the last layer's rows fixed without looking at the sample."""

    @property
    def name(self) -> str: ...

    @property
    def form(self) -> MarginForm:
        """Of the margin step: R rows, K sub-samples."""
        ...

    @property
    def shaped_by(self) -> UInt64[np.ndarray, " n"] | None:
        """Fingerprints of the samples that the family comes from, none of which may be certified; None without any."""
        ...

    @property
    def counted(self) -> Bool[np.ndarray, "Z K"]:
        """bool (Z, K): for which sub-samples each weighted energy enters the complexity."""
        ...

    def energy_weights(self, graph: Graph, *, frozen: int = 0) -> EnergyWeights:
        """Z weighted energies of the inputs; with `frozen`, of the elements of a layer, as if all up to it were fixed.

        Raises:
            NotCovered: a network that the family does not hold.
        """
        ...

    def scales(self, graph: Graph) -> Float64[np.ndarray, " elements"]:
        """(elements,): what every hidden element is divided by so that its row has radius 1; 1 for inputs."""
        ...

    def radii(self, graph: Graph) -> Float64[np.ndarray, " R"]:
        """(R,): of the smallest class that holds the network, not below the exact ones."""
        ...

    def reach(self, energies: Float64[np.ndarray, "Z K"], m: int) -> Float64[np.ndarray, " R"]:
        """(R,): what a radius of 1 adds to T, from the mean weighted energies (Z, K) of m samples."""
        ...

    def most(self, graph: Graph) -> float:
        """The largest radius, common to all rows, at which the class still holds the network.

        Infinite where a class of a larger radius holds those of smaller ones; otherwise the rows share one radius.
        """
        ...

    def check(self, sample: Sample) -> None:
        """Raise ValueError if the sample contradicts what the family states of its inputs."""
        ...


@declare(
    summary="any family of classes fixed in advance: energies bounded, radii of the rows paid for",
    guarantee="certificate",
    assumes=("a network that the family holds", "a family fixed without the certified samples"),
    source=SOURCE,
    covers=(*PIECEWISE_LINEAR, "activation"),
)
def certify_family(
    graph: Graph,
    sample: Sample,
    family: Family,
    energies: Energies,
    *,
    delta: float,
    gamma: Gamma = "best",
    choices: Mapping[str, int] | Configuration | None = None,
    tied_only: bool = False,
    left_out: UInt64[np.ndarray, " n"] | None = None,
) -> Bound:
    """The certificate of a network in a class of the family.

    Args:
        graph: the network, read behind its front end.
        family: fixed without looking at the sample.
        energies: of the same sample, from `measure_energies` with the family's own `energy_weights`.
        choices: a sequential search is not covered by its length: counts are for lists fixed in advance (front ends,
            families …); a search gives the Configuration that it ended with, see `bounds.certificate`.
        tied_only: the rows share one radius, decided in advance; otherwise the best of that and the grids, paid for.
        left_out: fingerprints of samples that had a part in anything beside the family, which knows its own.

    Returns:
        A certificate, all prices in `terms`.

    Raises:
        ValueError: choices, weights outside the family, energies of another family or sample, left-out samples among
            the certified ones.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> from sparsebounds.bounds.certificates import Ellipsoids, Tree, measure_energies, tree_form
        >>> f = lambda x: x @ np.eye(2, dtype=np.float32)
        >>> x, y = np.eye(2, dtype=np.float32)[[0, 1] * 5000], np.array([0, 1] * 5000)
        >>> graph, form = read_graph(f, x[:2]), tree_form(Tree.balanced(2), 2)
        >>> ball = Ellipsoids(form, np.array([[1.0, 1.0, 0.0]]))
        >>> weights = ball.energy_weights(graph)
        >>> energies = measure_energies(weights, form, x, y, weights.limits(np.ones(2)))
        >>> b = certify_family(graph, Sample.measure(f, x, y), ball, energies, delta=0.001, tied_only=True)
        >>> b.value < 0.1, b.guarantee
        (True, 'certificate')

    Source: theorem 3 of docs/theory.md, "What is paid".
    """
    check_every_class(sample)
    for marks in (left_out, family.shaped_by):
        check_left_out(sample, marks)
    _check_energies(energies, family, graph, sample)
    family.check(sample)
    paid = choice_prices(choices)
    architecture = architecture_prices(graph)
    prices = paid.prices | architecture
    # The weights of the energies depend on what the network reads and on its slopes.
    log_inverse = math.log(int(family.counted.sum()) * 2.0 / delta) + paid.nats + math.fsum(architecture.values())
    upper, ratios = bernstein_limits(family.form, energies, log_inverse)
    most = family.most(graph)
    tied = tied_only or most < math.inf  # a radius that is rounded up row by row needs classes that grow with it
    sizes = _sizes(family.name, family.reach(upper, sample.m), family.radii(graph), prices, tied, most)
    terms = {
        **paid.terms,
        "energies: confidence bounds / means": float(ratios[family.counted].max(initial=1.0)),
        "energies: log(1/failure probability) of each": log_inverse,
    }
    step = smallest(sizes, sample, Payment.of_theorem_3(delta, gamma))
    bound = bound_from_step(step, certify_family, sample, terms=terms)
    if left_out is None and family.shaped_by is None:
        bound = replace(bound, note="; ".join(part for part in (bound.note, DECLARED) if part))
    return bound


def _check_energies(measured: Energies, family: Family, graph: Graph, sample: Sample) -> None:
    """Raise ValueError unless these are the energies that the sample has in this family."""
    needed, form = family.energy_weights(graph), family.form
    if measured.m != sample.m:
        raise ValueError(f"energies of {measured.m} samples, margins of {sample.m}; needed the same sample")
    same = all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=0.0)
        for a, b in ((measured.weights.inputs, needed.inputs), (measured.weights.constant, needed.constant))
    )
    if not same:
        raise ValueError("the energies were measured for another class; measure them with its own `energy_weights`")
    if measured.weights.features != needed.features:
        raise ValueError("the energies are of other features than the family weighs; measure them with its own weights")
    of_sample = sample.class_energies.reshape(sample.classes, -1)
    if measured.inputs.shape != of_sample.shape or not np.allclose(measured.inputs, of_sample, rtol=SAME, atol=0.0):
        raise ValueError(
            "the energies are those of other inputs or labels than the sample's; measure them on exactly what the "
            "network receives, behind its front end, with its labels"
        )
    if measured.lambdas.shape != form.weights.shape or not np.array_equal(measured.lambdas, form.weights):
        raise ValueError("the energies were added up with another form than the family's; measure them with its own")
    if needed.features is not None:
        _check_shown(measured, sample)
        return
    by_class = of_sample @ needed.inputs.T + sample.class_counts[:, None] * needed.constant
    own = (form.weights @ by_class).T / sample.m
    if measured.means.shape != own.shape or not np.allclose(measured.means, own, rtol=SAME, atol=0.0):
        raise ValueError("the energies are not those of the sample's inputs and labels; measure them again")


def _check_shown(measured: Energies, sample: Sample) -> None:
    """Raise ValueError unless the features were those of the sample's inputs, as far as its probes tell."""
    if sample.probe_inputs is None or measured.marks is None:
        raise ValueError("a sample without probes cannot be told from another one; use Sample.measure")
    if not np.isin(marks_of(sample.probe_inputs), measured.marks).all():
        raise ValueError("the energies are those of other inputs than the sample's; measure them on what it received")


def _sizes(
    name: str,
    reach: Float64[np.ndarray, " R"],
    own: Float64[np.ndarray, " R"],
    paid: dict[str, float],
    tied_only: bool,
    most: float,
) -> list[ClassSize]:
    """One radius for all rows, and, unless that was settled in advance, a radius per row on each grid."""
    largest = float(own.max(initial=0.0))
    log_scale = math.log(largest) if largest > 0 else -math.inf
    options: tuple[float | None, ...] = (None,) if tied_only or len(own) == 1 else (None, *RATIOS)
    if len(options) > 1:
        paid = {**paid, f"choice of radii, one of {len(options)}": math.log(len(options))}
    sizes = []
    for ratio in options:
        shares, nats = np.ones(len(own)), 0.0
        if ratio is not None and largest > 0:
            shares, nats = shares_up(own / largest, ratio)
        prices = {**paid, **({"radii of the rows on their grid": nats} if nats else {})}
        terms = {
            "weights of the last layer": name,
            "rows share one radius": ratio is None,
            "rows a_S / scale": shares.round(9).tolist(),
            "complexity of each row / all": (shares * reach / max(float(shares @ reach), 1e-300)).round(6).tolist(),
        }
        unit, log_most = float(shares @ reach), math.log(most)
        sizes.append(ClassSize(log_scale, unit, prices, one_sided=True, terms=terms, log_most=log_most))
    return sizes
