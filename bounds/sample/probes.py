"""Two inputs of a sample and their scores, by which the network that was measured is known again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.endings import KNOWN
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.network import Network

TOLERANCE = 1e-3
"""Largest difference between graph and scores, relative to the largest score: that of the reader."""


@dataclass(frozen=True, eq=False)
class Probes:
    """Inputs as the network receives them, float64 (2, …), and its scores (2, C)."""

    inputs: np.ndarray
    scores: np.ndarray


def probed(network: Network, x: Any, labels: np.ndarray) -> Probes:
    """The first input, and the first of another class, with their scores.

    Args:
        network: what is measured.
        x: (m, …) inputs.
        labels: (m,), two or more classes.

    Returns:
        Probes. The scores are computed apart from the pass, in full precision, as the reader computes them.
    """
    other = int(np.flatnonzero(labels != labels[0])[0])
    inputs = jnp.asarray(np.stack([np.asarray(x[0]), np.asarray(x[other])]))
    with jax.default_matmul_precision("highest"):
        scores = np.asarray(network(inputs)).astype(np.float64)
    return Probes(np.asarray(inputs).astype(np.float64), scores)


@per_graph
def check_probes(graph: Graph | Program, probes: Probes) -> None:
    """Raise ValueError unless the graph computes these scores.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> graph = read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2)))
        >>> check_probes(graph, Probes(np.eye(2), np.eye(2)))
        >>> check_probes(graph, Probes(np.eye(2), 2 * np.eye(2)))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the sample was measured of another network than the graph: on two of its inputs ...
    """
    with np.errstate(over="ignore", invalid="ignore"):
        found = graph.run(probes.inputs) if isinstance(graph, Program) else evaluate(graph, probes.inputs)
    if not np.isfinite(found).all():
        raise ValueError("the graph's scores are NaN or infinite: its weights are not finite, or overflow; retrain it")
    worst = float(np.max(np.abs(found - probes.scores), initial=0.0))
    scale = float(np.max(np.abs(probes.scores), initial=1e-30))
    if worst <= TOLERANCE * scale:
        return
    if graph.ends and _same(probes.scores, _ended(found, graph.ends)):
        raise ValueError(
            f"the sample keeps values from above the {' and the '.join(graph.ends)} that ends the network, the graph "
            "has the scores below it; measure the sample with Sample.measure on the network itself, which takes the "
            "same end off, or give scores and margins from before it"
        )
    raise ValueError(
        "the sample was measured of another network than the graph: on two of its inputs their scores differ by "
        f"{worst:.3g} (scores up to {scale:.3g}); measure the sample with the network that the graph was read "
        "from, computed in float32, such as lambda x: bounds.evaluate(graph, x)"
    )


def _ended(scores: np.ndarray, ends: tuple[str, ...]) -> np.ndarray:
    for name in reversed(ends):
        scores = KNOWN[name](scores)
    return scores


def _same(scores: np.ndarray, others: np.ndarray) -> bool:
    return bool(np.abs(scores - others).max() <= TOLERANCE * max(float(np.abs(scores).max()), 1e-30))
