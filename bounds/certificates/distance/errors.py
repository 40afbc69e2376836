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
        m, first = len(self.y), None
        wrong = np.ones(m, dtype=bool)
        params = jax.device_put(params)
        for start in range(0, m, self.size):
            rows = np.arange(start, min(start + self.size, m))
            filled = np.resize(rows, self.size)  # one shape, one compilation
            scores = self._scores(params, filled)
            labels = check_classes(self.y[rows], scores.shape[1])
            with np.errstate(invalid="ignore"):
                wrong[rows] = ~(margins_of(scores[: len(rows)], labels) > 0)
            first = scores if first is None else first
        if first is not None:
            self._check_alone(params, first)
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
        except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
            return self._f(params, received)  # what decides by values in Python cannot be compiled

    def _check_alone(self, params: Any, first: np.ndarray) -> None:
        """Two inputs in another batch, traced anew: the same scores, or f is no function of one input."""
        few = np.resize(np.arange(min(2, len(self.y))), 2 if self.size != 2 else 3)
        again, before = self._scores(params, few), first[few % len(first)]
        there = np.isfinite(again) & np.isfinite(before)
        if (there != (np.isfinite(again) | np.isfinite(before))).any() or (
            np.abs(again - before)[there] > CLOSE * (1e-30 + np.abs(before[there]).max(initial=0.0))
        ).any():
            raise ValueError(
                "f gives an input other scores in another batch: it mixes the inputs of a batch (batch statistics) or "
                "draws random numbers; freeze the statistics and switch dropout off"
            )


def _consecutive(rows: np.ndarray) -> bool:
    return bool(rows[-1] - rows[0] == len(rows) - 1)
