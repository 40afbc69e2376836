"""The two largest singular values of a sparse non-negative matrix, component by component."""

from typing import Any

import numpy as np
from scipy.sparse import block_array
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import svds

DENSE_SIDE = 200
"""Up to this many nodes on the smaller side a dense decomposition is faster than Lanczos."""


def two_largest_singular_values(matrix: Any) -> tuple[float, float]:
    """s_1 ≥ s_2 of a non-negative sparse matrix; s_2 = 0 where there is only one, both 0 for an empty matrix.

    Every connected component is taken by itself. The largest singular value of a component is simple
    (Perron and Frobenius), so a value that several components share, which Lanczos steps on the whole
    matrix may find only once, is counted as often as it occurs.

    Args:
        matrix: `scipy.sparse` (left, right), no entry negative.

    Returns:
        The two values; dense decompositions to rounding, Lanczos for large components to about 1e-9·s_1.

    Example:
        >>> from scipy.sparse import csr_array
        >>> [round(s, 6) for s in two_largest_singular_values(csr_array(np.ones((3, 12))))]
        [6.0, 0.0]
        >>> two_largest_singular_values(csr_array(np.eye(4)))
        (1.0, 1.0)
    """
    first, second = 0.0, 0.0
    parts = [(float(np.linalg.norm(part.data)), part) for part in _components(matrix.tocsr())]
    for frobenius, part in sorted(parts, key=lambda pair: -pair[0]):
        if frobenius <= second:  # an upper bound of all that this and the smaller parts can add
            break
        second, first = sorted((first, second, *_connected(part)))[-2:]
    return first, second


def _components(matrix: Any) -> list[Any]:
    left = matrix.shape[0]
    adjacency = block_array([[None, matrix != 0], [(matrix != 0).T, None]])
    if matrix.nnz == 0:
        return []
    count, labels = connected_components(adjacency, directed=False)
    if count == 1:
        return [matrix]
    rows = _members(labels[:left], count)
    columns = _members(labels[left:], count)
    return [matrix[r][:, c] for r, c in zip(rows, columns, strict=True) if len(r) and len(c)]


def _members(labels: Any, count: int) -> list[Any]:
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.searchsorted(labels[order], np.arange(1, count)))


def _connected(matrix: Any) -> list[float]:
    """The two largest singular values of one component, or the only one."""
    if min(matrix.shape) <= DENSE_SIDE:
        values = np.linalg.svd(matrix.toarray(), compute_uv=False)[:2]
    else:
        start = np.random.default_rng(0).normal(size=min(matrix.shape))  # the same answer every time
        values = svds(matrix, k=2, tol=1e-9, v0=start, return_singular_vectors=False)
    return [float(value) for value in values]
