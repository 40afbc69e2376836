"""When a mask changes and by how much: a table over steps, computed before training starts."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsebounds.nets.checks import check_sizes

Table = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """What happens at steps 0 … last; nothing after.

    Args:
        due: (last + 1,) whether the mask changes at a step.
        values: numbers the change needs, one per step, by name.
    """

    due: npt.NDArray[np.bool_]
    values: dict[str, npt.NDArray[Any]] = field(default_factory=dict)


def due_at(last: int, every: int, *, ends: bool) -> npt.NDArray[np.bool_]:
    """Steps every, 2·every, … before `last`, and `last` itself if asked; never step 0.

    Example:
        >>> np.flatnonzero(due_at(10, 4, ends=True)).tolist(), np.flatnonzero(due_at(8, 4, ends=False)).tolist()
        ([4, 8, 10], [4])
    """
    check_sizes(every=every, until=last)
    steps = np.arange(last + 1)
    due = (steps % every == 0) & (steps > 0) & (steps < last)
    due[last] = ends
    return due


def cosine(last: int) -> Table:
    """½(1 + cos(π t/last)) for t = 0 … last: from 1 to 0."""
    return np.asarray(0.5 * (1 + np.cos(np.pi * np.arange(last + 1) / last)))


def cubic(last: int) -> Table:
    """1 − (1 − t/last)³ for t = 0 … last: from 0 to 1."""
    return np.asarray(1 - (1 - np.arange(last + 1) / last) ** 3)


def counts(values: Table) -> npt.NDArray[np.int32]:
    """Numbers of weights or channels, rounded to whole ones; what rounding errors of 1e-9 lost is given back."""
    return np.floor(values + 0.5 + 1e-9).astype(np.int32)


def check_share(name: str, value: float, *, above: float = 0.0, most: float = 1.0) -> None:
    """`above` < value <= most, or a ValueError that names it."""
    if isinstance(value, bool) or not math.isfinite(value) or not above < value <= most:
        raise ValueError(f"{name} is {value!r}; need a number above {above} and at most {most}")
