"""Margins of a network on many inputs, batch by batch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from sparsebounds.bounds.sample.margins import margins_of


def margins(scores: Callable[[Any], Any], x: np.ndarray, labels: np.ndarray, *, batch: int = 2048) -> np.ndarray:
    """Margins of a network on labelled inputs, float64 (n,).

    Args:
        scores: inputs → scores (B, C).
        x: (n, …) inputs.
        labels: (n,) integers 0..C−1.
        batch: inputs at once; every other number of them is compiled anew.

    Example:
        >>> margins(lambda x: x, np.array([[1.0, 3.0], [2.0, 0.5]]), np.array([1, 1])).tolist()
        [2.0, -1.5]
    """
    parts = [slice(start, start + batch) for start in range(0, len(labels), batch)]
    return np.concatenate([margins_of(np.asarray(scores(x[part]), np.float64), labels[part]) for part in parts])


def misses(f: Callable[[Any, Any], Any], params: Any, x: np.ndarray, labels: np.ndarray) -> int:
    """How many of the inputs f(params, ·) gets wrong; a tie is an error.

    Example:
        >>> misses(lambda w, x: w * x, 2.0, np.array([[1.0, 3.0], [2.0, 2.0]]), np.array([1, 1]))
        1
    """
    return int((margins(lambda v: f(params, v), x, labels) <= 0).sum())
