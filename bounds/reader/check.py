"""The check of every read: the graph against the function, and the function against itself in other batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from sparsebounds.bounds.graph.agreement import TOLERANCE, disagreement
from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.trace import line_of, said_by
from sparsebounds.bounds.reader.values import ReadError

MIXING = 2e-4
"""Tolerance between the scores of an input in a batch and alone: the order of float32 sums differs."""
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
        tolerance: between graph and network, see `disagreement`.

    Raises:
        ReadError: they differ.
    """
    inputs, together = scores_alone(network, x, graph.input.vocabulary)
    found = evaluate(graph, inputs)
    if together.shape != found.shape:
        raise ReadError(f"for {len(inputs)} inputs the function returns shape {together.shape}; needed {found.shape}")
    if not np.isfinite(together).all():
        raise ReadError(
            f"the function's scores are NaN or infinite on an example or on noise of its size, up to "
            f"{float(np.abs(inputs).max()):.3g}; needed finite scores: where its weights overflow float32 retrain it, "
            "and leave classes out that a mask of -inf rules out"
        )
    worst = disagreement(found, together, tolerance)
    if worst.ratio > 1.0:
        raise ReadError(
            f"the graph differs from the function: a difference between scores by {worst.difference:.3g} (of "
            f"{worst.size:.3g}); does the function compute in low precision, or call something that the trace does not "
            "show?"
        )


def scores_alone(
    network: Callable[[Any], Any], x: np.ndarray, words: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """A few inputs, and their scores in float64: those of a batch, after a check that each is what it is alone.

    Args:
        network: a function of a batch.
        x: (B, …) example inputs.
        words: of the vocabulary, where the inputs are tokens.

    Returns:
        (n, …) and what the network returns for these.

    Raises:
        ReadError: the scores of an input depend on the others.
    """
    inputs = _inputs(x) if words is None else _tokens(x, words)
    with jax.default_matmul_precision("highest"):
        out = _answer(network, inputs)
        if not hasattr(out, "shape"):
            raise ReadError(f"the function returns a {type(out).__name__}; needed one array of scores (B, C)")
        together = np.asarray(out, dtype=np.float64)
        alone = [_answer(network, inputs[i : i + 1]) for i in range(len(inputs))]
    rows = [np.asarray(scores, dtype=np.float64) for scores in alone]
    if len({row.shape for row in rows}) > 1:
        shapes = ", ".join(sorted({str(row.shape) for row in rows}))
        raise ReadError(f"the shape of the scores depends on the input: {shapes}; needed one score per class for each")
    separate = np.concatenate(rows)
    if together.shape != separate.shape:
        raise ReadError(
            f"for {len(inputs)} inputs the function returns shape {together.shape}; needed {separate.shape}"
        )
    # Noise may have no scores.
    pair = [values.reshape(len(inputs), -1) for values in (together, separate)]
    defined = np.isfinite(pair[0]).all(axis=1) & np.isfinite(pair[1]).all(axis=1)
    same = np.array_equal(np.isfinite(pair[0]), np.isfinite(pair[1]))
    mixed = disagreement(pair[0][defined], pair[1][defined], MIXING * _coarseness(alone[0])) if defined.any() else None
    if not same or (mixed is not None and mixed.ratio > 1.0):
        said = "" if mixed is None else f" by {mixed.difference:.3g} (of {mixed.size:.3g})"
        raise ReadError(
            f"the function mixes the inputs of a batch: a difference between scores of an input changes{said} with the "
            "other inputs or with their number; needed scores of each input alone, as in evaluation mode"
        )
    return inputs, together


def _answer(network: Callable[[Any], Any], inputs: np.ndarray) -> Any:
    """What the network returns; ReadError where it fails, and for complex numbers. Wrong names in it are its own.

    Compiled, as the sample is measured: operation by operation a deep network is a thousand programs.
    """
    try:
        out = network.compiled(jax.numpy.asarray(inputs)) if isinstance(network, Network) else network(inputs)
    except (ReadError, NameError, AttributeError, ImportError):
        raise
    except Exception as error:
        raise ReadError(
            f"the function fails on inputs of shape {inputs.shape}{line_of(error)}: {said_by(error)}; needed a "
            "function of one batched input, such as lambda x: f(params, x)"
        ) from error
    if jax.numpy.issubdtype(getattr(out, "dtype", bool), jax.numpy.complexfloating):
        raise ReadError("the function returns complex numbers; needed real scores, such as their absolute values")
    return out


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
