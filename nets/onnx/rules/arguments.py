"""What a rule asks of its inputs: arrays of JAX, or numbers that are known in advance."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node


def as_jax(value: Any) -> Any:
    """An array of JAX, whole numbers in its own width."""
    return jnp.asarray(value)


def known(node: Node, value: Any, what: str) -> np.ndarray:
    """A value that must not depend on the network's input.

    Raises:
        OnnxError: it does.
    """
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, jax.Array) and not isinstance(value, jax.core.Tracer):
        return np.asarray(value)
    raise OnnxError(
        f"node {node.name}, {node.op}: its {what} depends on the input; export with constants there, a shape fixed "
        "but for the batch"
    )


def numbers(node: Node, value: Any, what: str) -> list[int]:
    """Whole numbers that are known in advance."""
    return [int(n) for n in np.ravel(known(node, value, what))]


def axes_of(node: Node, given: Any, rank: int, default: list[int] | None = None) -> list[int]:
    """Axes from the second input, or from the attribute in older opsets; none: `default`, or all of them."""
    found = node.get("axes") if given is None else numbers(node, given, "list of axes")
    found = (list(range(rank)) if default is None else default) if found is None else found
    return [axis % rank for axis in found]
