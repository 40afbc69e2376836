"""The code of a quantised network: as that of any other, and parts on a uniform grid by the levels of their numbers.

`PART_BITS` name the code of a part among four; the grid is the fourth. A decoder reads, in this order: which numbers
are not zero, as in `mask_bits`; how many bits a level has, 3 bits; the step, a bfloat16 of 16 bits; one bit for what
follows; then either every level that is not zero, its sign and its size, or how often each of them occurs and which
of all such sequences it is. A number is step · level.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int, Shaped

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.graph.uniform import Grid, grid_of, largest_level
from sparsebounds.bounds.theorems.description.code_length import (
    PartCode,
    ceil_log2_choose,
    ceil_log2_orders,
    mask_bits,
    part_code,
    parts,
)

GRID_BITS = 3 + 16 + 1
"""Bits of a level, step, and which of two codes of the levels."""
CHUNK = 1 << 22


@per_graph
def quantised_code(network: Graph | Program) -> tuple[PartCode, ...]:
    """The code of every part of a network, by its grid where it lies on one and that is shorter.

    Args:
        network: any; the positions of its zeros are always counted, since rounding makes zeros of its own.

    Returns:
        One code per part, in the order of the layers. Every value is reproduced exactly.

    Raises:
        ValueError: weights that are not finite.

    Example:
        >>> from sparsebounds import bounds
        >>> w = np.array([[0.5, -1.5], [0.5, 0.0]] * 20, np.float32)
        >>> graph = bounds.read_graph(lambda x: x @ w, np.ones((1, 40), np.float32))
        >>> [(part.form, part.value_bits) for part in quantised_code(graph)]  # 20 + ⌈log₂ C(65, 5)⌉ + ⌈log₂ C(60, 20)⌉
        [('grid of 3 bits', 95)]
    """
    return tuple(quantised_part(name, slots) for name, slots in parts(network))


def quantised_part(name: str, slots: Shaped[np.ndarray, " ..."]) -> PartCode:
    """The code of one part."""
    grid = grid_of(slots)
    if grid is None:
        return part_code(name, slots)
    counts, size, form = level_counts(grid), int(slots.size), f"grid of {grid.bits} bits"
    held = int(counts.sum())
    on_it = PartCode(name, size, held, "bfloat16", form, mask_bits(size, held), grid_bits(counts, grid.bits))
    if size > CHUNK:  # any other code is by far the longer one
        return on_it
    return min(on_it, part_code(name, slots), key=lambda code: code.bits)


def level_counts(grid: Grid) -> Int[np.ndarray, " levels"]:
    """How often each level but 0 occurs, from the most negative one up."""
    most = largest_level(grid.bits)
    flat, counts = grid.levels.ravel(), np.zeros(2 * most + 1, dtype=np.int64)
    for start in range(0, flat.size, CHUNK):
        counts += np.bincount(flat[start : start + CHUNK].astype(np.int64) + most, minlength=len(counts))
    return np.delete(counts, most)


def grid_bits(counts: Int[np.ndarray, " levels"], bits: int) -> int:
    """20 + min(k·b, ⌈log₂ C(k+n−1, n−1)⌉ + ⌈log₂ k!/Π k_v!⌉), n = 2^b − 2 levels used k_v times, Σ k_v = k.

    Example:
        >>> grid_bits(np.array([1, 3]), 2)  # 20 + ⌈log₂ 5⌉ + ⌈log₂ 4⌉
        25
        >>> grid_bits(np.array([0, 1, 1, 0, 1, 0]), 3)  # 20 + 3·3
        29
    """
    held, kinds = int(np.sum(counts)), len(counts)
    counted = ceil_log2_choose(held + kinds - 1, kinds - 1) + ceil_log2_orders(counts, held)
    return GRID_BITS + min(held * bits, counted)
