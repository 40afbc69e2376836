"""Constructors of sparse graphs: trees, bands, convolution-shaped and random regular."""

import math
from itertools import pairwise

import numpy as np

from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.connectivity.edges import Connectivity, Edges, Indices


def tree(inputs: int | tuple[int, int], degree: int) -> Connectivity:
    """A tree: every node reads `degree` neighbours of its own, down to one root.

    For an image, `inputs` = (rows, columns), a node reads a square block of √degree × √degree; otherwise
    `degree` consecutive nodes. Where the sizes do not divide, the last node of a row reads what is left.

    Args:
        inputs: number of input nodes, or rows and columns (nodes in row-major order).
        degree: predecessors per node, at least 2; a square for an image.

    Returns:
        The graph; its last layer is the root.

    Raises:
        ValueError: a size below 1, degree below 2, or no square.

    Example:
        >>> tree((8, 8), 4).sizes
        (64, 16, 4, 1)
        >>> [row.tolist() for row in tree(5, 2).pred[0]]
        [[0, 1], [2, 3], [4]]
    """
    check_sizes(degree=degree)
    if degree < 2:
        raise ValueError(f"degree is {degree}; a tree needs at least 2")
    if isinstance(inputs, int):
        rows, columns, block = 1, inputs, (1, degree)
    else:
        rows, columns = inputs
        side = math.isqrt(degree)
        if side * side != degree:
            raise ValueError(f"degree is {degree} on an image; need a square such as {side * side or 4}")
        block = (side, side)
    check_sizes(rows=rows, columns=columns)
    layers: list[Edges] = []
    while rows * columns > 1 or not layers:
        layers.append(_blocks(rows, columns, block))
        rows, columns = -(-rows // block[0]), -(-columns // block[1])
    return Connectivity(layers[0].sources.size, tuple(layers))


def _blocks(rows: int, columns: int, block: tuple[int, int]) -> Edges:
    """Every node in exactly one block; blocks in row-major order."""
    r, c = np.divmod(np.arange(rows * columns), columns)
    owner = (r // block[0]) * -(-columns // block[1]) + c // block[1]
    counts = np.bincount(owner)
    return Edges(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), np.argsort(owner, kind="stable"))


def banded(nodes: int, depth: int, reach: int) -> Connectivity:
    """Layers of equal size in which node j reads j−reach … j+reach, as far as they exist.

    Args:
        nodes: of every layer and of the input.
        depth: number of layers.
        reach: how far a node reads to either side, at least 0.

    Example:
        >>> [row.tolist() for row in banded(4, 1, 1).pred[0]]
        [[0, 1], [0, 1, 2], [1, 2, 3], [2, 3]]
    """
    check_sizes(nodes=nodes, depth=depth)
    if reach < 0:
        raise ValueError(f"reach is {reach}; need 0 or more")
    wanted = np.arange(nodes)[:, None] + np.arange(-reach, reach + 1)[None, :]
    inside = (wanted >= 0) & (wanted < nodes)
    offsets = np.concatenate([[0], np.cumsum(inside.sum(axis=1))]).astype(np.int64)
    return Connectivity(nodes, (Edges(offsets, wanted[inside]),) * depth)


def convolutional(shape: tuple[int, int], depth: int, kernel: int = 2) -> Connectivity:
    """The graph of `depth` kernel × kernel convolutions without padding, positions in row-major order.

    Args:
        shape: rows and columns of the input.
        depth: number of layers.
        kernel: height and width of what a node reads.

    Raises:
        ValueError: an image too small for the depth.

    Example:
        >>> graph = convolutional((3, 3), depth=1)
        >>> graph.sizes, graph.pred[0][3].tolist()
        ((9, 4), [4, 5, 7, 8])
    """
    rows, columns = shape
    check_sizes(rows=rows, columns=columns, depth=depth, kernel=kernel)
    if min(rows, columns) - depth * (kernel - 1) < 1:
        raise ValueError(f"depth is {depth} with {kernel}×{kernel} kernels on {rows}×{columns} nodes; "
                         f"need a depth of at most {(min(rows, columns) - 1) // (kernel - 1)}")  # fmt: skip
    layers = []
    for layer in range(depth):
        below = np.arange((rows - layer * (kernel - 1)) * (columns - layer * (kernel - 1)))
        grid = below.reshape(-1, columns - layer * (kernel - 1))
        windows = np.lib.stride_tricks.sliding_window_view(grid, (kernel, kernel))
        layers.append(Edges.regular(windows.reshape(-1, kernel * kernel)))
    return Connectivity(rows * columns, tuple(layers))


def random_regular(sizes: tuple[int, ...], degree: int, *, seed: int = 0) -> Connectivity:
    """A random graph: every node reads `degree` different nodes and is read equally often, up to one.

    Args:
        sizes: nodes of the input and of every layer.
        degree: predecessors per node, at most the smallest layer that is read.
        seed: of the draw.

    Raises:
        ValueError: fewer than two sizes, or more predecessors than nodes.

    Example:
        >>> graph = random_regular((6, 6, 3), degree=2, seed=1)
        >>> np.bincount(graph.pred[0].sources).tolist()
        [2, 2, 2, 2, 2, 2]
    """
    check_sizes(degree=degree, **{f"sizes[{i}]": n for i, n in enumerate(sizes)})
    if len(sizes) < 2 or degree > min(sizes[:-1]):
        raise ValueError(
            f"degree is {degree} for sizes {sizes}; need at least two sizes, and none that is read below it"
        )
    rng = np.random.default_rng(seed)
    layers = tuple(Edges.regular(_regular_layer(below, nodes, degree, rng)) for below, nodes in pairwise(sizes))
    return Connectivity(sizes[0], layers)


def _regular_layer(below: int, nodes: int, degree: int, rng: np.random.Generator) -> Indices:
    """Deal shuffled copies of 0..below−1 in rows of `degree`, then swap repeats with random others."""
    copies = -(-nodes * degree // below)
    dealt = np.concatenate([rng.permutation(below) for _ in range(copies)])[: nodes * degree]
    while (repeated := _repeats(dealt.reshape(nodes, degree))).size:
        # Swaps keep how often every node is read; each repeat meets a random partner until none is left.
        for at, other in zip(repeated, rng.integers(len(dealt), size=len(repeated)), strict=True):
            row, other_row = at // degree * degree, other // degree * degree
            clash = dealt[other] in dealt[row : row + degree] or dealt[at] in dealt[other_row : other_row + degree]
            if not clash:
                dealt[[at, other]] = dealt[[other, at]]
    return np.sort(dealt.reshape(nodes, degree), axis=1)


def _repeats(rows: Indices) -> Indices:
    """Flat positions of entries that already stand in their row."""
    order = np.argsort(rows, axis=1, kind="stable")
    again = np.diff(np.take_along_axis(rows, order, axis=1), axis=1) == 0
    row, column = np.nonzero(again)
    return row * rows.shape[1] + order[row, column + 1]
