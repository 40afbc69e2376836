"""What the sparsity of a network does to its bound: the same weights, counted as if every node read all below."""

import math
from dataclasses import dataclass

from sparsebounds import bounds


@dataclass(frozen=True)
class Sparsity:
    """The factors of the sound form's complexity, factor/m · c_j · (1 + √(2·logs)) · √paths, twice.

    Args:
        c_j: the norms over γ, rounded up to the grid: the same in both.
        paths: largest Π|pred| · energy over the paths, with the network's own predecessors.
        logs: the logarithms, likewise.
        complexity: what comes of it.
        dense_paths, dense_logs, dense_complexity: with every node reading the whole layer below.
    """

    c_j: float
    paths: float
    logs: float
    complexity: float
    dense_paths: float
    dense_logs: float
    dense_complexity: float


def sparsity(graph: bounds.Graph, sample: bounds.Sample, bound: bounds.Bound) -> Sparsity | None:
    """Compare a network with its own weights in a fully connected graph of the same nodes.

    Missing blocks are zero blocks, so this too is a bound on the network, and a valid one: only the counts
    of predecessors are larger.

    Args:
        graph: partition "position", as `bound` was computed with.
        sample: what `bound` was computed from.
        bound: of `bounds.theorems.rademacher.galanti`.

    Returns:
        Both sets of factors; None where the bound was not computed in the form shared by all nodes.
    """
    terms = bound.terms
    if terms.get("form") != "shared" or terms["nodes"] != graph.nodes:
        return None
    paths, logs = _dense(graph, sample, terms["activations"])
    own_paths, own_logs = terms["max path prod |pred| * energy"], terms["logs"]
    size = terms["factor"] / terms["m"] * terms["c_j"]
    return Sparsity(
        c_j=terms["c_j"],
        paths=own_paths,
        logs=own_logs,
        complexity=bound.complexity,
        dense_paths=paths,
        dense_logs=logs,
        dense_complexity=size * (1 + math.sqrt(2 * logs)) * math.sqrt(paths),
    )


def _dense(graph: bounds.Graph, sample: bounds.Sample, activations: int) -> tuple[float, float]:
    """(max over paths of Π|pred| · energy, logs) with |pred| = all nodes below, and the constant of a bias."""
    best = float(graph.node_sums(0, sample.energies).max())
    logs = activations * math.log(2) + math.log(graph.classes)
    for index, layer in enumerate(graph.layers[1:], start=1):
        bias = getattr(layer, "bias", None) is not None
        count = graph.node_counts[index - 1] + bias
        # a path starts at an input node, or at the constant 1 of a bias, whose energy is m
        best = count * max(best, sample.m if bias else 0.0)
        logs += math.log(count)
    return best, logs
