"""Inputs spread over a sample and the scores that its pass gave them: by these a network is known again.

A graph is read from the program for one input, a sample is measured in batches. Only the scores of the pass itself tell
that both are of one function: a compiled function may keep old weights for one shape of batch, or do something else in
large batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.endings import KNOWN
from sparsebounds.bounds.graph.agreement import disagreement
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_network
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.sample.batch import Batch

MOST, LEAST = 64, 8
"""So many probes are spread over a sample: the most, and the fewest where inputs are large."""
NUMBERS = 1 << 19
"""Coordinates in all of them together, unless the fewest have more."""
_TOGETHER = 16
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True, eq=False)
class Probes:
    """Inputs as the network receives them, float64 (K, …), and its scores (K, C)."""

    inputs: np.ndarray
    scores: np.ndarray


class Probing:
    """Gathers probes while a pass goes by: the first, the last and others spread over the sample, one of every class
    (of some, where there are many), and those with the smallest and the largest margin.

    Where two functions differ on a share p of the inputs, k spread ones all miss it with a probability of about
    (1 − p)^k: for a tenth of the inputs and 64 probes 0.1 %.

    Args:
        labels: (m,) of the whole sample.
        size: coordinates of one input.

    Example:
        >>> Probing(np.array([0, 0, 1]), 5).wanted.tolist()
        [0, 1, 2]
        >>> len(Probing(np.zeros(1000, int), 5).wanted), len(Probing(np.zeros(1000, int), 10**6).wanted)
        (64, 9)
    """

    def __init__(self, labels: Int[np.ndarray, " m"], size: int) -> None:
        self.wanted = _spread(labels, int(np.clip(NUMBERS // max(1, size), LEAST, MOST)))
        self._kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        self._extremes: dict[str, tuple[float, int, tuple[np.ndarray, np.ndarray]]] = {}

    def add(self, batch: Batch, labels: Int[np.ndarray, " B"], margins: Float64[np.ndarray, " B"]) -> None:
        """Keep what is wanted of one more batch."""
        self._keep(batch, labels)
        for name, at, sign in (("smallest", margins.argmin(), 1.0), ("largest", margins.argmax(), -1.0)):
            value = sign * float(margins[at])
            if name not in self._extremes or value < self._extremes[name][0]:
                self._extremes[name] = value, batch.where.start + int(at), _row(batch, int(at))

    def _keep(self, batch: Batch, labels: Int[np.ndarray, " B"]) -> None:
        start, stop = batch.where.start, batch.where.stop
        for index in self.wanted[np.searchsorted(self.wanted, start) : np.searchsorted(self.wanted, stop)]:
            self._kept[int(index)] = _row(batch, int(index) - start)

    def result(self) -> Probes:
        """Those of the batches so far."""
        rows = (self._kept | {index: row for _, index, row in self._extremes.values()}).values()
        return Probes(np.stack([x for x, _ in rows]), np.stack([scores for _, scores in rows]))


class PassingProbes(Probing):
    """The same of a sample whose number nobody knows: in place of spread ones, so many drawn at random, each as likely.

    Args:
        size: coordinates of one input.
    """

    def __init__(self, size: int) -> None:
        super().__init__(np.zeros(1, dtype=np.int64), size)
        self._most = int(np.clip(NUMBERS // max(1, size), LEAST, MOST))
        self._rng = np.random.default_rng(0)
        self._drawn: list[int] = []
        """Number of the sample in every place of the reservoir."""
        self._pinned: set[int] = set()
        self._seen: set[int] = set()
        self._last = -1

    def _keep(self, batch: Batch, labels: Int[np.ndarray, " B"]) -> None:
        start = batch.where.start
        before = {*self._drawn, *self._pinned, self._last}
        for i in range(start, batch.where.stop):
            place = len(self._drawn) if len(self._drawn) < self._most else int(self._rng.integers(i + 1))
            if place < self._most:
                self._drawn[place : place + 1] = [i]
        new = [int(label) for label in np.unique(labels) if int(label) not in self._seen]
        for label in new[: max(0, self._most // 2 - len(self._seen))]:
            self._seen.add(label)
            self._pinned.add(start + int(np.argmax(labels == label)))
        self._last = batch.where.stop - 1
        wanted = {*self._drawn, *self._pinned, 0, self._last}
        for index in before - wanted:
            self._kept.pop(index, None)
        for index in sorted(wanted):
            if index >= start:
                self._kept[index] = _row(batch, index - start)


def _row(batch: Batch, at: int) -> tuple[np.ndarray, np.ndarray]:
    return batch.values[at].copy(), batch.scores[at].copy()


def _spread(labels: Int[np.ndarray, " m"], count: int) -> Int[np.ndarray, " wanted"]:
    """Ascending indices. Each part of the sample has one, at a place of its own: an order that repeats is no trap."""
    m, steps = len(labels), np.arange(count)
    spread = np.floor(m * (steps + (steps * _GOLDEN) % 1.0) / count).astype(np.int64)
    _, first = np.unique(labels, return_index=True)
    some = first[np.linspace(0, len(first) - 1, min(len(first), count // 2)).astype(int)]
    return np.unique(np.concatenate([[0, m - 1], np.minimum(spread, m - 1), some]))


@per_network
def check_probes(graph: Graph | Program, probes: Probes) -> None:
    """Raise ValueError unless the graph computes these scores, up to what they have in common.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> graph = read_graph(lambda x: x @ np.eye(2, dtype=np.float32), np.ones((1, 2)))
        >>> check_probes(graph, Probes(np.eye(2), np.eye(2)))
        >>> check_probes(graph, Probes(np.eye(2), 2 * np.eye(2)))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: the sample was measured of another network than the graph: among 2 of its inputs, differences ...
    """
    starts = range(0, len(probes.inputs), _TOGETHER)
    with np.errstate(over="ignore", invalid="ignore"):
        found = np.concatenate([_scores(graph, probes.inputs[s : s + _TOGETHER]) for s in starts])
    if not np.isfinite(found).all():
        raise ValueError("the graph's scores are NaN or infinite: its weights are not finite, or overflow; retrain it")
    worst = disagreement(found, probes.scores)
    if worst.ratio <= 1.0:
        return
    if graph.ends and disagreement(_ended(found, graph.ends), probes.scores).ratio <= 1.0:
        raise ValueError(
            f"the sample keeps values from above the {' and the '.join(graph.ends)} that ends the network, the graph "
            "has the scores below it; measure the sample with Sample.measure on the network itself, which takes the "
            "same end off, or give scores and margins from before it"
        )
    raise ValueError(
        f"the sample was measured of another network than the graph: among {len(found)} of its inputs, differences "
        f"between scores differ by up to {worst.difference:.3g} (of {worst.size:.3g}); measure the sample with the "
        "network that the graph was read from, computed in float32, such as lambda x: bounds.evaluate(graph, x). A "
        "jitted function keeps the weights of its first call unless they are arguments, and a network in training "
        "mode sees the whole batch"
    )


def _scores(graph: Graph | Program, inputs: np.ndarray) -> np.ndarray:
    return graph.run(inputs) if isinstance(graph, Program) else evaluate(graph, inputs)


def _ended(scores: np.ndarray, ends: tuple[str, ...]) -> np.ndarray:
    for name in reversed(ends):
        scores = KNOWN[name](scores)
    return scores
