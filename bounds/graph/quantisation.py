"""Fewer bits per weight: every part of a network rounded to a small codebook, ready for the Occam bound."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.graph import Graph

MAX_BITS = 12
ROUNDS = 30
"""Rounds of Lloyd's algorithm; the rest changes the codewords in the third digit."""


def quantise(graph: Graph, bits: int) -> Graph:
    """The network with at most 2^bits values per kernel, bias and scale, each a float32; zeros stay zeros.

    The codewords minimise Σ (w − codeword)² locally (Lloyd's algorithm from quantiles). Parts with fewer values than
    that are rounded to float32 only. The result is another network: measure its sample anew.

    Args:
        graph: any network.
        bits: codewords per part are 2^bits, 1..12.

    Returns:
        A graph of the same architecture.

    Raises:
        ValueError: bits outside 1..12.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> w = jnp.array([[1.0, 0.0], [1.25, 3.0]])
        >>> small = quantise(bounds.read_graph(lambda x: x @ w, np.ones((1, 2))), 1)
        >>> bounds.evaluate(small, np.eye(2)).tolist()
        [[1.125, 0.0], [1.125, 3.0]]
        >>> # sample = bounds.Sample.measure(lambda x: bounds.evaluate(small, x), x_train, y_train)

    Source: Han, Mao, Dally, Deep compression, ICLR 2016, section 3.
    """
    if isinstance(bits, bool) or bits != int(bits) or not 1 <= bits <= MAX_BITS:
        raise ValueError(f"bits={bits!r}; needed a whole number between 1 and {MAX_BITS}")
    return replace(graph, layers=tuple(x.with_parameters(lambda v: _rounded(v, bits)) for x in graph.layers))


def _rounded(values: Float64[np.ndarray, "*shape"], bits: int) -> Float64[np.ndarray, "*shape"]:
    """Every non-zero value replaced by the nearest of 2^bits codewords; a value that repeats stays repeated."""
    if not np.isfinite(values).all():
        raise ValueError("weights that are NaN or infinite; needed finite ones: retrain or repair them")
    distinct, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    held = distinct != 0
    out = distinct.copy()
    if held.sum() > 2**bits:
        out[held] = _codewords(distinct[held], counts[held], 2**bits)
    return out.astype(np.float32).astype(np.float64)[np.ravel(where)].reshape(values.shape)


def _codewords(
    values: Float64[np.ndarray, " ..."], counts: Int[np.ndarray, " ..."], size: int
) -> Float64[np.ndarray, " ..."]:
    """The codeword of each value."""
    shares = (np.cumsum(counts) - counts / 2) / counts.sum()
    start = np.unique(np.interp((np.arange(size) + 0.5) / size, shares, values))
    words = start
    for _ in range(ROUNDS):
        nearest = np.searchsorted((words[1:] + words[:-1]) / 2, values)
        weights = np.bincount(nearest, counts, len(words))
        sums = np.bincount(nearest, counts * values, len(words))
        moved = sums / np.maximum(weights, 1)
        spare = np.flatnonzero(weights == 0)  # words of no value: put where the error is largest
        moved[spare] = values[np.argsort(-counts * (values - words[nearest]) ** 2, kind="stable")[: len(spare)]]
        moved.sort()
        if np.array_equal(moved, words):
            break
        words = moved
    return words[np.searchsorted((words[1:] + words[:-1]) / 2, values)]
