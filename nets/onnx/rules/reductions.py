"""Rules for sums, means and maxima over whole axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax, axes_of, known


def reduction(function: Callable[..., Any]) -> Callable[..., Any]:
    """A rule for a function of an array, axes and whether they are kept."""

    def rule(node: Node, x: Any, axes: Any = None) -> Any:
        x = as_jax(x)
        none = (axes is None and node.get("axes") is None) or (axes is not None and known(node, axes, "axes").size == 0)
        if none and node.get("noop_with_empty_axes", 0):
            return x
        found = axes_of(node, None if none else axes, x.ndim)
        return function(x, axis=tuple(found), keepdims=bool(node.get("keepdims", 1)))

    return rule


def _l1(x: Any, **over: Any) -> Any:
    return jnp.sum(jnp.abs(x), **over)


def _squares(x: Any, **over: Any) -> Any:
    return jnp.sum(jnp.square(x), **over)


def _l2(x: Any, **over: Any) -> Any:
    return jnp.sqrt(_squares(x, **over))


def _log_sum(x: Any, **over: Any) -> Any:
    return jnp.log(jnp.sum(x, **over))


RULES: dict[str, Callable[..., Any]] = {
    "ReduceMean": reduction(jnp.mean),
    "ReduceSum": reduction(jnp.sum),
    "ReduceMax": reduction(jnp.max),
    "ReduceMin": reduction(jnp.min),
    "ReduceProd": reduction(jnp.prod),
    "ReduceL1": reduction(_l1),
    "ReduceL2": reduction(_l2),
    "ReduceSumSquare": reduction(_squares),
    "ReduceLogSum": reduction(_log_sum),
    "ReduceLogSumExp": reduction(jax.nn.logsumexp),
}
"""Operator → rule."""
