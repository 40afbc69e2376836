"""Rules for learned linear maps: convolutions and products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax
from sparsebounds.nets.onnx.rules.windows import windows_of

SPATIAL = "DHW"


def conv(node: Node, x: Any, kernel: Any, bias: Any = None) -> Any:
    """A convolution, channels first, of one to three axes."""
    x, kernel = as_jax(x), as_jax(kernel)
    windows = windows_of(node, x.shape[2:], kernel.shape[2:])
    out = jax.lax.conv_general_dilated(
        x, kernel, windows.strides, windows.padding, rhs_dilation=windows.dilations,
        dimension_numbers=_layout(x.ndim - 2), feature_group_count=node.get("group", 1),
    )  # fmt: skip
    return _with_bias(out, bias)


def conv_transpose(node: Node, x: Any, kernel: Any, bias: Any = None) -> Any:
    """Its kernel (C in, C out / groups, …) turned round, over an image with zeros between its pixels."""
    x, kernel = as_jax(x), as_jax(kernel)
    rank, groups = x.ndim - 2, node.get("group", 1)
    sizes = kernel.shape[2:]
    strides, dilations = _each(node, "strides", rank), _each(node, "dilations", rank)
    reach = [d * (k - 1) for d, k in zip(dilations, sizes, strict=True)]
    more = list(node.get("output_padding", [0] * rank))
    padding = _transposed_padding(node, x.shape[2:], strides, reach, more)
    c_in, c_out = kernel.shape[:2]
    kernel = kernel.reshape(groups, c_in // groups, c_out, *sizes).swapaxes(1, 2)
    kernel = jnp.flip(kernel.reshape(groups * c_out, c_in // groups, *sizes), range(2, 2 + rank))
    around = [(r - low, r - high + m) for r, (low, high), m in zip(reach, padding, more, strict=True)]
    out = jax.lax.conv_general_dilated(
        x, kernel, [1] * rank, around, lhs_dilation=strides, rhs_dilation=dilations,
        dimension_numbers=_layout(rank), feature_group_count=groups,
    )  # fmt: skip
    return _with_bias(out, bias)


def _transposed_padding(
    node: Node, size: tuple[int, ...], strides: list[int], reach: list[int], more: list[int]
) -> list[tuple[int, int]]:
    """What is cut off at both ends."""
    kind, rank = node.get("auto_pad", "NOTSET"), len(size)
    wanted = node.get("output_shape")
    if wanted is None and kind in ("NOTSET", "VALID"):
        pads = node.get("pads", [0] * 2 * rank)
        return [(0, 0) if kind == "VALID" else (pads[i], pads[i + rank]) for i in range(rank)]
    wanted = [s * n for s, n in zip(strides, size, strict=True)] if wanted is None else wanted[-rank:]
    total = [s * (n - 1) + m + r + 1 - w for s, n, m, r, w in zip(strides, size, more, reach, wanted, strict=True)]
    return [(t // 2, t - t // 2) if kind == "SAME_UPPER" else (t - t // 2, t // 2) for t in total]


def _each(node: Node, name: str, rank: int) -> list[int]:
    return list(node.get(name, [1] * rank))


def _layout(rank: int) -> tuple[str, str, str]:
    axes = SPATIAL[3 - rank :]
    return f"NC{axes}", f"OI{axes}", f"NC{axes}"


def _with_bias(out: Any, bias: Any) -> Any:
    """A constant of zeros, which an exporter puts where the module has no bias, is none."""
    if bias is None or (isinstance(bias, np.ndarray) and not bias.any()):
        return out
    return out + as_jax(bias).reshape(-1, *[1] * (out.ndim - 2))


def gemm(node: Node, a: Any, b: Any, c: Any = None) -> Any:
    """α A' B' + β C."""
    a, b = as_jax(a), as_jax(b)
    a = a.T if node.get("transA", 0) else a
    out = a @ (b.T if node.get("transB", 0) else b)
    alpha, beta = node.get("alpha", 1.0), node.get("beta", 1.0)
    out = out if alpha == 1.0 else out * np.float32(alpha)
    if c is None:
        return out
    return out + (as_jax(c) if beta == 1.0 else as_jax(c) * np.float32(beta))


def matmul(node: Node, a: Any, b: Any) -> Any:
    return jnp.matmul(as_jax(a), as_jax(b))


def einsum(node: Node, *values: Any) -> Any:
    return jnp.einsum(node.get("equation").replace(" ", ""), *map(as_jax, values))


RULES: dict[str, Callable[..., Any]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "Einsum": einsum,
}
"""Operator → rule."""
