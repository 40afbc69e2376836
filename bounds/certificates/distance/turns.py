"""Orthogonal coordinates of a leaf, chosen with the samples: W − W0 = U v Vᵀ, read as a matrix of its last axis.

Where the prior has one scale for the whole leaf it is the same in all of them: |U v Vᵀ| = |v|. So the posterior may be
a Gaussian with independent coordinates v in any of them, and the log ratio is that of v.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparsebounds.bounds.certificates.distance.leaves import Leaves

Turn = tuple[np.ndarray | None, np.ndarray | None]
"""(U, V), each orthogonal in float64, or None for the identity."""
Turns = dict[str, Turn]
NEAR = 1e-9
"""Largest entry of UᵀU − 1: what is lost in the log ratio is this share of ½|v|²."""


def checked_turns(turns: Mapping[str, Turn] | None, leaves: Leaves, scales: Leaves) -> Turns:
    """Those of the leaves that are turned, in float64.

    Raises:
        ValueError: a leaf that is not there, has scales that differ, or a matrix that is not orthogonal or of another
            size.
    """
    found: Turns = {}
    for name, (left, right) in dict(turns or {}).items():
        if name not in leaves:
            raise ValueError(f"turns names the leaf {name}, which the reference does not have")
        if left is None and right is None:
            continue
        if scales[name].size and np.ptp(scales[name]) > 0:
            raise ValueError(
                f"the leaf {name} has scales that differ, so that its prior is no other in other coordinates"
            )
        rows, columns = matrix(leaves[name]).shape
        found[name] = (_orthogonal(left, rows, name), _orthogonal(right, columns, name))
    return found


def matrix(leaf: np.ndarray) -> np.ndarray:
    """(…, n) as a matrix of n columns; a vector as one column.

    Example:
        >>> matrix(np.zeros((2, 3, 4))).shape, matrix(np.zeros(5)).shape
        ((6, 4), (5, 1))
    """
    return leaf.reshape(-1, leaf.shape[-1]) if leaf.ndim > 1 else leaf.reshape(-1, 1)


def coordinates(step: np.ndarray, turn: Turn) -> np.ndarray:
    """v = Uᵀ (W − W0) V, in float64 and of the leaf's shape."""
    left, right = turn
    found = matrix(step.astype(np.float64))
    found = found if left is None else left.T @ found
    return (found if right is None else found @ right).reshape(step.shape)


def weights(v: np.ndarray, turn: Turn) -> np.ndarray:
    """W − W0 = U v Vᵀ.

    Example:
        >>> quarter = np.array([[0.0, -1.0], [1.0, 0.0]])
        >>> weights(coordinates(np.array([3.0, 4.0]), (quarter, None)), (quarter, None)).tolist()
        [3.0, 4.0]
    """
    left, right = turn
    found = matrix(v)
    found = found if left is None else left @ found
    return (found if right is None else found @ right.T).reshape(v.shape)


def _orthogonal(side: np.ndarray | None, size: int, name: str) -> np.ndarray | None:
    if side is None:
        return None
    found = np.array(side, np.float64)
    if found.shape != (size, size) or not np.abs(found.T @ found - np.eye(size)).max() <= NEAR:
        raise ValueError(f"a turn of the leaf {name} is no orthogonal matrix of {size} rows: shape {found.shape}")
    return found
