"""The check of every read: the graph against the function, and the function against itself in other batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.reader.values import ReadError

TOLERANCE = 1e-3
"""Largest difference between the graph and the function, relative to the largest score (float32 networks)."""
MIXING = 1e-4
"""Largest difference between the scores of an input in a batch and alone: the order of float32 sums differs."""
TOGETHER = 7
"""Inputs in the batch that shows mixing."""
NUMBERS = 1 << 19
"""Coordinates in that batch, unless three inputs have more."""


def check(graph: Graph, network: Callable[[Any], Any], x: np.ndarray, tolerance: float = TOLERANCE) -> None:
    """The graph must equal the network on an example and on noise, and the network must treat every input alone.

    The inputs keep the type of x: what a program does to integers differs from what it does to floats.

    Args:
        graph: what was read.
        network: what it was read from.
        x: (B, …) example inputs.
        tolerance: largest difference between graph and network, relative to the largest score.

    Raises:
        ReadError: they differ.
    """
    words = graph.input.vocabulary
    inputs = (
        _inputs(x) if words is None else np.random.default_rng(0).integers(0, words, (3, *x.shape[1:])).astype(x.dtype)
    )
    with jax.default_matmul_precision("highest"):
        together = np.asarray(network(inputs), dtype=np.float64)
        alone = [network(inputs[i : i + 1]) for i in range(len(inputs))]
    found = evaluate(graph, inputs[:2])
    if together.shape != (len(inputs), *found.shape[1:]):
        needed = len(inputs), *found.shape[1:]
        raise ReadError(f"for {len(inputs)} inputs the function returns shape {together.shape}; needed {needed}")
    separate = np.concatenate([np.asarray(scores, dtype=np.float64) for scores in alone])
    scale = float(np.max(np.abs(separate), initial=1e-30))
    worst = float(np.max(np.abs(together - separate), initial=0.0))
    if not worst <= MIXING * scale * _coarseness(alone[0]):
        raise ReadError(
            f"the function mixes the inputs of a batch: the scores of an input change by {worst:.3g} (scores up to "
            f"{scale:.3g}) with the other inputs or with their number; needed scores of each input alone, as in "
            "evaluation mode"
        )
    expected = together[:2]
    worst = float(np.max(np.abs(found - expected), initial=0.0))
    scale = float(np.max(np.abs(expected), initial=1e-30))
    if not worst <= tolerance * scale:
        raise ReadError(
            f"the graph differs from the function by {worst:.3g} (scores up to {scale:.3g}); does the function compute "
            "in low precision, or call something that the trace does not show?"
        )


def _inputs(x: np.ndarray) -> np.ndarray:
    """An example, noise of its size, and a few more of both; fewer where an input is large."""
    count = int(np.clip(NUMBERS // max(1, x[0].size), 3, TOGETHER))
    rows = np.concatenate([x[:1], _noise(x[:1], count - 1)])
    more = x[1 : count - 1]
    rows[2 : 2 + len(more)] = more
    return rows


def _tokens(x: np.ndarray, words: int) -> np.ndarray:
    """Two random inputs of tokens, and an example."""
    drawn = np.random.default_rng(0).integers(0, words, (2, *x.shape[1:]))
    return np.concatenate([drawn.astype(x.dtype), x[:1]])


def _noise(example: np.ndarray, count: int) -> np.ndarray:
    """Random inputs of the type and the size of an example: (count, …)."""
    rng, shape, kind = np.random.default_rng(0), (count, *example.shape[1:]), example.dtype
    if kind.kind == "b":
        return rng.integers(0, 2, size=shape).astype(kind)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        top = info.max if kind.itemsize == 1 else max(1, *map(abs, (int(example.min()), int(example.max()))))
        return rng.integers(max(info.min, -top), min(info.max, top), size=shape, endpoint=True, dtype=kind)
    noise = rng.normal(size=shape) * (float(np.abs(example).max()) or 1.0)
    return noise.astype(kind)


def _coarseness(scores: jax.Array) -> float:
    """How much coarser than float32 the type of the scores is."""
    eps = jax.numpy.finfo(scores.dtype).eps if jax.numpy.issubdtype(scores.dtype, jax.numpy.floating) else 0.0
    return max(1.0, float(eps) / float(np.finfo(np.float32).eps))
