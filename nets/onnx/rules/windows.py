"""Where the windows of convolutions and pools lie."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sparsebounds.nets.onnx.program import Node


@dataclass(frozen=True)
class Windows:
    """Windows over some axes.

    Args:
        sizes, strides, dilations: for each axis.
        padding: what the file asks for, before and after.
        overhang: how far the last window reaches beyond it, where sizes are rounded up.
    """

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    overhang: tuple[int, ...]


def windows_of(node: Node, size: Sequence[int], kernel: Sequence[int]) -> Windows:
    """The windows of a node over an image of some size."""
    rank = len(size)
    strides = tuple(node.get("strides", [1] * rank))
    dilations = tuple(node.get("dilations", [1] * rank))
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel, strict=True)]
    padding = tuple(_padding(node, i, rank, size[i], strides[i], reach[i]) for i in range(rank))
    overhang = tuple(
        _overhang(n, p, s, r) if node.get("ceil_mode", 0) else 0
        for n, p, s, r in zip(size, padding, strides, reach, strict=True)
    )
    return Windows(tuple(kernel), strides, dilations, padding, overhang)


def _padding(node: Node, axis: int, rank: int, size: int, stride: int, reach: int) -> tuple[int, int]:
    kind = node.get("auto_pad", "NOTSET")
    if kind == "VALID":
        return 0, 0
    if kind == "NOTSET":
        pads = node.get("pads", [0] * 2 * rank)
        return pads[axis], pads[axis + rank]
    total = max((-(-size // stride) - 1) * stride + reach - size, 0)
    low, high = total // 2, total - total // 2
    return (high, low) if kind == "SAME_LOWER" else (low, high)


def _overhang(size: int, padding: tuple[int, int], stride: int, reach: int) -> int:
    """With sizes rounded up; a window that would begin beyond the image and its first padding is left out."""
    padded = size + sum(padding)
    count = -(-(padded - reach) // stride) + 1
    if (count - 1) * stride >= size + padding[0]:
        count -= 1
    return max((count - 1) * stride + reach - padded, 0)
