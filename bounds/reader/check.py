"""The check of every read: the graph against the function, and the function against itself in other batches."""

from __future__ import annotations

import jax
import numpy as np

from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.values import ReadError

TOLERANCE = 1e-3
"""Largest difference between the graph and the function, relative to the largest score (float32 networks)."""
MIXING = 1e-4
"""Largest difference between the scores of an input in a batch and alone: the order of float32 sums differs."""
TOGETHER = 7
"""Inputs in the batch that shows mixing."""
NUMBERS = 1 << 19
"""Coordinates in that batch, unless three inputs have more."""


def check(graph: Graph, network: Network, x: np.ndarray) -> None:
    """The graph must equal the network on an example and on noise, and the network must treat every input alone.

    The inputs keep the type of x: what a program does to integers differs from what it does to floats.

    Args:
        graph: what was read.
        network: what it was read from.
        x: (B, …) example inputs.

    Raises:
        ReadError: they differ.
    """
    inputs, together = scores_alone(network, x)
    found = evaluate(graph, inputs[:2])
    if together.shape != (len(inputs), *found.shape[1:]):
        needed = len(inputs), *found.shape[1:]
        raise ReadError(f"for {len(inputs)} inputs the function returns shape {together.shape}; needed {needed}")
    expected = together[:2]
    worst = float(np.max(np.abs(found - expected), initial=0.0))
    scale = float(np.max(np.abs(expected), initial=1e-30))
    if not worst <= TOLERANCE * scale:
        raise ReadError(
            f"the graph differs from the function by {worst:.3g} (scores up to {scale:.3g}); does the function compute "
            "in low precision, or call something that the trace does not show?"
        )


def scores_alone(network: Network, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A few inputs, and their scores in float64: those of a batch, after a check that each is what it is alone.

    Args:
        network: a function of a batch.
        x: (B, …) example inputs.

    Returns:
        (n, …) and what the network returns for these.

    Raises:
        ReadError: the scores of an input depend on the others.
    """
    inputs = _inputs(x)
    with jax.default_matmul_precision("highest"):
        out = network(inputs)
        if not hasattr(out, "shape"):
            raise ReadError(f"the function returns a {type(out).__name__}; needed one array of scores (B, C)")
        together = np.asarray(out, dtype=np.float64)
        alone = [network(inputs[i : i + 1]) for i in range(len(inputs))]
    separate = np.concatenate([np.asarray(scores, dtype=np.float64) for scores in alone])
    if together.shape != separate.shape:
        raise ReadError(
            f"for {len(inputs)} inputs the function returns shape {together.shape}; needed {separate.shape}"
        )
    scale = float(np.max(np.abs(separate), initial=1e-30, where=~np.isnan(separate)))
    differing = np.abs(together - separate)[~(np.isnan(together) & np.isnan(separate))]  # noise may have no scores
    worst = float(np.max(differing, initial=0.0))
    if not worst <= MIXING * scale * _coarseness(alone[0]):
        raise ReadError(
            f"the function mixes the inputs of a batch: the scores of an input change by {worst:.3g} (scores up to "
            f"{scale:.3g}) with the other inputs or with their number; needed scores of each input alone, as in "
            "evaluation mode"
        )
    return inputs, together


def _inputs(x: np.ndarray) -> np.ndarray:
    """An example, noise of its size, and a few more of both; fewer where an input is large."""
    count = int(np.clip(NUMBERS // max(1, x[0].size), 3, TOGETHER))
    rows = np.concatenate([x[:1], _noise(x[:1], count - 1)])
    more = x[1 : count - 1]
    rows[2 : 2 + len(more)] = more
    return rows


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
