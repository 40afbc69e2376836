"""Rules for normalisation by running statistics, along channels, in groups, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax


def batch_normalization(node: Node, x: Any, scale: Any, bias: Any, mean: Any, variance: Any) -> Any:
    """(x − mean) · scale / √(variance + ε) + bias, each one number per channel, axis 1."""
    x = as_jax(x)
    per_channel = (-1, *[1] * (x.ndim - 2))
    scale, bias, mean, variance = (as_jax(v).reshape(per_channel) for v in (scale, bias, mean, variance))
    factor = jax.lax.rsqrt(variance + np.float32(node.get("epsilon", 1e-5))) * scale
    return (x - mean) * factor + bias


def layer_normalization(node: Node, x: Any, scale: Any, bias: Any = None) -> Any:
    """Over all axes from `axis` on."""
    x = as_jax(x)
    axes = tuple(range(node.get("axis", -1) % x.ndim, x.ndim))
    out = centred(x, axes, node.get("epsilon", 1e-5)) * as_jax(scale)
    return out if bias is None else out + as_jax(bias)


def rms_normalization(node: Node, x: Any, scale: Any) -> Any:
    x = as_jax(x)
    axes = tuple(range(node.get("axis", -1) % x.ndim, x.ndim))
    size = jnp.mean(jnp.square(x), axis=axes, keepdims=True)
    return x * jax.lax.rsqrt(size + np.float32(node.get("epsilon", 1e-5))) * as_jax(scale)


def instance_normalization(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    x = as_jax(x)
    per_channel = (-1, *[1] * (x.ndim - 2))
    out = centred(x, tuple(range(2, x.ndim)), node.get("epsilon", 1e-5))
    return out * as_jax(scale).reshape(per_channel) + as_jax(bias).reshape(per_channel)


def group_normalization(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    """Channels in groups; scale and bias are one number per group before opset 21."""
    x = as_jax(x)
    groups, channels = node.get("num_groups"), x.shape[1]
    grouped = x.reshape(len(x), groups, channels // groups, prod(x.shape[2:]))
    out = centred(grouped, (2, 3), node.get("epsilon", 1e-5)).reshape(x.shape)
    scale, bias = (as_jax(v) for v in (scale, bias))
    if node.opset < 21:
        scale, bias = (jnp.repeat(v, channels // groups) for v in (scale, bias))
    per_channel = (-1, *[1] * (x.ndim - 2))
    return out * scale.reshape(per_channel) + bias.reshape(per_channel)


def centred(x: Any, axes: tuple[int, ...], epsilon: float) -> Any:
    """(x − mean) / √(variance + ε) over some axes."""
    away = x - jnp.mean(x, axis=axes, keepdims=True)
    variance = jnp.mean(jnp.square(away), axis=axes, keepdims=True)
    return away * jax.lax.rsqrt(variance + np.float32(epsilon))


def softmax(node: Node, x: Any) -> Any:
    return jax.nn.softmax(as_jax(x), axis=node.get("axis", -1))


def log_softmax(node: Node, x: Any) -> Any:
    return jax.nn.log_softmax(as_jax(x), axis=node.get("axis", -1))


RULES: dict[str, Callable[..., Any]] = {
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "RMSNormalization": rms_normalization,
    "InstanceNormalization": instance_normalization,
    "GroupNormalization": group_normalization,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
}
"""Operator → rule."""
