"""Is a shared linear map a convolution on a grid? Decided from what its rows read, however the program was written.

A convolution, patches times a matrix, a sum of shifted products, predecessor lists with equal weights: all of them
say that row f reads, with column k of the weights, the element at grid point start[f] + offset[k]. A guess at the
grid is cheap to check entry by entry, and only what passes the check is used, so the guess cannot spoil a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int, Int64

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_network
from sparsebounds.bounds.graph.taps import Taps

SAMPLE_ROWS = 64
"""Rows on which a guessed grid is tried first."""
MAX_GUESSES = 96
"""Ways to split positions into three axes that are tried."""


@dataclass(frozen=True)
class Lattice:
    """Row f reads z[start_f + offset_k] on the torus Π Z_modulus; the starts lie in one coset of Π stride·Z.

    A map with this lattice is a part (rows and columns left out) of the circular convolution of that stride: what
    padding hides are grid points that no row reads.
    """

    modulus: tuple[int, ...]
    stride: tuple[int, ...]
    """Per axis, a divisor of the modulus."""
    offset: Int64[np.ndarray, "K axes"]
    """Counted from the first start."""
    used: Bool[np.ndarray, " K"]
    """False for columns that lie in the padding for every row; their weights are never applied."""
    copies: int = 1
    """How many rows at most read the same elements; their outputs repeat."""


@per_network
def lattice_of(graph: Graph, taps: Taps, b: int) -> Lattice | None:
    """The lattice of one weight set of a map, or None; looked for once."""
    coded = _grid_codes(graph, taps.rows(b))
    return None if coded is None else find_lattice(*coded)


def _grid_codes(
    graph: Graph, elements: Int[np.ndarray, "*shape"]
) -> tuple[Int[np.ndarray, "*shape"], list[tuple[int, ...]]] | None:
    """Element numbers as numbers in a grid (layer, position, channel), and guesses at the shape of that grid.

    None where the layers that are read have different numbers of positions.
    """
    sources = graph.layer_of(elements)
    layers = [graph.layers[s] for s in sources]
    if len({layer.positions for layer in layers}) != 1:
        return None
    positions, channels = layers[0].positions, max(layer.channels for layer in layers)
    codes = np.full(elements.shape, ABSENT, dtype=np.int32 if len(layers) == 1 else np.int64)
    for i, (s, layer) in enumerate(zip(sources, layers, strict=True)):
        mine = (elements >= graph.offsets[s]) & (elements < graph.offsets[s + 1])
        if len(layers) == 1:  # counted as the layer counts: large images are not taken apart and put together
            np.subtract(elements, graph.offsets[s], out=codes, where=mine, casting="same_kind")
        else:
            position, channel = np.divmod(elements[mine] - graph.offsets[s], layer.channels)
            codes[mine] = (i * positions + position) * channels + channel
    known = [] if layers[0].grid is None else [layers[0].grid]
    guesses = dict.fromkeys([*known, *grid_shapes(positions)])
    return codes, [(len(layers), *shape, channels) for shape in guesses]


def grid_shapes(positions: int) -> Iterator[tuple[int, ...]]:
    """Grids with this many positions: two axes, the most square first, then one, then three.

    Example:
        >>> list(grid_shapes(6))[:5]
        [(2, 3), (3, 2), (1, 6), (6, 1), (6,)]
    """
    divisors = [d for d in range(1, positions + 1) if positions % d == 0]
    yield from sorted(((d, positions // d) for d in divisors), key=lambda shape: max(shape) / min(shape))
    yield (positions,)
    triples = [(a, b, positions // (a * b)) for a in divisors for b in divisors if positions % (a * b) == 0]
    triples = [t for t in triples if min(t) > 1]
    yield from sorted(triples, key=lambda shape: max(shape) / min(shape))[:MAX_GUESSES]


def find_lattice(codes: Int[np.ndarray, "F K"], shapes: Iterable[tuple[int, ...]]) -> Lattice | None:
    """The lattice of a map whose row f reads the grid points `codes[f]`, or None.

    Args:
        codes: int (F, K), numbers of grid points (row-major), ABSENT where a row reads nothing.
        shapes: guesses at the grid.

    Example:
        >>> find_lattice(np.array([[0, 1], [1, 2], [2, ABSENT]]), [(3,)]).modulus
        (4,)
        >>> find_lattice(np.array([[0, 1], [1, 2], [2, 0]]), [(3,)]).modulus
        (3,)
        >>> find_lattice(np.array([[0, 1], [2, 1]]), [(3,)]) is None
        True
    """
    used, seen = np.any(codes >= 0, axis=0), np.any(codes >= 0, axis=1)
    kept = codes[seen][:, used]
    if not kept.size:
        return None
    richest = int((kept >= 0).sum(axis=1).argmax())
    probe = np.unique(np.append(np.linspace(0, len(kept) - 1, SAMPLE_ROWS).astype(int), richest))
    try_first = len(kept) > 2 * SAMPLE_ROWS and bool((kept[richest] >= 0).all())
    for shape in shapes:
        if try_first and _fit(kept[probe], shape, used) is None:
            continue
        found = _fit(kept, shape, used)
        if found is not None:
            return found
    return None


def _fit(codes: Int[np.ndarray, "F K"], shape: tuple[int, ...], used: Bool[np.ndarray, " columns"]) -> Lattice | None:
    """The lattice for one guess of the grid."""
    present = codes >= 0
    offset = _offsets(codes, present, shape)
    if offset is None:
        return None
    first = present.argmax(axis=1)
    start = _points(codes[np.arange(len(codes)), first], shape) - offset[:, first]
    circular, below = [], np.append(np.cumprod(shape[:0:-1])[::-1], 1).tolist()
    for a, size in enumerate(shape):  # one axis at a time: the codes of a large image are most of the memory
        rest = codes // below[a]
        rest %= size
        rest -= start[a].astype(codes.dtype)[:, None]
        rest -= offset[a].astype(codes.dtype)
        rest[~present] = 0
        circular.append(bool(rest.any()))
        if circular[-1] and (rest % size).any():
            return None
    if not _padding_is_unread(codes, present, start, offset, shape, circular):
        return None
    return _lattice(start, offset, shape, circular, used)


def _points(codes: Int[np.ndarray, " n"], shape: tuple[int, ...]) -> Int64[np.ndarray, "axes n"]:
    """Numbers of grid points as coordinates."""
    return np.stack(np.unravel_index(np.maximum(codes, 0), shape))


def _offsets(
    codes: Int[np.ndarray, "F K"], present: Bool[np.ndarray, "F K"], shape: tuple[int, ...]
) -> Int64[np.ndarray, "axes K"] | None:
    """Offsets (axes, K) of all columns from the first; rows that share a column with known ones tell the rest."""
    offset = np.zeros((len(shape), present.shape[1]), dtype=np.int64)
    known = np.zeros(present.shape[1], dtype=bool)
    while not known.all():
        linked = present[:, known].any(axis=1) if known.any() else np.ones(len(present), dtype=bool)
        gain = (present & ~known).sum(axis=1) * linked
        row = int(gain.argmax())
        if gain[row] == 0:
            return None
        anchor = int((present[row] & known).argmax()) if known.any() else int(present[row].argmax())
        new, points = present[row] & ~known, _points(codes[row], shape)
        offset[:, new] = points[:, new] - points[:, anchor, None] + offset[:, anchor, None]
        known |= new
    return offset


def _padding_is_unread(
    codes: Int[np.ndarray, "F K"],
    present: Bool[np.ndarray, "F K"],
    start: Int[np.ndarray, "axes F"],
    offset: Int[np.ndarray, "axes K"],
    shape: tuple[int, ...],
    circular: list[bool],
) -> bool:
    """Whether every absent entry falls on a grid point that no row reads, so that reading a zero there is the same."""
    rows, columns = np.nonzero(~present)
    points = start[:, rows] + offset[:, columns]
    points = np.stack([p % n if wraps else p for p, n, wraps in zip(points, shape, circular, strict=True)])
    inside = ((points >= 0) & (points < np.array(shape)[:, None])).all(axis=0)
    if not inside.any():
        return True
    return not np.isin(np.ravel_multi_index(tuple(points[:, inside]), shape), codes[present]).any()


def _lattice(
    start: Int[np.ndarray, "axes F"],
    offset: Int[np.ndarray, "axes K"],
    shape: tuple[int, ...],
    circular: list[bool],
    used: Bool[np.ndarray, " columns"],
) -> Lattice:
    modulus, stride = [], []
    for a, size in enumerate(shape):
        # A plain axis is enlarged until nothing wraps: for zero padding H + k − 1, for none at most H.
        extent = size if circular[a] else int(np.ptp(start[a]) + np.ptp(offset[a])) + 1
        step = int(np.gcd.reduce(np.append(start[a] - start[a, 0], size if circular[a] else 0)))
        step = step or extent
        modulus.append(-(-extent // step) * step)
        stride.append(step)
    torus = np.array(modulus)[:, None]
    _, repeated = np.unique((start - start[:, :1]) % torus, axis=1, return_counts=True)
    origin = np.array([0 if c else o.min() for c, o in zip(circular, offset, strict=True)])
    all_offsets = np.zeros((len(used), len(shape)), dtype=np.int64)
    all_offsets[used] = ((offset - origin[:, None]) % torus).T
    return Lattice(tuple(modulus), tuple(stride), all_offsets, used, int(repeated.max()))
