"""The sizes of a class by the node pass: one number c, and what all its networks share is their structure alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float64
from scipy.special import gammaln

from sparsebounds.bounds.bound import PIECEWISE_LINEAR
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf, grid_delta, grid_up
from sparsebounds.bounds.theorems.passes.gains import NodePass
from sparsebounds.bounds.theorems.passes.nodes_fixed_numbers import FixedNumbers
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes
from sparsebounds.bounds.theorems.passes.nodes_scores import Output, all_scores

Energies = Float64[np.ndarray, " ..."]
COVERS = (*PIECEWISE_LINEAR, "activation")
"""Kinds of layers that the node pass has a rule for."""
NOT_HOMOGENEOUS = "other Lipschitz activations: the class then fixes two norms of each layer, which are paid for"


def summed(state: NodePass) -> ClassSize:
    """E_ξ sup Σ_n Σ_r ξ_nr f_r(x_n) ≤ c (1 + √(2 log N)) √E, c = Σ_r κ_r, N = Σ_r N_r.

    The one place that decides how the scores are added up.
    """
    return size(all_scores(state), "sum_r kappa_r", state)


def size(output: Output, name: str, state: NodePass, copies: int = 1) -> ClassSize:
    """The class of networks with one number: κ of an output, `copies` of which are added up."""
    energy = exp_or_inf(output.log_energy)
    terms: dict[str, Any] = {
        "form": "nodes",
        name: exp_or_inf(output.log_gain),
        "logs": output.log_count,
        "largest energy read": energy,
        "constant that biases read": exp_or_inf(state.way.log_constant),
    }
    numbers = state.way.numbers
    prices: dict[str, float] = {}
    if numbers is not None:
        terms["norms of layers"], prices["norms of layers"] = numbers.shown, numbers.nats
    unit = copies * (1 + math.sqrt(2 * output.log_count)) * exp_or_inf(output.log_energy / 2)
    return ClassSize(output.log_gain, unit, prices, terms=terms)


def biased(graph: Graph) -> bool:
    """Whether some layer reads the constant: it adds a bias, be it zero, or an activation that is not 0 at 0."""
    constants = (isinstance(layer, Activation) and layer.function.at_zero != 0 for layer in graph.layers)
    return any(layer.bias is not None for layer in graph.layers) or any(constants)


def fixed_numbers(graph: Graph) -> FixedNumbers | None:
    """The norms that a class must fix layer by layer: none where every activation is positively homogeneous."""
    activations = (layer.function for layer in graph.layers if isinstance(layer, Activation))
    return None if all(function.homogeneous for function in activations) else FixedNumbers(grid_up)


@dataclass(frozen=True)
class Constant:
    """What biases read: a network that carries 2^i in place of 1 has biases b/2^i, and the energy of it is 4^i m."""

    name: str
    """"" for 1."""
    log: float
    prices: Mapping[str, float]
    """Of the choice of i."""

    def priced(self, form: ClassSize) -> ClassSize:
        return replace(form, prices={**form.prices, **self.prices})


def constants(graph: Graph, energies: Energies, m: int, whole: frozenset[int] = frozenset()) -> list[Constant]:
    """1 and, where there are biases, another one, so that they count by √m where inputs are larger.

    `whole`: layers that are one node each.
    """
    found = [Constant("", 0.0, {})]
    if biased(graph):
        largest = float(np.bincount(Nodes(graph, whole).local(0), weights=np.ravel(energies)).max(initial=0.0))
        i = math.floor(math.log2(largest / m) / 2) if largest > 0 else 0
        nats = -math.log(grid_delta(i, 1.0))
        found.append(Constant("constant", i * math.log(2.0), {"constant that biases read": nats}))
    return found


@per_graph
def mask_counts(graph: Graph) -> tuple[int, int]:
    """(n, k): blocks between nodes that could be zero (shared ones once), and those that are not."""
    nodes, total, there = Nodes(graph), 0, 0
    for index, layer in graph.linear_layers():
        for number, term in enumerate(layer.terms):
            if term.learned:
                blocks = nodes.blocks(index, number, True)
                used = np.asarray((blocks.taps >= 0).any(axis=1))
                every = int(used.sum()) * blocks.table.shape[2]
                total += every
                there += every if blocks.full else int((blocks.present & used[:, :, None]).sum())
            elif term.parameters is not None:  # a scale: of its zeros, too, a mask could come
                both = [nodes.blocks(index, number, s).counts(structural=True).sum() for s in (True, False)]
                total, there = total + int(both[0]), there + int(both[1])
        if layer.bias is not None:
            total, there = total + 1, there + int(layer.bias.any())
    return total, there


def mask_nats(graph: Graph) -> float:
    """log((n + 1) · (n choose k)): k of n blocks are there; the class of masks with their number is a prior."""
    n, k = mask_counts(graph)
    return float(math.log(n + 1) + gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
