"""Rules for pooling: maxima and means over windows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax
from sparsebounds.nets.onnx.rules.windows import Windows, windows_of


def max_pool(node: Node, x: Any) -> Any:
    x = as_jax(x)
    if len([name for name in node.outputs if name]) > 1:
        raise OnnxError(f"node {node.name}, MaxPool: it also returns where the maxima are; leave return_indices out")
    windows = windows_of(node, x.shape[2:], node.get("kernel_shape"))
    lowest = -np.inf if jnp.issubdtype(x.dtype, jnp.floating) else np.iinfo(x.dtype).min
    return _reduced(x, np.asarray(lowest, x.dtype), jax.lax.max, windows)


def average_pool(node: Node, x: Any) -> Any:
    """The sum over each window, divided by how many places of it count."""
    x = as_jax(x)
    windows = windows_of(node, x.shape[2:], node.get("kernel_shape"))
    count = _counts(x.shape[2:], windows, bool(node.get("count_include_pad", 0)))
    return _reduced(x, np.float32(0), jax.lax.add, windows) / count


def _counts(size: tuple[int, ...], windows: Windows, with_padding: bool) -> np.ndarray:
    """Places of each window in the image, and in its padding if that counts; never those that it hangs over by."""
    found = np.ones((), np.float32)
    for n, k, s, d, (low, high), over in zip(
        size, windows.sizes, windows.strides, windows.dilations, windows.padding, windows.overhang, strict=True
    ):
        places = np.full(low + n + high + over, float(with_padding), np.float32)
        places[low : low + n], places[low + n + high :] = 1.0, 0.0
        starts = np.arange(0, len(places) - d * (k - 1), s)
        found = np.multiply.outer(found, places[starts[:, None] + d * np.arange(k)].sum(axis=1))
    return found.ravel()[:1].reshape(()) if np.ptp(found) == 0 else found


def _reduced(x: Any, start: Any, function: Any, windows: Windows) -> Any:
    around = [(low, high + over) for (low, high), over in zip(windows.padding, windows.overhang, strict=True)]
    return jax.lax.reduce_window(
        x, start, function, (1, 1, *windows.sizes), (1, 1, *windows.strides), ((0, 0), (0, 0), *around),
        window_dilation=(1, 1, *windows.dilations),
    )  # fmt: skip


def global_average_pool(node: Node, x: Any) -> Any:
    return jnp.mean(as_jax(x), axis=tuple(range(2, x.ndim)), keepdims=True)


def global_max_pool(node: Node, x: Any) -> Any:
    return jnp.max(as_jax(x), axis=tuple(range(2, x.ndim)), keepdims=True)


RULES: dict[str, Callable[..., Any]] = {
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
}
"""Operator → rule."""
