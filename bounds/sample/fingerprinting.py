"""A hash per input, by which samples that must not meet are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt64


def fingerprints(x: Any) -> UInt64[np.ndarray, " m"]:
    """A 64-bit hash of every input, of its float32 values: equal inputs have equal fingerprints. 8 bytes a sample.

    Args:
        x: (m, …) inputs.

    Returns:
        (m,) uint64.

    Example:
        >>> a, b, c = fingerprints(np.array([[0.0, 1.0], [1.0, 0.0], [-0.0, 1.0]]))
        >>> bool(a == b), bool(a == c)
        (False, True)
    """
    digests = (hashlib.blake2b(row, digest_size=8).digest() for row in _rows(x))
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def _rows(x: Any, together: int = 4096) -> Iterator[Any]:
    for start in range(0, len(x), together):
        part = np.asarray(x[start : start + together], dtype=np.float32)
        yield from np.ascontiguousarray(part.reshape(len(part), -1) + np.float32(0.0))  # −0 becomes 0


def as_fingerprints(marks: Any) -> UInt64[np.ndarray, " n"]:
    """What a caller gave as fingerprints, if that is what it is.

    Inputs, indices or a sample in their place would match nothing, and signed or floating numbers only by chance: an
    overlap would pass unseen.

    Raises:
        ValueError: anything but unsigned 64-bit integers in one axis.

    Example:
        >>> as_fingerprints(fingerprints(np.eye(2))).shape
        (2,)
        >>> as_fingerprints(np.arange(2))
        Traceback (most recent call last):
        ...
        ValueError: int64 of shape (2,) are no fingerprints; needed those that `fingerprints` returns, uint64 (n,)
    """
    found = np.asarray(marks)
    if found.size == 0 and found.ndim == 1:
        return np.zeros(0, dtype=np.uint64)
    if found.ndim != 1 or found.dtype != np.uint64:
        raise ValueError(
            f"{found.dtype} of shape {found.shape} are no fingerprints; "
            "needed those that `fingerprints` returns, uint64 (n,)"
        )
    return found
