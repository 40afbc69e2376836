"""Operations that no rule covers, as layers that can be run and named."""

from __future__ import annotations

from math import prod

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Float64

from sparsebounds.bounds.graph.layers import Unknown
from sparsebounds.bounds.reader.bilinear import Bilinear
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.roots import root_of
from sparsebounds.bounds.reader.values import Const, Pointwise, ReadError, Tabulated, Value, View
from sparsebounds.bounds.reader.writing import Written


def unknown_function(builder: Builder, value: Pointwise) -> View:
    """A layer for a composed function of a view."""
    view = builder.plain(value.root)
    kind = np.dtype(value.number)

    def run(z: Float64[np.ndarray, "batch ..."]) -> Float64[np.ndarray, "batch size"]:
        with jax.numpy_dtype_promotion("standard"):
            out = value.function(jnp.asarray(z, kind))
        return np.asarray(out, dtype=np.float64).reshape(len(z), -1)

    written = Written()
    index = builder.new(
        Unknown,
        positions=1,
        channels=view.ids.size,
        reads=(view.ids,),
        operation=value.eqn.primitive.name,
        run=run,
        text=_composition(written, value),
        constants=tuple(written.arrays),
    )
    root = root_of(value)
    if root is not None:
        builder.roots[index] = root
    return View(builder.ids(index).reshape(view.shape))


def _composition(written: Written, value: Value) -> str:
    """A composed function written down: its operations, and the numbers in them."""
    if isinstance(value, Const):
        return written.constant(value.value)
    if isinstance(value, Tabulated):
        return written.constant(value.table)
    if isinstance(value, View):  # factor · root + offset
        numbers = []
        while value.of is not None:
            value, *affine = value.of
            numbers += affine
        return f"({' '.join(map(repr, numbers))})"
    return f"{written.operation(value.eqn)}({','.join(_composition(written, v) for v in value.operands)})"


def unknown_operation(builder: Builder, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A layer for each output of an operation; it is run for one input after the other, as it was traced."""
    values = [unknown_function(builder, v) if isinstance(v, Pointwise) else v for v in values]
    views = [builder.plain(v) for v in values if isinstance(v, View)]
    kinds = [a.aval.dtype for a, v in zip(eqn.invars, values, strict=True) if isinstance(v, View)]  # type: ignore[attr-defined]
    written = Written()
    operands = [written.constant(v.value) if isinstance(v, Const) else "z" for v in values]
    try:
        text = f"{written.operation(eqn)}({','.join(operands)})"
    except ReadError:  # it can be run all the same
        text = ""

    def run(number: int, *batches: Float64[np.ndarray, "batch ..."]) -> Float64[np.ndarray, "batch size"]:
        rows = []
        for parts in zip(*batches, strict=True):
            moving = iter(jnp.asarray(part, kind) for part, kind in zip(parts, kinds, strict=True))
            operands = [next(moving) if isinstance(v, View) else v.value for v in values]  # type: ignore[union-attr]
            out = eqn.primitive.bind(*operands, **eqn.params)
            rows.append(np.asarray(out[number] if eqn.primitive.multiple_results else out, dtype=np.float64).ravel())
        return np.stack(rows)

    shown: list[Value] = []
    for number, var in enumerate(eqn.outvars):
        shape = tuple(var.aval.shape)  # type: ignore[attr-defined]
        index = builder.new(
            Unknown,
            positions=1,
            channels=int(np.prod(shape)),
            reads=tuple(view.ids for view in views),
            operation=eqn.primitive.name,
            run=lambda *batches, number=number: run(number, *batches),
            text=text,
            constants=tuple(written.arrays),
        )
        shown.append(View(builder.ids(index).reshape(shape)))
    return shown


def unknown_products(builder: Builder, sums: Bilinear) -> View:
    """A layer for sums of products of two views."""

    def run(
        left: Float64[np.ndarray, "batch B F K"], right: Float64[np.ndarray, "batch B N K"]
    ) -> Float64[np.ndarray, "batch size"]:
        return np.matmul(left, right.swapaxes(2, 3)).reshape(len(left), -1)

    (reads, size) = ((sums.left, sums.right), prod(sums.sizes))
    index = builder.new(Unknown, positions=1, channels=size, reads=reads, operation="dot_general", run=run)
    builder.bilinear[index] = sums
    return View(builder.ids(index).reshape(sums.shape))
