"""The operator Attention of opset 23: softmax(QKᵀ·scale + mask) V, by heads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax

MASKED = np.float32(-np.inf)


def attention(node: Node, q: Any, k: Any, v: Any, mask: Any = None, *past: Any) -> Any:
    """Queries, keys and values (B, heads, T, D), or (B, T, heads · D) with the numbers of heads as attributes."""
    if any(value is not None for value in past) or any(node.outputs[1:]):
        raise OnnxError(f"node {node.name}, Attention: it keeps keys and values of earlier calls; export without them")
    if node.get("softcap", 0.0):
        raise OnnxError(f"node {node.name}, Attention: its scores are capped; leave softcap out")
    flat = np.ndim(q) == 3
    if flat:
        others = node.get("kv_num_heads")
        q, k, v = _by_heads(q, node.get("q_num_heads")), _by_heads(k, others), _by_heads(v, others)
    q, k, v = as_jax(q), as_jax(k), as_jax(v)
    repeats = q.shape[1] // k.shape[1]
    if repeats > 1:
        k, v = (jnp.repeat(t, repeats, axis=1) for t in (k, v))
    scale = node.get("scale", 1.0 / np.sqrt(q.shape[-1]))
    scores = jnp.matmul(q, k.swapaxes(-1, -2)) * np.float32(scale)
    if node.get("is_causal", 0):
        below = np.tril(np.ones(scores.shape[-2:], bool))  # from the first key on, whatever their numbers
        scores = scores + np.where(below, np.float32(0), MASKED)
    if mask is not None:
        scores = scores + _additive(mask)
    out = jnp.matmul(jax.nn.softmax(scores, axis=-1), v)
    return out.transpose(0, 2, 1, 3).reshape(out.shape[0], out.shape[2], -1) if flat else out


def _by_heads(x: Any, heads: int) -> Any:
    x = as_jax(x)
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def _additive(mask: Any) -> Any:
    mask = mask if isinstance(mask, np.ndarray) else as_jax(mask)
    if mask.dtype != np.bool_:
        return mask
    return np.where(mask, np.float32(0), MASKED) if isinstance(mask, np.ndarray) else jnp.where(mask, 0.0, MASKED)


RULES: dict[str, Callable[..., Any]] = {"Attention": attention}
"""Operator → rule."""
