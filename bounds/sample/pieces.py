"""Inputs a few at a time: what looks at all of a memory map must not load all of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

ROWS, NUMBERS = 4096, 1 << 22
"""Inputs at a time, and numbers of them together unless one input has more: 32 MiB in float64."""


def starts(x: Any) -> Iterator[slice]:
    """Where the pieces of an array stand.

    Example:
        >>> [(part.start, part.stop) for part in starts(np.zeros((3, 1 << 21)))]
        [(0, 2), (2, 3)]
    """
    size = int(np.prod(x.shape[1:]))
    rows = max(1, min(ROWS, NUMBERS // max(1, size)))
    return (slice(start, min(start + rows, len(x))) for start in range(0, len(x), rows))


def pieces(x: Any) -> Iterator[np.ndarray]:
    """The inputs of an array, a few at a time."""
    return (np.asarray(x[part]) for part in starts(x))
