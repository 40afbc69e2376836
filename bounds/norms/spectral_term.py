"""Upper bounds on the spectral norm of one term of a layer: by its symbol, by its rows, or by absolute values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Term
from sparsebounds.bounds.norms.eigenvalue import EPS
from sparsebounds.bounds.norms.lattice import Lattice, lattice_of
from sparsebounds.bounds.norms.symbol import Symbol, symbol

SWEEPS = 8
"""Steps towards the Perron vector where only absolute values of the weights are used."""


def term_upper(graph: Graph, term: Term, method: str) -> float:
    """Not below the norm of the term's matrix."""
    if isinstance(term, Diagonal):
        squares = np.square(term.factors)
        return root_up(
            np.bincount(term.elements + 1, weights=squares)[1:].max(initial=0.0) * (1 + term.elements.size * EPS)
        )
    if not isinstance(term, Dot):
        return absolute_upper(term)
    dot = term.with_shared_rows
    lattices = set_lattices(graph, dot)
    upper = sets_upper(dot, lattices, method)
    # A dense layer has its singular values, a convolution its symbol; anything else may do better by |A|.
    settled = dot.dense or all(lattice is not None for lattice in lattices)
    return upper if settled else min(upper, absolute_upper(dot))


def set_lattices(graph: Graph, dot: Dot) -> list[Lattice | None]:
    """The lattice of every weight set; sets that differ by a shift of all elements (groups) share it."""
    b_count, f_count, _ = dot.taps.shape
    if f_count == 1:
        return [None] * b_count
    found: list[Lattice | None] = []
    for b, source in enumerate(dot.taps.source):
        if b and _shifted(dot.taps.source[b - 1], source):
            found.append(found[-1])
            continue
        found.append(lattice_of(graph, dot.taps, b))
    return found


def _shifted(a: Int[np.ndarray, "*shape"], b: Int[np.ndarray, "*shape"]) -> bool:
    """Whether b = a + constant: then one map is the other on renamed elements."""
    present = a >= 0
    return np.array_equal(present, b >= 0) and (not present.any() or np.ptp((b - a)[present]) == 0)


def sets_upper(dot: Dot, lattices: Sequence[Lattice | None], method: str) -> float:
    """√ max over elements e of Σ_b s_b² · (how often set b counts e): once for a lattice, once per row otherwise.

    Rows of different sets are different outputs: ‖Az‖² = Σ_b ‖A_b z‖² ≤ Σ_b s_b² ‖z restricted to what b reads‖²,
    with s_b ≥ ‖A_b‖; without a lattice, A_b is its rows f one by one, each with s_b ≥ ‖W_b‖.
    """
    reads = [_reads(dot.taps, b, once=lattice is not None) for b, lattice in enumerate(lattices)]
    elements = np.concatenate([found for found, _ in reads])
    different = present_elements(elements - elements.min(initial=0))
    if len(different) == len(elements):  # sets that share no element: the largest counts alone
        runs = _runs(lattices)
        squares = [_squares(dot.weight[run.start : run.stop], lattices[run[0]], method) for run in runs]  # no copy
        return root_up(
            max(s * max(reads[b][1].max(initial=0) for b in run) for s, run in zip(squares, runs, strict=True))
        )
    total = np.zeros(int(elements.max(initial=-1)) + 1)
    for b, (found, counts) in enumerate(reads):
        total[found] += _squares(dot.weight[b : b + 1], lattices[b], method) * counts
    return root_up(float(total.max(initial=0.0)) * (1 + len(reads) * EPS))


def _runs(lattices: Sequence[Lattice | None]) -> list[range]:
    """Neighbouring sets with one and the same lattice."""
    starts = [b for b in range(len(lattices)) if b == 0 or lattices[b] is not lattices[b - 1]]
    return [range(start, stop) for start, stop in pairwise([*starts, len(lattices)])]


def _reads(taps: Taps, b: int, once: bool) -> tuple[Int[np.ndarray, " read"], Int[np.ndarray, " read"]]:
    """The elements that set b reads, and how many of its rows read each (one, if so asked).

    Of the elements read alone: a depthwise convolution has a set for each channel, deep in a large network.
    """
    source = taps.source[b].ravel()
    source = source[source >= 0]
    if not source.size:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    low, high = int(source.min()), int(source.max())
    if once:
        found = np.flatnonzero(np.bincount(source - low))
        return found + low, np.ones_like(found)
    total = np.zeros(high - low + 1, dtype=np.int64)
    for start, sites in taps.chunks():
        rows = taps.rows(b, start, start + len(sites))
        total += np.bincount(rows[rows >= 0] - low, minlength=len(total))
    found = np.flatnonzero(total)
    return found + low, total[found]


def _squares(weight: Float64[np.ndarray, "sets K N"], lattice: Lattice | None, method: str) -> float:
    """Not below ‖A_b‖² for every weight set (sets, K, N) with this lattice, or ‖W_b‖² without one."""
    if lattice is None:
        return Symbol(weight[:, None], np.zeros((1, 1), dtype=np.int64), (1,)).largest_square_upper(method)
    return symbol(lattice, weight).largest_square_upper(method) * lattice.copies


def absolute_upper(term: Term) -> float:
    """‖A‖ ≤ ‖|A|‖ ≤ √ max_j (|A|ᵀ|A|q)_j / q_j for every positive q: Schur's test, along the power method.

    The first step, q = 1, is at most √(‖A‖₁ ‖A‖_∞). Exact in the limit for weights of one sign (average pooling).
    """
    low = int(np.min(term.elements_read, where=term.elements_read >= 0, initial=term.width))
    term = term.renumbered(lambda elements: np.where(elements >= 0, elements - low, elements))  # as few as are read
    size = term.width
    q, best, additions = np.ones(size), math.inf, size
    for _ in range(SWEEPS):
        up = term.apply(np.append(q, 0.0), np.abs)
        down = term.apply_transposed(up, np.abs, size)
        additions = len(up) + size
        largest = float(down.max(initial=0.0))
        if largest == 0:
            return 0.0
        best = min(best, float((down / q).max()))
        # Any positive q is allowed; the floor keeps columns of tiny weights away from underflow.
        q = np.maximum(down / largest, 1e-30)
    return root_up(best * (1 + 4 * additions * EPS))


def root_up(square: float) -> float:
    """The root, rounded up."""
    return math.sqrt(square) * (1 + 4 * EPS)
