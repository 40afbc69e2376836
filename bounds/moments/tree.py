"""Binary trees whose leaves are the classes, and the Haar coefficients of the last layer along them.

For an inner node S with children A and B: w̄_leaf = w_r, w̄_S = (w̄_A + w̄_B)/2, D_S = (w̄_A − w̄_B)/2. The margin sees
the last layer through the C − 1 coefficients D_S alone. Letters: docs/theory.md, "Theorem 2".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64

Nested = Any
"""A class number, or a pair of Nested."""


@dataclass(frozen=True)
class Split:
    """An inner node: the classes under its two children, and how far below the root it stands."""

    left: tuple[int, ...]
    right: tuple[int, ...]
    depth: int

    @property
    def classes(self) -> tuple[int, ...]:
        return self.left + self.right

    @property
    def is_pair(self) -> bool:
        """Whether both children are leaves."""
        return len(self.left) == len(self.right) == 1


@dataclass(frozen=True)
class Tree:
    """A full binary tree over the classes 0..C−1, as nested pairs."""

    nested: Nested

    @classmethod
    def balanced(cls, classes: int) -> Tree:
        """Halves of consecutive classes.

        Example:
            >>> Tree.balanced(5).nested
            ((0, 1), (2, (3, 4)))
        """

        def build(start: int, stop: int) -> Nested:
            middle = (start + stop) // 2
            return start if stop - start == 1 else (build(start, middle), build(middle, stop))

        return cls(build(0, classes))

    @classmethod
    def given(cls, nested: Nested, classes: int) -> Tree:
        """A tree written by hand, checked.

        Raises:
            ValueError: a node that is not a pair, a class that is missing, unknown or there twice.

        Example:
            >>> Tree.given([[0, 2], 1], 3).nested
            ((0, 2), 1)
            >>> Tree.given([[0, 2], 2], 3)
            Traceback (most recent call last):
            ...
            ValueError: the tree has the leaves [0, 2, 2]; needed every class 0..2 once
        """
        tree = cls(_pairs(nested))
        leaves = sorted(tree.leaves)
        if leaves != list(range(classes)):
            raise ValueError(f"the tree has the leaves {leaves}; needed every class 0..{classes - 1} once")
        return tree

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The classes, from left to right."""
        return _leaves(self.nested)

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """The C − 1 inner nodes, each before those below it."""
        found: list[Split] = []

        def visit(nested: Nested, depth: int) -> None:
            if isinstance(nested, tuple):
                found.append(Split(_leaves(nested[0]), _leaves(nested[1]), depth))
                visit(nested[0], depth + 1)
                visit(nested[1], depth + 1)

        visit(self.nested, 0)
        return tuple(found)

    def haar(self, rows: Float64[np.ndarray, "C K"]) -> Float64[np.ndarray, "splits K"]:
        """The coefficients D_S of rows w_r: (C, K) → (C − 1, K), in the order of `splits`.

        Example:
            >>> Tree.balanced(2).haar(np.array([[3.0], [1.0]])).tolist()
            [[1.0]]
        """
        found: list[np.ndarray] = []

        def visit(nested: Nested) -> Float64[np.ndarray, " K"]:
            if not isinstance(nested, tuple):
                return np.asarray(rows[nested], dtype=np.float64)
            place = len(found)
            found.append(np.zeros(0))
            a, b = visit(nested[0]), visit(nested[1])
            found[place] = (a - b) / 2
            return (a + b) / 2

        visit(self.nested)
        return np.stack(found)

    def members(self, classes: int) -> Float64[np.ndarray, "splits C"]:
        """1 where a class lies under a split: float64 (C − 1, C)."""
        out = np.zeros((len(self.splits), classes))
        for i, split in enumerate(self.splits):
            out[i, list(split.classes)] = 1.0
        return out


def log_trees(classes: int) -> float:
    """log (2C − 3)!!, the number of full binary trees with C labelled leaves: the price of a tree chosen by the data.

    Example:
        >>> log_trees(2), round(math.exp(log_trees(4))), round(log_trees(10), 2)
        (0.0, 15, 17.36)
    """
    return math.fsum(math.log(k) for k in range(3, 2 * classes - 2, 2))


def greedy_tree(
    classes: int, cost: Callable[[Sequence[int], Sequence[int], np.ndarray], float], rows: Float64[np.ndarray, "C K"]
) -> Tree:
    """Join two subtrees at a time, those whose split costs least; to be paid for with `log_trees`.

    Args:
        classes: C.
        cost: of a split, from the classes of its children and its coefficient D.
        rows: w_r, (C, K).

    Returns:
        Tree; the best of nothing in particular, but any tree is allowed.
    """
    parts: list[tuple[Nested, np.ndarray]] = [(r, np.asarray(rows[r], dtype=np.float64)) for r in range(classes)]
    costs: dict[tuple[int, int], float] = {}
    while len(parts) > 1:
        best, pair = math.inf, (0, 1)
        for i in range(len(parts)):
            for j in range(i + 1, len(parts)):
                key = (id(parts[i][1]), id(parts[j][1]))
                if key not in costs:
                    half = (parts[i][1] - parts[j][1]) / 2
                    costs[key] = cost(_leaves(parts[i][0]), _leaves(parts[j][0]), half)
                if costs[key] < best:
                    best, pair = costs[key], (i, j)
        a, b = parts[pair[0]], parts[pair[1]]
        rest = [p for k, p in enumerate(parts) if k not in pair]
        parts = [*rest, ((a[0], b[0]), (a[1] + b[1]) / 2)]
        costs = {k: v for k, v in costs.items() if id(a[1]) not in k and id(b[1]) not in k}
    return Tree(parts[0][0])


def _pairs(nested: Nested) -> Nested:
    if isinstance(nested, int | np.integer) and not isinstance(nested, bool):
        return int(nested)
    if not isinstance(nested, list | tuple) or len(nested) != 2:
        raise ValueError(f"a node of the tree is {nested!r}; needed a class number or a pair of nodes")
    return _pairs(nested[0]), _pairs(nested[1])


def _leaves(nested: Nested) -> tuple[int, ...]:
    return _leaves(nested[0]) + _leaves(nested[1]) if isinstance(nested, tuple) else (nested,)
