"""Products of norms on graphs of any shape: what `neyshabur_frobenius`, `neyshabur_l1`, `golowich_l1` say off chains.

Every layer has one gain, a sum over its sources in place of a product (docs/theory.md, "Norms of layers on graphs").
Where every activation is positively homogeneous one number fixes the class; otherwise norms are fixed layer by layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf, grid_up, shares_up
from sparsebounds.bounds.margin.payment import alternative
from sparsebounds.bounds.theorems.chains.stages import read_stages
from sparsebounds.bounds.theorems.passes.gains import NodePass, Way, run_pass
from sparsebounds.bounds.theorems.passes.nodes_scores import scores_in_squares
from sparsebounds.bounds.theorems.passes.one_norms import (
    INPUT,
    LayerGain,
    OneNorms,
    Paid,
    run_one_norms,
    score_rows,
    top_gain,
)
from sparsebounds.bounds.theorems.rademacher.node_forms import Constant, constants, fixed_numbers
from sparsebounds.bounds.theorems.rademacher.path_norm import reads_constant

Energies = Float64[np.ndarray, " ..."]
DAG = "beyond ReLU chains: this library's form of the theorem"
"""Note of a row."""


def frobenius_forms(graph: Graph, energies: Energies, m: int) -> list[ClassSize]:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ (Σ_r κ_r²)^½ (Σ_r N_r)^½ √E: gains and second moments of the node pass.

    Every layer is one node, so that κ is a product of Frobenius norms on chains; N is 4 Σ N over what an activated
    layer reads, 2 N for a maximum. The second form, where there are biases, carries another constant: an alternative.

    Args:
        graph: any network of the kinds that the node pass knows.
        energies: Σ_i x_ij² per input coordinate.
        m: number of inputs.
    """
    whole = frozenset(range(len(graph.layers)))

    def size(constant: Constant) -> ClassSize:
        way = Way(True, constant.log, whole, True, fixed_numbers(graph), squares=True)
        return constant.priced(_in_squares(run_pass(graph, energies, m, way)))

    main, *others = map(size, constants(graph, energies, m, whole))
    return [main, *(replace(form, prices={**alternative(), **form.prices}) for form in others)]


def _in_squares(state: NodePass) -> ClassSize:
    output, numbers = scores_in_squares(state), state.way.numbers
    terms: dict[str, Any] = {
        "(sum_r kappa_r^2)^(1/2)": exp_or_inf(output.log_gain),
        "(sum_r N_r)^(1/2)": exp_or_inf(output.log_count / 2),
        "classes C": state.nodes.graph.classes,
        "largest energy read": exp_or_inf(output.log_energy),
        "constant that biases read": exp_or_inf(state.way.log_constant),
    }
    prices: dict[str, float] = {}
    if numbers is not None:
        terms["norms of layers"], prices["norms of layers"] = numbers.shown, numbers.nats
    return ClassSize(output.log_gain, exp_or_inf((output.log_count + output.log_energy) / 2), prices, terms=terms)


@dataclass(frozen=True)
class OneNormClass:
    """A class by ℓ1 norms, and how large its scores are: E sup Σ_n ξ_n f ≤ exp(log_scale) · what `of` says."""

    log_scale: float
    log_first: float
    """log F: the supremum is at most scale · F times the largest |Σ_n ξ_n x_nj|, in expectation."""
    log_exponential: float
    """log N of one score, and the factor before its scale that N is the mean for."""
    weight: float
    prices: dict[str, float]
    terms: dict[str, Any]


def one_norm_class(graph: Graph, together: bool) -> OneNormClass:
    """The class of a network by ℓ1 norms of layers.

    Args:
        graph: any network of the kinds in the ℓ1 pass.
        together: whether all scores are added up; otherwise the largest one counts.
    """
    if fixed_numbers(graph) is None:
        return _one_number(graph, together)
    paid = Paid(grid_up)
    state = run_one_norms(graph, paid)
    found = _fixed_top(state, together)
    prices = {"norms of layers": paid.nats, **found.prices}
    return replace(found, prices=prices, terms={**found.terms, "norms of layers": paid.shown})


def _one_number(graph: Graph, together: bool) -> OneNormClass:
    """Units of gain 1 lie in the hull of the stages of `path_norm`, since no path norm exceeds its layer's gain."""
    state, stages = run_one_norms(graph), read_stages(graph)
    if isinstance(graph.layers[-1], Linear):
        rows = [part + _of(state, source).gain for source, part in score_rows(graph, len(graph.layers) - 1)]
        logs = np.logaddexp.reduce(rows, axis=0)
    else:
        logs = np.full(graph.classes, top_gain(state).gain)
    scale = float(np.logaddexp.reduce(logs) if together else logs.max())
    exponential = stages.logs((1,) * len(stages.windows), 1, 1) - math.log(2.0)
    terms = {"activation stages": stages.activations, "max pool stages": len(stages.windows)}
    return OneNormClass(scale, stages.log_first_moments(), exponential, 1.0, {}, terms)


def _of(state: OneNorms, source: int | None) -> LayerGain:
    return INPUT if source is None else state.layers[source]


def _fixed_top(state: OneNorms, together: bool) -> OneNormClass:
    """The scores fix the shares that each of their sources has: max of several suprema is not a mean of them."""
    graph = state.graph
    last = graph.layers[-1]
    if not (isinstance(last, Linear) and last.affine):
        top = top_gain(state)
        scale = top.gain + (math.log(graph.classes) if together else 0.0)
        return OneNormClass(scale, top.first, top.exponential, 1.0, {}, {})
    gather: Callable[[np.ndarray], Any] = np.logaddexp.reduce if together else np.max
    read = [(_of(state, source), part) for source, part in score_rows(graph, len(graph.layers) - 1)]
    logs = np.array([float(gather(part)) + of.gain for of, part in read])
    scale = float(logs.max())
    shares = np.exp(logs - scale) if scale > -math.inf else np.ones(len(logs))
    prices: dict[str, float] = {}
    if len(shares) > 1:
        shares, prices["shares of what the scores read"] = shares_up(shares)
    weights = np.log(np.maximum(shares, np.finfo(float).tiny))
    first = float(np.logaddexp.reduce(weights + [of.first for of, _ in read]))
    total = float(np.logaddexp.reduce(weights))
    exponential = float(np.logaddexp.reduce(weights + [of.exponential for of, _ in read])) - total
    return OneNormClass(scale, first, exponential, math.exp(total), prices, {"shares": shares.tolist()})


@dataclass(frozen=True)
class Coordinates:
    """The inputs as ℓ1 bounds see them, the constant 1 among them where it is read."""

    count: int
    """D."""
    largest: float
    """max_j ‖X_j‖."""


def read_coordinates(graph: Graph, energies: Energies, m: int) -> Coordinates:
    """From Σ_i x_ij² per coordinate; the constant has energy m."""
    biased = reads_constant(graph)
    return Coordinates(energies.size + biased, math.sqrt(max(float(np.max(energies)), float(m) if biased else 0.0)))


def first_moment_form(graph: Graph, energies: Energies, m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ Σ_r κ_r · F √(2 log(2DC)) max_j ‖X_j‖, on any graph."""
    found, data = one_norm_class(graph, True), read_coordinates(graph, energies, m)
    terms = {
        "sum_r kappa_r": exp_or_inf(found.log_scale),
        "factor of depth F": exp_or_inf(found.log_first),
        "inputs D": data.count,
        "classes C": graph.classes,
        "max_j ||X_j||": data.largest,
        **found.terms,
    }
    unit = exp_or_inf(found.log_first) * math.sqrt(2 * math.log(2 * data.count * graph.classes)) * data.largest
    return ClassSize(found.log_scale, unit, found.prices, terms=terms)


def exponential_form(graph: Graph, energies: Energies, m: int) -> ClassSize:
    """E sup Σ_i Σ_r ξ_ir f_r(x_i) ≤ max_r κ_r · C √(2 log(2ND)) max_j ‖X_j‖, on any graph."""
    found, data = one_norm_class(graph, False), read_coordinates(graph, energies, m)
    logs = math.log(2 * data.count) + found.log_exponential
    terms = {
        "max_r kappa_r": exp_or_inf(found.log_scale),
        "logs": logs,
        "inputs D": data.count,
        "classes C": graph.classes,
        "max_j ||X_j||": data.largest,
        **found.terms,
    }
    unit = graph.classes * found.weight * math.sqrt(2 * logs) * data.largest
    return ClassSize(found.log_scale, unit, found.prices, terms=terms)
