"""Rules for operations that move numbers and compute none: reshape, transpose, slice, pad, gather, resize."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax, axes_of, known, numbers

ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "round_prefer_floor": lambda t: np.ceil(t - 0.5),
    "round_prefer_ceil": lambda t: np.floor(t + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
"""Of the place of a pixel, in `resize`."""


def reshape(node: Node, x: Any, shape: Any) -> Any:
    x, wanted = as_jax(x), numbers(node, shape, "shape")
    if not node.get("allowzero", 0):
        wanted = [x.shape[i] if n == 0 else n for i, n in enumerate(wanted)]
    return x.reshape(wanted)


def flatten(node: Node, x: Any) -> Any:
    x, axis = as_jax(x), node.get("axis", 1)
    axis = axis if axis >= 0 else axis + x.ndim
    return x.reshape(prod(x.shape[:axis]), -1)


def transpose(node: Node, x: Any) -> Any:
    return jnp.transpose(as_jax(x), node.get("perm"))


def squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    x = as_jax(x)
    ones = [axis for axis, n in enumerate(x.shape) if n == 1]
    return jnp.squeeze(x, tuple(axes_of(node, axes, x.ndim, default=ones)))


def unsqueeze(node: Node, x: Any, axes: Any) -> Any:
    x, added = as_jax(x), numbers(node, axes, "list of axes")
    return jnp.expand_dims(x, tuple(added))


def concat(node: Node, *values: Any) -> Any:
    return jnp.concatenate([as_jax(v) for v in values], axis=node.get("axis"))


def split(node: Node, x: Any, sizes: Any = None) -> tuple[Any, ...]:
    """Into parts of given sizes, or as many as there are outputs, the last one shorter."""
    x, axis = as_jax(x), node.get("axis", 0)
    length, count = x.shape[axis], node.get("num_outputs", len(node.outputs))
    each = -(-length // count)
    parts = [each] * count if sizes is None else numbers(node, sizes, "list of sizes")
    return tuple(jnp.split(x, np.cumsum(parts)[:-1].clip(max=length).tolist(), axis=axis))


def slice_(node: Node, x: Any, starts: Any, ends: Any, axes: Any = None, steps: Any = None) -> Any:
    x = as_jax(x)
    first, last = numbers(node, starts, "start"), numbers(node, ends, "end")
    along = list(range(len(first))) if axes is None else numbers(node, axes, "list of axes")
    step = [1] * len(first) if steps is None else numbers(node, steps, "step")
    index = [slice(None)] * x.ndim
    for axis, a, b, s in zip(along, first, last, step, strict=True):
        n = x.shape[axis]
        a = max(a + n, 0) if a < 0 else a
        b = (b + n if b >= -n else -1) if b < 0 else b
        index[axis] = slice(min(a, n - 1) if s < 0 else a, None if s < 0 and b < 0 else b, s)
    return x[tuple(index)]


def pad(node: Node, x: Any, pads: Any, value: Any = None, axes: Any = None) -> Any:
    x, amounts = as_jax(x), numbers(node, pads, "padding")
    along = list(range(x.ndim)) if axes is None else [a % x.ndim for a in numbers(node, axes, "list of axes")]
    around, half = [(0, 0)] * x.ndim, len(amounts) // 2
    for i, axis in enumerate(along):
        around[axis] = (amounts[i], amounts[i + half])
    mode = node.get("mode", "constant")
    if mode == "constant":
        fill = 0.0 if value is None else float(known(node, value, "value").reshape(()))
        return jax.lax.pad(x, jnp.asarray(fill, x.dtype), [(low, high, 0) for low, high in around])
    for axis, (low, high) in enumerate(around):
        if low or high:  # what is cut off goes first
            left = np.arange(x.shape[axis], dtype=np.int32)[max(-low, 0) : x.shape[axis] + min(high, 0)]
            index = np.pad(left, (max(low, 0), max(high, 0)), mode=mode)
            x = jnp.take(x, index, axis=axis, mode="clip")
    return x


def gather(node: Node, x: Any, index: Any) -> Any:
    """Along one axis, by numbers that are known, or by tokens."""
    x, axis = as_jax(x), node.get("axis", 0)
    if not isinstance(index, np.ndarray):
        return jnp.take(x, as_jax(index), axis=axis, mode="clip")
    index = np.where(index < 0, index + x.shape[axis], index)
    if index.ndim == 0:
        return jax.lax.index_in_dim(x, int(index), axis % x.ndim, keepdims=False)
    return jnp.take(x, index.astype(np.int32), axis=axis, mode="clip")


def gather_elements(node: Node, x: Any, index: Any) -> Any:
    x, axis = as_jax(x), node.get("axis", 0)
    places = known(node, index, "index")
    return jnp.take_along_axis(x, np.where(places < 0, places + x.shape[axis], places).astype(np.int32), axis=axis)


def expand(node: Node, x: Any, shape: Any) -> Any:
    x = as_jax(x)
    return jnp.broadcast_to(x, np.broadcast_shapes(x.shape, tuple(numbers(node, shape, "shape"))))


def tile(node: Node, x: Any, repeats: Any) -> Any:
    return jnp.tile(as_jax(x), tuple(numbers(node, repeats, "number of repeats")))


def resize(node: Node, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None) -> Any:
    """Nearest neighbours, by indices along each axis."""
    x = as_jax(x)
    mode = node.get("mode", "nearest")
    if mode != "nearest":
        raise OnnxError(f"node {node.name}, Resize: mode {mode} came, and nearest is read; export with mode='nearest'")
    axes = [axis % x.ndim for axis in node.get("axes", range(x.ndim))]
    by_size = sizes is not None and known(node, sizes, "size").size > 0
    given = known(node, sizes, "size") if by_size else known(node, scales, "scale")
    for axis, number in zip(axes, np.ravel(given).tolist(), strict=True):
        n = x.shape[axis]
        out = int(number) if by_size else int(np.float32(n) * np.float32(number))
        if out != n:
            index = _nearest(node, n, out, out / n if by_size else number)
            x = jnp.take(x, index, axis=axis, mode="clip")
    return x


def _nearest(node: Node, n: int, out: int, scale: float) -> np.ndarray:
    """Which pixel each new one shows; in float32, as onnxruntime rounds."""
    place, how = np.arange(out, dtype=np.float32), node.get("coordinate_transformation_mode", "half_pixel")
    if how == "align_corners":
        at = place * np.float32(n - 1) / np.float32(max(out - 1, 1))
    elif how == "asymmetric":
        at = place / np.float32(scale)
    elif how == "half_pixel" or (how == "pytorch_half_pixel" and out > 1):
        at = (place + np.float32(0.5)) / np.float32(scale) - np.float32(0.5)
    elif how == "pytorch_half_pixel":
        at = 0 * place
    else:
        raise OnnxError(f"node {node.name}, Resize: coordinates {how} are not read; export with asymmetric ones")
    rounding = ROUNDING[node.get("nearest_mode", "round_prefer_floor")]
    return np.clip(rounding(at), 0, n - 1).astype(np.int32)


def depth_to_space(node: Node, x: Any) -> Any:
    x, b = as_jax(x), node.get("blocksize")
    n, c, h, w = x.shape
    if node.get("mode", "DCR") == "DCR":
        return x.reshape(n, b, b, c // b**2, h, w).transpose(0, 3, 4, 1, 5, 2).reshape(n, c // b**2, h * b, w * b)
    return x.reshape(n, c // b**2, b, b, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // b**2, h * b, w * b)


def space_to_depth(node: Node, x: Any) -> Any:
    x, b = as_jax(x), node.get("blocksize")
    n, c, h, w = x.shape
    return x.reshape(n, c, h // b, b, w // b, b).transpose(0, 3, 5, 1, 2, 4).reshape(n, c * b**2, h // b, w // b)


def trilu(node: Node, x: Any, k: Any = None) -> Any:
    diagonal = 0 if k is None else numbers(node, k, "diagonal")[0]
    return jnp.triu(as_jax(x), diagonal) if node.get("upper", 1) else jnp.tril(as_jax(x), diagonal)


def shape(node: Node, x: Any) -> np.ndarray:
    """Known in advance, whatever the numbers are."""
    return np.asarray(np.shape(x)[node.get("start", 0) : node.get("end")], np.int64)


def size(node: Node, x: Any) -> np.ndarray:
    return np.asarray(np.size(x), np.int64)


RULES: dict[str, Callable[..., Any]] = {
    "Reshape": reshape,
    "Flatten": flatten,
    "Transpose": transpose,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Concat": concat,
    "Split": split,
    "Slice": slice_,
    "Pad": pad,
    "Gather": gather,
    "GatherElements": gather_elements,
    "Expand": expand,
    "Tile": tile,
    "Resize": resize,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Trilu": trilu,
    "Shape": shape,
    "Size": size,
}
"""Operator → rule."""
