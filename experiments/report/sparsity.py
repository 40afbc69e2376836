"""What the sparsity of a network does to its bound: the same weights, counted as if every node read all below."""

import math
from dataclasses import dataclass

import numpy as np

from sparsebounds import bounds


@dataclass(frozen=True)
class Sparsity:
    """The factors of the sound form's complexity, factor/m · c_j · (1 + √(2·logs)) · √energy, twice.

    Args:
        c_j: the gains over γ, rounded up to the grid: the same in both, as a zero block adds nothing to a gain.
        energy: the largest that is read, the same in both.
        logs: the logarithm of the paths, with the network's own predecessors.
        complexity: what comes of it.
        dense_logs, dense_complexity: with every node reading the whole layer below.
    """

    c_j: float
    energy: float
    logs: float
    complexity: float
    dense_logs: float
    dense_complexity: float


def sparsity(graph: bounds.Graph, bound: bounds.Bound) -> Sparsity | None:
    """Compare a network with its own weights in a fully connected graph of the same nodes.

    Missing blocks are zero blocks, so this too is a bound on the network, and a valid one: only there are more paths.

    Args:
        graph: partition "position", as `bound` was computed with.
        bound: of `bounds.theorems.rademacher.galanti`.

    Returns:
        Both sets of factors; None where the bound was not computed from gains and paths, or the network is no chain.
    """
    terms = bound.terms
    chain = all(graph.sources(i) == [i - 1] and not layer.maximum for i, layer in graph.computed())
    if terms.get("form") != "nodes" or terms["nodes"] != graph.nodes or not chain:
        return None
    logs, size = _dense_logs(graph), terms["factor"] / terms["m"] * terms["c_j"]
    return Sparsity(
        c_j=terms["c_j"],
        energy=terms["largest energy read"],
        logs=terms["logs"],
        complexity=terms.get("complexity uncapped", bound.complexity),
        dense_logs=logs,
        dense_complexity=size * (1 + math.sqrt(2 * logs)) * math.sqrt(terms["largest energy read"]),
    )


def _dense_logs(graph: bounds.Graph) -> float:
    """log of the paths with |pred| = all nodes below, and the constant of a bias."""
    logs = 0.0
    for index, layer in graph.linear_layers():
        logs += math.log(graph.node_counts[index - 1])
        if layer.bias is not None:
            logs = float(np.logaddexp(logs, 0.0))
        logs += (1 - layer.slope) / 2 * math.log(2)
    return logs + math.log(graph.classes if graph.classes > 2 else 1)  # two classes: one difference of scores
