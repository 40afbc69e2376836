"""Which samples a network gets wrong: one pass of f(params, x), checked on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float64, Int64

from sparsebounds.bounds.sample.checks import check_classes
from sparsebounds.bounds.sample.margins import margins_of

CLOSE = 2.0**-7
"""By so much of the largest score may two batchings differ: the rounding of bfloat16."""
PROBED = 16
"""Inputs that are looked at again, in another batch and at other places of it."""
UNTRACED = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)
"""What decides by values in Python, or computes with NumPy, cannot be compiled."""


class Passes:
    """Passes of one function over one sample, compiled once for all weights.

    Args:
        f: `f(params, x) -> (batch, C)` scores.
        x: (m, …) inputs, checked.
        y: (m,) labels, checked.
        batch_size: samples per call.
    """

    def __init__(self, f: Callable[[Any, Any], Any], x: Any, y: Int64[np.ndarray, " m"], batch_size: int) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ValueError(f"batch_size is {batch_size!r}; a whole number of at least 1 is needed")
        if not callable(f):
            raise ValueError(f"f is a {type(f).__name__}; needed a function f(params, x) of weights and inputs")
        self._f, self._compiled = f, jax.jit(f)
        self.x, self.y, self.size = x, y, min(int(batch_size), len(y))

    def wrong(self, params: Any) -> Bool[np.ndarray, " m"]:
        """Whether the score of the label is not above every other: ties, and scores that are no numbers, are errors.

        Raises:
            ValueError: scores that are not (batch, C), labels outside 0..C−1, a function that is random or mixes the
                inputs of a batch.
        """
        m = len(self.y)
        wrong, probes = np.ones(m, dtype=bool), _probes(m)
        seen: dict[int, np.ndarray] = {}
        params = jax.device_put(params)
        for start in range(0, m, self.size):
            rows = np.arange(start, min(start + self.size, m))
            filled = np.resize(rows, self.size)  # one shape, one compilation
            scores = self._scores(params, filled)
            labels = check_classes(self.y[rows], scores.shape[1])
            with np.errstate(invalid="ignore"):
                wrong[rows] = ~(margins_of(scores[: len(rows)], labels) > 0)
            seen |= {int(row): scores[row - start] for row in probes if start <= row < start + len(rows)}
        self._check_alone(params, probes, np.stack([seen[int(row)] for row in probes]))
        return wrong

    def _scores(self, params: Any, rows: np.ndarray) -> Float64[np.ndarray, "B C"]:
        received = jnp.asarray(self.x[rows[0] : rows[-1] + 1] if _consecutive(rows) else self.x[rows])
        with jax.default_matmul_precision("highest"):
            out = self._call(params, received)
        if not hasattr(out, "ndim") or out.ndim != 2 or out.shape[0] != len(rows) or out.shape[1] < 2:
            shape = f"shape {tuple(out.shape)}" if hasattr(out, "shape") else f"a {type(out).__name__}"
            raise ValueError(
                f"f returned {shape} for {len(rows)} inputs; ({len(rows)}, C) with C ≥ 2 is needed: one score per class"
            )
        return np.asarray(out).astype(np.float64)

    def _call(self, params: Any, received: jax.Array) -> Any:
        try:
            return self._compiled(params, received)
        except UNTRACED:
            return self._f(params, received)

    def _check_alone(self, params: Any, probes: Int64[np.ndarray, " n"], before: Float64[np.ndarray, "n C"]) -> None:
        """Some inputs in two other orders, traced anew: the same scores, or f is no function of one input."""
        few = len(probes) + (len(probes) in (1, self.size))  # another length than before
        forward = np.resize(np.arange(len(probes)), few)
        for order in (forward, len(probes) - 1 - forward):
            if not _same(self._scores(params, probes[order]), before[order]):
                raise ValueError(
                    "f gives an input other scores in another batch: it mixes the inputs of a batch (batch "
                    "statistics), depends on their places in it, or draws random numbers; freeze the statistics and "
                    "switch dropout off"
                )


def _same(again: np.ndarray, before: np.ndarray) -> bool:
    """Up to rounding where both are finite, and finite in the same places."""
    there = np.isfinite(again) & np.isfinite(before)
    if (there != (np.isfinite(again) | np.isfinite(before))).any():
        return False
    close = CLOSE * (1e-30 + np.abs(before[there]).max(initial=0.0))
    return not bool((np.abs(again[there] - before[there]) > close).any())


def _probes(m: int) -> Int64[np.ndarray, " n"]:
    """Some rows, none at the place of a batch where it stood before, nor first in it again."""
    if m <= PROBED:
        return np.roll(np.arange(m), 1)
    return np.asarray(np.random.default_rng(0).permutation(m)[:PROBED])


def _consecutive(rows: np.ndarray) -> bool:
    return bool((np.diff(rows) == 1).all())
