"""Rules for sums that an array of indices or an order lays out: segments, scatter-add, running sums."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Int

from sparsebounds.bounds.graph.elements import ABSENT
from sparsebounds.bounds.reader.interpreter import Interpreter, constant_array, one_view, out_shape
from sparsebounds.bounds.reader.rules.pooling import evenly_scaled, placed, summed
from sparsebounds.bounds.reader.values import Const, Value, View


def running_sum(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """cumsum: every element is the sum of those up to it along one axis."""
    _, view = one_view(interpreter, values)
    builder, axis = interpreter.builder, eqn.params["axis"]
    view = evenly_scaled(builder, view)
    channel = None if builder.channel_axis(view) == axis else builder.channel_axis(view)
    kept = [d for d in range(view.ids.ndim) if d != channel]
    order = kept if channel is None else [*kept, channel]
    width = 1 if channel is None else view.shape[channel]
    image = view.arranged(lambda part: part.transpose(order).reshape(-1, width))
    lengths = [view.shape[d] for d in kept]
    line = np.moveaxis(np.arange(int(np.prod(lengths))).reshape(lengths), kept.index(axis), -1)
    upto = np.tri(view.shape[axis], dtype=bool)
    sites = np.where(upto.T if eqn.params["reverse"] else upto, line[..., None, :], ABSENT)
    sites = np.moveaxis(sites, -2, kept.index(axis)).reshape(-1, view.shape[axis])
    return [placed(summed(builder, image, sites.astype(np.int32)), out_shape(eqn), channel)]


def scatter_add(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Elements added up where constant indices send them, onto constants."""
    operand, indices, updates = values
    if not isinstance(operand, Const) or not isinstance(indices, Const) or not isinstance(updates, View):
        raise interpreter.refuse("adds at places, or to values, that depend on the input")
    builder, shape = interpreter.builder, out_shape(eqn)
    view = evenly_scaled(builder, updates)
    places = _destinations(eqn, indices, view.shape, shape)
    if indices.given:
        builder.select(places.reshape(1, -1) + 1, int(np.prod(shape)) + 1)  # 0: dropped
    channel, kept = _kept_axis(places, builder.channel_axis(view), shape)
    if kept is None:
        image, targets = view.reshaped((-1, 1)), places.ravel()
    else:
        image = view.arranged(lambda part: np.moveaxis(part, channel, -1).reshape(-1, part.shape[channel]))
        coordinates = list(np.unravel_index(np.where(places < 0, 0, places).take(0, axis=channel), shape))
        rest = [d for d in range(len(shape)) if d != kept]
        number = np.ravel_multi_index([coordinates[d] for d in rest], [shape[d] for d in rest])
        targets = np.where(places.take(0, axis=channel) < 0, -1, number).ravel()
    rows = int(np.prod(shape)) // image.shape[1]
    out = placed(summed(builder, image, _windows(targets, rows)), shape, kept)
    onto = constant_array(operand)
    return [out.shifted(onto) if onto.any() else out]


def _destinations(
    eqn: JaxprEqn, indices: Const, updates: tuple[int, ...], shape: tuple[int, ...]
) -> Int[np.ndarray, " ..."]:
    """Where each element of the updates is added, −1 for nowhere: the transposed map takes the numbers back."""
    zeros, size = jnp.zeros(shape, jnp.float32), int(np.prod(shape))
    low, high = (
        jax.linear_transpose(
            lambda u: eqn.primitive.bind(zeros, indices.value, u, **eqn.params),
            jax.ShapeDtypeStruct(updates, jnp.float32),
        )(jnp.asarray(part.reshape(shape), jnp.float32))[0]
        for part in np.divmod(np.arange(1, size + 1), 4096)[::-1]
    )  # in two parts, each exact in float32
    return np.asarray(high, dtype=np.int64) * 4096 + np.asarray(low, dtype=np.int64) - 1


def _kept_axis(places: Int[np.ndarray, " ..."], channel: int, shape: tuple[int, ...]) -> tuple[int, int | None]:
    """The axis of the result that the channels of the updates go to, all of them and each to its own; None for none."""
    width = places.shape[channel]
    dropped = places < 0
    coordinates = np.unravel_index(np.where(dropped, 0, places), shape)
    index = np.arange(width).reshape([-1 if d == channel else 1 for d in range(places.ndim)])
    for axis, size in enumerate(shape):
        others = [c for d, c in enumerate(coordinates) if d != axis]
        alike = all((np.where(dropped, 0, c - c.take([0], axis=channel)) == 0).all() for c in others)
        even = (dropped == dropped.take([0], axis=channel)).all()
        if size == width and width > 1 and even and alike and (dropped | (coordinates[axis] == index)).all():
            return channel, axis
    return channel, None


def _windows(targets: Int[np.ndarray, " n"], rows: int) -> Int[np.ndarray, "F T"]:
    """For each of `rows` results the numbers of what is sent to it, ABSENT where there are fewer than elsewhere."""
    sent = np.flatnonzero(targets >= 0)
    order = sent[np.argsort(targets[sent], kind="stable")]
    counts = np.bincount(targets[order], minlength=rows)
    windows = np.full((rows, max(int(counts.max(initial=0)), 1)), ABSENT, dtype=np.int32)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    windows[targets[order], np.arange(len(order)) - starts[targets[order]]] = order
    return windows


RULES = {"cumsum": running_sum, "scatter-add": scatter_add, "scatter_add": scatter_add}
