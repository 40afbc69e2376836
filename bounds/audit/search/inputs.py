"""Inputs on which a formula is most likely to fail: equal, one-hot, random, all sign patterns."""

from __future__ import annotations

import numpy as np

from sparsebounds.bounds.audit.search.ascent import all_signs

KINDS = ("constant", "one-hot", "identical", "random", "two directions")


def inputs(kind: str, m: int, shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """float64 (m, *shape).

    Args:
        kind: one of KINDS. Inputs that are one-hot are orthogonal as long as there are no more than coordinates.
        m: how many.
        shape: of one input.

    Example:
        >>> inputs("one-hot", 3, (2,)).tolist()
        [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]
    """
    rng, size = np.random.default_rng(seed), int(np.prod(shape))
    rows = {
        "constant": np.ones((m, size)),
        "one-hot": np.eye(size)[np.arange(m) % size],
        "identical": np.tile(rng.normal(size=size), (m, 1)),
        "random": rng.normal(size=(m, size)),
        "two directions": np.eye(size)[np.arange(m) % min(2, size)],
    }
    return rows[kind].reshape(m, *shape)


def sign_patterns(m: int) -> np.ndarray:
    """All ±1 columns of length m up to their sign, float64 (m, 2^(m−1)): max_j |Σ_i ξ_i x_ij| = m for every ξ."""
    return np.vstack([np.ones(2 ** (m - 1)), all_signs(m - 1)[:, :, 0].T])
