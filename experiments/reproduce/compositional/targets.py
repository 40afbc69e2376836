"""Functions that are trees of functions of few variables, written down: what compositional sparsity means.

Inputs x ∈ R^n have independent coordinates, uniform on [−√3, √3] (mean 0, variance 1). With d = arity, node j of a
level reads nodes dj, …, dj + d − 1 of the level below, exactly as in `nets.tree(n, d)`, and the label is 1 where the
root exceeds its median.

    affine  d = 2   g(a, b) = (a + b + ab)/√3                  at every node
    game    d = 2   max(a, b) on odd levels, min(a, b) on even ones: who wins a game of log₂ n moves
    mixed   d = 4   g(a, b, c, e) = (a + b + ab + ce)/2         at every node

The constants keep the variance at 1 on every level of `affine` and `mixed`.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TreeTarget:
    """One function on a d-ary tree.

    Args:
        arity: d.
        node: (what its d predecessors say, (…, d); the level, from 1) → value of a node (…).
        formula: `node` in words.
    """

    arity: int
    node: Callable[[Floats, int], Floats]
    formula: str

    def root(self, x: Floats) -> Floats:
        """Value of the root for inputs (m, n), n a power of the arity.

        Raises:
            ValueError: another n.

        Example:
            >>> TARGETS["game"].root(np.array([[1.0, 4.0, 2.0, 3.0]])).tolist()        # min(max(1, 4), max(2, 3))
            [3.0]
        """
        values, level = np.asarray(x, np.float64), 0
        while values.shape[1] > 1:
            if values.shape[1] % self.arity:
                raise ValueError(f"{x.shape[1]} inputs came; need a power of {self.arity}")
            level += 1
            values = self.node(values.reshape(len(values), -1, self.arity), level)
        return values[:, 0]


def _affine(x: Floats, level: int) -> Floats:
    return (x[..., 0] + x[..., 1] + x[..., 0] * x[..., 1]) / math.sqrt(3)


def _game(x: Floats, level: int) -> Floats:
    return x.max(axis=-1) if level % 2 else x.min(axis=-1)


def _mixed(x: Floats, level: int) -> Floats:
    return (x[..., 0] + x[..., 1] + x[..., 0] * x[..., 1] + x[..., 2] * x[..., 3]) / 2


TARGETS = {
    "affine": TreeTarget(2, _affine, "(a + b + ab)/√3"),
    "game": TreeTarget(2, _game, "max(a, b), min(a, b) in turn"),
    "mixed": TreeTarget(4, _mixed, "(a + b + ab + ce)/2"),
}


def draw_inputs(rng: np.random.Generator, samples: int, inputs: int) -> Floats:
    """Uniform on [−√3, √3]: (samples, inputs)."""
    return rng.uniform(-math.sqrt(3), math.sqrt(3), (samples, inputs))


@functools.cache
def threshold(target: str, inputs: int) -> float:
    """The median of the root, from 2¹⁷ draws of a seed used for nothing else: fixed before any sample is drawn."""
    return float(np.median(TARGETS[target].root(draw_inputs(np.random.default_rng(2**31 - 1), 2**17, inputs))))


def draw_sample(
    target: str, samples: int, inputs: int, seed: tuple[int, ...]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Inputs (samples, inputs) and labels 0 or 1.

    Args:
        target: a key of `TARGETS`.
        samples: how many.
        inputs: n, a power of the target's arity.
        seed: of the draw; a larger sample of the same seed begins with the smaller one.

    Example:
        >>> x, y = draw_sample("affine", 1000, 16, (0, 1))
        >>> bool(abs(y.mean() - 0.5) < 0.05), bool((draw_sample("affine", 10, 16, (0, 1))[0] == x[:10]).all())
        (True, True)
    """
    x = draw_inputs(np.random.default_rng(seed), samples, inputs).astype(np.float32)
    return x, (TARGETS[target].root(x.astype(np.float64)) > threshold(target, inputs)).astype(np.int32)
