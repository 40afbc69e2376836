"""Rules for activations, arithmetic and comparisons, element by element."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.program import Node
from sparsebounds.nets.onnx.rules.arguments import as_jax, known

Function = Callable[..., Any]
Rule = Callable[..., Any]
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def unary(function: Function) -> Rule:
    """A function of one array."""
    return lambda node, x: function(as_jax(x))


def binary(function: Function) -> Rule:
    """A function of two arrays."""
    return lambda node, a, b: function(as_jax(a), as_jax(b))


def variadic(function: Function) -> Rule:
    """A function of two arrays, over as many as there are."""
    return lambda node, *values: reduce(function, map(as_jax, values))


def mean(node: Node, *values: Any) -> Any:
    return reduce(jnp.add, map(as_jax, values)) * np.float32(1.0 / len(values))


def with_attribute(function: Function, name: str, default: float) -> Rule:
    """A function of one array and a number."""
    return lambda node, x: function(as_jax(x), node.get(name, default))


def clip(node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    x = as_jax(x)
    if low is not None:
        x = jnp.maximum(x, _number(node, low))
    return x if high is None else jnp.minimum(x, _number(node, high))


def _number(node: Node, value: Any) -> Any:
    return known(node, value, "limit").reshape(())


def gelu(node: Node, x: Any) -> Any:
    return jax.nn.gelu(as_jax(x), approximate=node.get("approximate", "none") == "tanh")


def selu(node: Node, x: Any) -> Any:
    gamma, alpha = node.get("gamma", SELU_GAMMA), node.get("alpha", SELU_ALPHA)
    return np.float32(gamma) * jax.nn.elu(as_jax(x), alpha)


def hard_sigmoid(node: Node, x: Any) -> Any:
    alpha, beta = np.float32(node.get("alpha", 0.2)), np.float32(node.get("beta", 0.5))
    return jnp.clip(alpha * as_jax(x) + beta, np.float32(0), np.float32(1))


def thresholded_relu(node: Node, x: Any) -> Any:
    x = as_jax(x)
    return jnp.where(x > np.float32(node.get("alpha", 1.0)), x, jnp.zeros_like(x))


def prelu(node: Node, x: Any, slope: Any) -> Any:
    """max(x, 0) + slope · min(x, 0), the slope broadcast from its last axis."""
    x, slope = as_jax(x), as_jax(slope)
    return jnp.where(x >= 0, x, slope * x)


def hard_swish(node: Node, x: Any) -> Any:
    return jax.nn.hard_swish(as_jax(x))


def mish(node: Node, x: Any) -> Any:
    x = as_jax(x)
    return x * jnp.tanh(jax.nn.softplus(x))


def power(node: Node, x: Any, exponent: Any) -> Any:
    """Whole and half powers as JAX writes them."""
    x = as_jax(x)
    if isinstance(exponent, np.ndarray) and exponent.size == 1:
        number = float(exponent.reshape(()))
        if number == 0.5:
            return jnp.sqrt(x)
        if number == 2.0:
            return jnp.square(x)
        if number.is_integer():
            return jax.lax.integer_pow(x, int(number))
    return jnp.power(x, as_jax(exponent).astype(x.dtype))


def divide(node: Node, a: Any, b: Any) -> Any:
    """Whole numbers are divided towards zero."""
    a, b = as_jax(a), as_jax(b)
    return a / b if jnp.issubdtype(a.dtype, jnp.floating) else jax.lax.div(*jnp.broadcast_arrays(a, b))


def where(node: Node, which: Any, yes: Any, no: Any) -> Any:
    return jnp.where(as_jax(which), as_jax(yes), as_jax(no))


def cast(node: Node, x: Any, like: Any = None) -> Any:
    """Floating types of any width are float32 here."""
    to = np.dtype(jnp.asarray(like).dtype) if node.op == "CastLike" else _types()[int(node.get("to"))]
    if isinstance(x, np.ndarray):  # like an array that is no constant, such as a weight
        return x.astype(to)
    x = as_jax(x)
    if jnp.issubdtype(x.dtype, jnp.floating) and not np.issubdtype(to, np.floating) and to != np.bool_:
        raise OnnxError(f"node {node.name}, Cast: it rounds values that depend on the input; leave them floating")
    return x.astype(jax.dtypes.canonicalize_dtype(to))


def _types() -> dict[int, np.dtype[Any]]:
    """ONNX's numbers of the types that are computed with."""
    floats = dict.fromkeys((1, 10, 11, 16), np.dtype(np.float32))
    whole = {2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 12: "uint32"}
    return floats | {number: np.dtype(name) for number, name in whole.items()} | {13: np.dtype(np.uint64)}


def same(node: Node, x: Any, *rest: Any) -> Any:
    """Identity, and dropout outside training."""
    return x


UNARY: dict[str, Function] = {
    "Tanh": jnp.tanh, "Erf": jax.lax.erf, "Exp": jnp.exp, "Log": jnp.log, "Sqrt": jnp.sqrt,
    "Reciprocal": jnp.reciprocal, "Abs": jnp.abs, "Neg": jnp.negative, "Sin": jnp.sin, "Cos": jnp.cos,
    "Floor": jnp.floor, "Ceil": jnp.ceil, "Sign": jnp.sign, "Not": jnp.logical_not, "Atan": jnp.arctan,
}  # fmt: skip
BINARY: dict[str, Function] = {
    "Add": jnp.add, "Sub": jnp.subtract, "Mul": jnp.multiply, "Equal": jnp.equal, "Greater": jnp.greater,
    "GreaterOrEqual": jnp.greater_equal, "Less": jnp.less, "LessOrEqual": jnp.less_equal,
    "And": jnp.logical_and, "Or": jnp.logical_or, "Xor": jnp.logical_xor,
}  # fmt: skip
VARIADIC: dict[str, Function] = {"Sum": jnp.add, "Max": jnp.maximum, "Min": jnp.minimum}
RULES: dict[str, Rule] = {
    "Relu": unary(jax.nn.relu),
    "LeakyRelu": with_attribute(jax.nn.leaky_relu, "alpha", 0.01),
    "Elu": with_attribute(jax.nn.elu, "alpha", 1.0),
    "Celu": with_attribute(jax.nn.celu, "alpha", 1.0),
    "Selu": selu,
    "PRelu": prelu,
    "ThresholdedRelu": thresholded_relu,
    "Sigmoid": unary(jax.nn.sigmoid),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Softplus": unary(jax.nn.softplus),
    "Softsign": unary(jax.nn.soft_sign),
    "Mish": mish,
    "Gelu": gelu,
    "Clip": clip,
    **{name: unary(function) for name, function in UNARY.items()},
    **{name: binary(function) for name, function in BINARY.items()},
    **{name: variadic(function) for name, function in VARIADIC.items()},
    "Mean": mean,
    "Div": divide,
    "Pow": power,
    "Where": where,
    "Cast": cast,
    "CastLike": cast,
    "Identity": same,
    "Dropout": same,
}
"""Operator → rule."""
