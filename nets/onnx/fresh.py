"""The weights of a file drawn anew: nothing that could have been learnt from a sample stays."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np

from sparsebounds.nets.onnx.errors import OnnxError
from sparsebounds.nets.onnx.leftovers import check_nothing_learnt
from sparsebounds.nets.onnx.network import OnnxNetwork
from sparsebounds.nets.onnx.roles import Use, uses_of

SMALL, SLOPE = 0.02, 0.25
"""Standard deviation of tokens and positions, and the slope of a PReLU, as PyTorch begins with."""
SCALES = ("BatchNormalization", "LayerNormalization", "RMSNormalization", "InstanceNormalization", "GroupNormalization")


def drawn_anew(f: OnnxNetwork, key: jax.Array) -> OnnxNetwork:
    """The architecture of a file with weights drawn anew: biases 0, scales 1, running statistics 0 and 1.

    Formula: the entries of a kernel are Gaussian of variance 2 / (number of values that one output sums).

    Args:
        f: from `load`.
        key: of the draw.

    Returns:
        The same function with other `params` and `statistics`.

    Raises:
        OnnxError: weights whose part in the network is not known, or what is no weight and yet could have been learnt.

    Source: He, Zhang, Ren, Sun (ICCV 2015).
    """
    check_nothing_learnt(f.program)
    arrays = {**f.params, **f.statistics}
    uses = uses_of(replace(f.program, arrays=arrays))
    keys = jax.random.split(key, max(len(f.params), 1))
    params = {
        name: _drawn(name, value, uses[name], one) for (name, value), one in zip(f.params.items(), keys, strict=True)
    }
    statistics = {
        name: np.full_like(value, float(any(use.place == 4 for use in uses[name])))
        for name, value in f.statistics.items()
    }
    return replace(f, params=params, statistics=statistics)


def _drawn(name: str, value: np.ndarray, uses: list[Use], key: jax.Array) -> np.ndarray:
    """An array for its first use."""
    if not uses:
        return np.zeros_like(value)
    use = uses[0]
    deviation = _deviation(value, use)
    if deviation is not None:
        return deviation * np.asarray(jax.random.normal(key, value.shape), np.float32)
    op, place = use.node.op, use.place
    if op == "PRelu":
        return np.full_like(value, SLOPE)
    if (op in SCALES and place == 1) or op in ("Mul", "Div"):
        return np.ones_like(value)
    if op in ("Add", "Sub", "Sum", "Conv", "ConvTranspose", "Gemm", *SCALES):
        return np.zeros_like(value)
    raise OnnxError(
        f"the weights {name} go into node {use.node.name}, {op}, and how to draw them anew is not known; give the same "
        "file as --reference and say with --reference-saw what it saw"
    )


def _deviation(value: np.ndarray, use: Use) -> np.float32 | None:
    """Standard deviation of a kernel, a table, a token or positions; None for any other array."""
    op, place, shape = use.node.op, use.place, _moved(value, use)
    if op == "Conv" and place == 1:
        return _he(int(np.prod(shape[1:])))
    if op == "ConvTranspose" and place == 1:
        return _he(int(np.prod(shape)) // shape[1])
    if op == "Gemm" and place < 2:
        return _he(shape[1] if bool(use.node.get("transB" if place else "transA", 0)) == bool(place) else shape[0])
    if op == "MatMul":
        return _he(shape[-1] if place == 0 or len(shape) == 1 else shape[-2])
    if op == "Einsum":
        return _he(_summed(use.node.get("equation"), place, shape))
    if op == "Gather":
        return np.float32(1.0 / np.sqrt(max(value.shape[-1], 1)))
    spread = sum(n > 1 for n in shape) > 1 and "Normalization" not in op
    return np.float32(SMALL) if op in ("Concat", "Expand") or (op in ("Add", "Sub") and spread) else None


def _summed(equation: str, place: int, shape: tuple[int, ...]) -> int:
    """How many values of one operand of an einsum a result sums."""
    arguments, _, result = equation.replace(" ", "").partition("->")
    letters = arguments.split(",")[place].replace("...", "")
    return int(np.prod([n for letter, n in zip(letters, shape[-len(letters) :], strict=True) if letter not in result]))


def _moved(value: np.ndarray, use: Use) -> tuple[int, ...]:
    """The shape that an array has after its moves, where it can be told: transposes change it."""
    shape = value.shape
    for node in use.moved:
        if node.op == "Transpose":
            perm = node.get("perm", list(range(len(shape)))[::-1])
            shape = tuple(shape[i] for i in perm)
    return shape


def _he(summed: int) -> np.float32:
    return np.float32(np.sqrt(2.0 / max(summed, 1)))
