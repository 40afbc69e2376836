"""A mask as a bipartite graph: inputs of a layer on the left, outputs on the right, an edge per kept weight."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array

from sparsebounds.nets.masks import Layout
from sparsebounds.nets.topology.spectrum import two_largest_singular_values


@dataclass(frozen=True, eq=False)
class Bipartite:
    """A bipartite graph without isolated nodes, and how many nodes of either kind there were with them.

    Args:
        matrix: sparse float64 (left, right), an entry per edge: 1, or the absolute weight (which may be 0).
        n_left, n_right: nodes with the isolated ones.
    """

    matrix: Any
    n_left: int
    n_right: int

    @property
    def left(self) -> int:
        """Left nodes that have an edge."""
        return int(self.matrix.shape[0])

    @property
    def right(self) -> int:
        """Right nodes that have an edge."""
        return int(self.matrix.shape[1])

    @property
    def edges(self) -> int:
        """Number of edges E."""
        return int(self.matrix.indices.size)

    @property
    def left_degrees(self) -> npt.NDArray[np.int64]:
        """Edges of every left node."""
        return np.diff(self.matrix.indptr).astype(np.int64)

    @property
    def d_left(self) -> float:
        """Mean degree E/|L| of the left nodes; NaN without edges."""
        return self.edges / self.left if self.edges else np.nan

    @property
    def d_right(self) -> float:
        """Mean degree E/|R| of the right nodes; NaN without edges."""
        return self.edges / self.right if self.edges else np.nan

    @functools.cached_property
    def singular_values(self) -> tuple[float, float]:
        """The two largest singular values s_1 ≥ s_2 of the matrix."""
        return two_largest_singular_values(self.matrix)

    def unweighted(self) -> "Bipartite":
        """The same edges, each with the entry 1."""
        if np.all(self.matrix.data == 1):
            return self
        ones = csr_array((np.ones(self.edges), self.matrix.indices, self.matrix.indptr), shape=self.matrix.shape)
        return Bipartite(ones, self.n_left, self.n_right)

    @functools.cached_property
    def left_regular(self) -> "tuple[Bipartite, ...]":
        """For every left degree that occurs, rising: the nodes that have it, and the right nodes they reach."""
        degrees = self.left_degrees
        return tuple(
            _without_isolated(self.matrix[np.flatnonzero(degrees == degree)], int(count), self.right)
            for degree, count in zip(*np.unique(degrees, return_counts=True), strict=True)
        )


def bipartite(
    mask: Any, weights: Any = None, *, groups: int | None = None, layout: str | Layout | None = None
) -> Bipartite:
    """The bipartite graph T of a mask: left nodes = input features of the layer, right nodes = its outputs.

    A dense mask (in, out) is T itself; of a convolution's mask (window…, in, out) a left node is one input channel at
    one place of the window: T is (in·window, out). Several axes of inputs or outputs, as of attention's heads, are
    one set of nodes.

    Args:
        mask: booleans, (in, out) or of four axes and more (window…, in, out), as Flax stores kernels, or with axes as
            `layout` says; three axes may be a convolution's or an attention's, so they need it.
        weights: of the same shape, of weight-normalised layers the kernels they apply; edges then carry |w|.
        groups: of a grouped convolution, whose kernel has in = channels/groups: a group's outputs read its own inputs;
            None: as `layout` says, else 1.
        layout: the roles of the axes, as in "in out out" or of `nets.masks.layouts`; no stack.

    Returns:
        The graph, isolated nodes dropped.

    Raises:
        ValueError: no booleans, fewer than two axes, weights of another shape or not finite, groups that do not
            divide the outputs, three axes without a layout, a layout that does not fit or leaves the groups open.

    Example:
        >>> graph = bipartite(np.array([[True, True, False], [False, False, False]]))
        >>> graph.left, graph.right, graph.n_left, graph.n_right, graph.edges
        (1, 2, 2, 3, 2)

    Source: Hoang et al., ICLR 2023 and NeurIPS 2023, as in the authors' released code.
    """
    keep = np.asarray(mask)
    if keep.dtype != bool or keep.ndim < 2:
        raise ValueError(
            f"the mask is {keep.dtype} of shape {keep.shape}; need booleans (in, out) or (window…, in, out)"
        )
    values = np.ones(keep.shape) if weights is None else np.abs(np.asarray(weights)).astype(np.float64)
    if values.shape != keep.shape:
        raise ValueError(f"the weights have shape {values.shape}; need that of the mask, {keep.shape}")
    if not np.isfinite(values[keep]).all():
        raise ValueError("a kept weight is NaN or infinite; give finite weights")
    roles = _roles(keep, layout)
    groups = roles.groups if groups is None else groups
    table, values = _left_by_right(keep, roles), _left_by_right(values, roles)
    parts, left, right = table.shape
    if groups < 1 or right % groups:
        raise ValueError(f"groups is {groups} for {right} outputs; need a number that divides them")
    part, rows, columns = np.nonzero(table)
    data = values[part, rows, columns]
    rows = rows + (part * groups + columns // (right // groups)) * left
    columns = columns + part * right
    n_left, n_right = left * groups * parts, right * parts
    return _without_isolated(csr_array(coo_array((data, (rows, columns)), shape=(n_left, n_right))), n_left, n_right)


def _roles(keep: npt.NDArray[Any], layout: str | Layout | None) -> Layout:
    if layout is None and keep.ndim == 3:
        raise ValueError(f"a mask of shape {keep.shape} may be a convolution's, 'window in out', or an attention's, "
                         "'in out out' or 'in in out'; give it as bipartite(mask, layout='…')")  # fmt: skip
    if layout is None:
        return Layout("kernel", ("window",) * (keep.ndim - 2) + ("in", "out"))
    roles = layout if isinstance(layout, Layout) else Layout.of(layout)
    if len(roles.axes) != keep.ndim or roles.along("stack"):
        raise ValueError(f"the layout {' '.join(roles.axes) or roles.kind!r} is not that of one layer with a mask of "
                         f"shape {keep.shape}; need a role for every axis, and no stack")  # fmt: skip
    return roles


def _left_by_right(kernel: npt.NDArray[Any], roles: Layout) -> npt.NDArray[Any]:
    """As (groups, inputs at every place of the window, outputs)."""
    group, left, right = roles.along("group"), roles.along("in") + roles.along("window"), roles.along("out")
    sizes = [math.prod(kernel.shape[axis] for axis in axes) for axes in (group, left, right)]
    return kernel.transpose((*group, *left, *right)).reshape(sizes)


def _without_isolated(matrix: Any, n_left: int, n_right: int) -> Bipartite:
    # By structure, not by value: a kept weight may be zero, and its edge counts.
    rows = np.flatnonzero(np.diff(matrix.indptr))
    columns, places = np.unique(matrix.indices, return_inverse=True)
    offsets = np.concatenate([[0], np.cumsum(np.diff(matrix.indptr)[rows])])
    return Bipartite(csr_array((matrix.data, places, offsets), shape=(len(rows), len(columns))), n_left, n_right)
