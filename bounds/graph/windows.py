"""Index arithmetic of convolutions and pooling: which input site each window reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Int, Int32

from sparsebounds.bounds.graph.elements import ABSENT


@dataclass(frozen=True)
class Axis:
    """One axis of a window operation, in XLA's terms."""

    size: int
    out: int
    window: int
    stride: int = 1
    low: int = 0
    """Padding before the axis; negative cuts."""
    base_dilation: int = 1
    window_dilation: int = 1

    def taps(self) -> Int[np.ndarray, "out window"]:
        """Input index read by output o at window offset k, ABSENT outside: (out, window)."""
        start = np.arange(self.out)[:, None] * self.stride - self.low
        at = start + np.arange(self.window) * self.window_dilation
        index, rest = np.divmod(at, self.base_dilation)
        return np.where((rest == 0) & (index >= 0) & (index < self.size), index, ABSENT)


def window_sites(axes: Sequence[Axis]) -> Int32[np.ndarray, "F T"]:
    """Row-major site numbers of all windows: int32 (Π out, Π window), ABSENT outside the array."""

    def combine(sites: Int[np.ndarray, "F T"], axis: Axis) -> Int[np.ndarray, "G U"]:
        taps = axis.taps()
        both = sites[:, None, :, None] * axis.size + taps[None, :, None, :]
        both[np.broadcast_to((sites < 0)[:, None, :, None] | (taps < 0)[None, :, None, :], both.shape)] = ABSENT
        return both.reshape(len(sites) * axis.out, -1)

    return reduce(combine, axes, np.zeros((1, 1), dtype=np.int64)).astype(np.int32)
