"""A bare kernel as a linear term: which sites each window of a convolution reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.graph.windows import Axis, window_sites

PADDINGS = ("VALID", "SAME", "CIRCULAR")


class _Circle(Axis):
    """An axis without ends."""

    def taps(self) -> Int[np.ndarray, "out window"]:
        at = np.arange(self.out)[:, None] * self.stride + np.arange(self.window) * self.window_dilation
        return at % self.size


def convolution_dot(
    kernel: Float[np.ndarray, "*window in out"],
    size: Sequence[int],
    *,
    stride: Sequence[int] | int = 1,
    padding: str | Sequence[tuple[int, int]] = "VALID",
    dilation: Sequence[int] | int = 1,
    groups: int = 1,
) -> Dot:
    """A convolution as a term, one weight set per group; the image's elements are numbered (site, channel).

    Args:
        kernel: (*window, in channels / groups, out channels).
        size: sites per axis.
        stride, dilation: per axis, or one number for all.
        padding: "VALID", "SAME", "CIRCULAR", or (before, after) per axis.
        groups: feature groups.

    Returns:
        The term; its outputs (group, window, channel) are not reordered.

    Raises:
        ValueError: sizes that do not fit each other.

    Example:
        >>> convolution_dot(np.ones((2, 1, 1)), (3,)).taps.sites.tolist()
        [[0, 1], [1, 2]]
    """
    axes = _axes(kernel.shape[:-2], tuple(size), _per_axis(stride, size), padding, _per_axis(dilation, size))
    per_group, outputs = kernel.shape[-2:]
    if groups < 1 or outputs % groups:
        raise ValueError(f"{outputs} output channels in {groups} groups; needed a number of groups that divides them")
    sites = window_sites(axes)
    image = np.arange(int(np.prod(size)) * per_group * groups, dtype=np.int32)
    source = image.reshape(-1, groups, per_group).transpose(1, 0, 2)
    weight = kernel.reshape(-1, per_group, groups, outputs // groups).transpose(2, 0, 1, 3)
    return Dot(Taps(source, sites), weight.reshape(groups, -1, outputs // groups))


def _per_axis(value: Sequence[int] | int, size: Sequence[int]) -> tuple[int, ...]:
    values = (value,) * len(size) if isinstance(value, int) else tuple(value)
    if len(values) != len(size) or min(values) < 1:
        raise ValueError(f"stride or dilation {value}; needed a positive number for each of {len(size)} axes")
    return values


def _axes(
    window: tuple[int, ...],
    size: tuple[int, ...],
    stride: tuple[int, ...],
    padding: str | Sequence[tuple[int, int]],
    dilation: tuple[int, ...],
) -> list[Axis]:
    if isinstance(padding, str) and padding not in PADDINGS:
        raise ValueError(f"padding={padding!r}; needed {', '.join(PADDINGS)} or (before, after) per axis")
    if not isinstance(padding, str) and len(padding) != len(size):
        raise ValueError(f"padding {padding}; needed (before, after) for each of {len(size)} axes")
    axes: list[Axis] = []
    for a, (n, k, s, d) in enumerate(zip(size, window, stride, dilation, strict=True)):
        reach = (k - 1) * d + 1
        if padding == "CIRCULAR":
            axes.append(_Circle(n, -(-n // s), k, s, window_dilation=d))
            continue
        if padding == "SAME":
            total = max((-(-n // s) - 1) * s + reach - n, 0)
            low, high = total // 2, total - total // 2
        else:
            low, high = (0, 0) if isinstance(padding, str) else padding[a]
        out = (n + low + high - reach) // s + 1
        if out < 1:
            raise ValueError(f"a window that reaches over {reach} sites on an axis of {n} + {low + high}; needed fewer")
        axes.append(Axis(n, out, k, s, low, window_dilation=d))
    return axes
