"""A network from a file: a function of one batched input made of operations of JAX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.folding import folded, is_constant
from sparsebounds.nets.onnx.program import Node, Program
from sparsebounds.nets.onnx.rules import RULES

Arrays = Mapping[str, Any]
CHANNELS_FIRST = (
    "Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "BatchNormalization",
    "InstanceNormalization", "GroupNormalization",
)  # fmt: skip
ELEMENTWISE = ("Add", "Sub", "Mul", "Div", "Clip", "Identity", "Cast", "Pad", "Relu", "Resize")


@dataclass(frozen=True, eq=False)
class OnnxNetwork:
    """f(x) → scores, and f.apply(params, x) with other weights.

    Args:
        program: the graph, what is constant folded.
        params: the weights by name, float32.
        statistics: running means and variances by name.
        shape: of one input, as this function takes it.
        turned: whether it takes channels last where the file has them first.
        notes: what was changed while it was read, for people.
    """

    program: Program
    params: dict[str, np.ndarray]
    statistics: dict[str, np.ndarray]
    shape: tuple[int, ...]
    turned: bool = False
    notes: tuple[str, ...] = ()

    def __call__(self, x: Any) -> Any:
        """The scores (B, C) of inputs (B, *shape)."""
        return self.apply(self.params, x)

    def apply(self, params: Arrays, x: Any) -> Any:
        """The same with other weights, of the same names and shapes."""
        batch = self.program.shape[0]
        x = jnp.asarray(x, jax.dtypes.canonicalize_dtype(self.program.kind))
        if x.shape[1:] != self.shape:
            raise OnnxError(f"inputs of shape {x.shape[1:]} came, and {self.shape} is what the ONNX file takes")
        x = jnp.moveaxis(x, -1, 1) if self.turned else x
        if batch == 1 and len(x) != 1:  # a file for one input at a time: its reshapes have the 1 in them
            return jax.vmap(lambda one: self.values(params, one[None])[self.program.output][0])(x)
        return self.values(params, x)[self.program.output]

    def values(self, params: Arrays, x: Any) -> dict[str, Any]:
        """Every value of the graph by name, of inputs in the file's order."""
        learnt = {**self.statistics, **params}  # arrays of JAX, so that nothing is folded that comes from them
        weights = {name: jnp.asarray(value) for name, value in learnt.items()}
        known: dict[str, Any] = {**self.program.arrays, **weights, self.program.input: x, "": None}
        for node in self.program.nodes:
            inputs = [known[name] for name in node.inputs]
            outputs = folded(node, inputs) if all(map(is_constant, inputs)) else run(node, inputs)
            known.update(zip(node.outputs, outputs, strict=False))
        return known

    @property
    def images(self) -> bool:
        """Whether the first operation that mixes values of the input has its channels first."""
        ahead = {self.program.input}
        for node in self.program.nodes:
            if ahead & set(node.inputs) and node.op != "Shape":
                if node.op not in ELEMENTWISE:
                    return node.op in CHANNELS_FIRST
                ahead |= set(node.outputs)
        return False

    def channels_last(self) -> OnnxNetwork:
        """The same network for images with their channels last: (B, H, W, C) in place of (B, C, H, W).

        The layers of the file are in the same order as before, and so is what it flattens.
        """
        if self.turned or len(self.shape) < 2:
            return self
        return replace(self, shape=(*self.shape[1:], self.shape[0]), turned=True)


def run(node: Node, inputs: list[Any]) -> tuple[Any, ...]:
    """The outputs of a node."""
    if node.op not in RULES:
        raise OnnxError(
            f"node {node.name}, {node.op}: it is read where all its inputs are constants, and some depend on the input "
            "or on weights; write the module with other operators"
        )
    try:
        out = RULES[node.op](node, *inputs)
    except OnnxError:
        raise
    except (ValueError, TypeError, IndexError, ZeroDivisionError) as error:
        shapes = ", ".join(str(np.shape(value)) for value in inputs if value is not None)
        raise OnnxError(f"node {node.name}, {node.op} on shapes {shapes}: {' '.join(str(error).split())}") from error
    return out if isinstance(out, tuple) else (out,)
