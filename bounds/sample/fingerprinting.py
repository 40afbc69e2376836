"""A hash per input, by which samples that must not meet are told apart."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt64

from sparsebounds.bounds.sample.pieces import pieces


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


def near_marks(x: Any) -> UInt64[np.ndarray, "m 2"]:
    """Two coarser hashes of every input, which near copies share: of the values rounded to 8 bits (bfloat16), and of 8
    fixed random projections of the input less its mean, divided by its norm, in steps of 1/64.

    The first is that of most inputs after a change in the last bits, the second also after a change of scale (255 grey
    levels, or 0 to 1), a constant shift, or a copy in half precision. What differs by more has others.

    Args:
        x: (m, …) inputs.

    Returns:
        (m, 2) uint64.

    Example:
        >>> x = np.random.default_rng(0).normal(size=(1, 30)).astype(np.float32)
        >>> (near_marks(x) == near_marks(np.nextafter(x, np.float32(9)))).tolist()
        [[True, True]]
        >>> (near_marks(x) == near_marks(3 * x + 1)).tolist(), (near_marks(x) == near_marks(-x)).any()
        ([[False, True]], np.False_)
    """
    found = [_near(np.asarray(part, dtype=np.float32)) for part in pieces(x)]
    return np.concatenate(found) if found else np.zeros((0, 2), dtype=np.uint64)


def _near(part: np.ndarray) -> np.ndarray:
    flat = np.ascontiguousarray(part.reshape(len(part), -1) + np.float32(0.0))
    rounded = (flat.view(np.uint32) + np.uint32(1 << 15)) & np.uint32(0xFFFF0000)
    centred = flat.astype(np.float64) - flat.mean(axis=1, dtype=np.float64, keepdims=True)
    size = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = np.random.default_rng(0).standard_normal((flat.shape[1], 8))
    steps = np.floor(64.0 * (centred / np.where(size > 0.0, size, 1.0)) @ directions + 0.5).astype(np.int64)
    digests = (
        hashlib.blake2b(row, digest_size=8).digest() for pair in zip(rounded, steps, strict=True) for row in pair
    )
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64).reshape(-1, 2)


def _rows(x: Any) -> Iterator[Any]:
    for piece in pieces(x):
        part = np.asarray(piece, dtype=np.float32)
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
