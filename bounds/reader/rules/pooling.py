"""Rules for pooling: sums and maxima over windows or whole axes."""

from __future__ import annotations

from math import prod

import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Int

from sparsebounds.bounds.graph.layers import MaxPool
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.windows import Axis, window_sites
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.interpreter import Interpreter, one_view, out_shape
from sparsebounds.bounds.reader.values import Value, View


def reduce_sum(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A sum over axes: pooling, or with a scale that varies a learned map with one weight per edge."""
    _, view = one_view(interpreter, values)
    builder = interpreter.builder
    view = builder.settle(view)
    windows, axis = _windows_of_axes(builder, view, eqn.params["axes"])
    flat = windows.ids.reshape(-1, windows.shape[-1])
    taps = Taps(flat[None], np.arange(len(flat), dtype=np.int32).reshape(windows.shape[:2]))
    bias = None if windows.shift is None else windows.shift.sum(axis=1).ravel()
    if windows.scale is None or np.ptp(windows.scale) == 0:
        index = builder.pool(taps, np.asarray(1.0 if windows.scale is None else windows.scale.flat[0]), bias)
    else:
        f, t, c = windows.shape
        rows = View(windows.ids.transpose(0, 2, 1).reshape(f * c, 1, t))
        weight = windows.scale.transpose(0, 2, 1).reshape(f * c, t, 1)
        index = builder.dot(rows, Taps(rows.ids, np.zeros((1, 1), np.int32)), weight, (f, c), bias=bias)
    return [placed(View(builder.ids(index)), out_shape(eqn), axis)]


def reduce_max(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A maximum over axes."""
    _, view = one_view(interpreter, values)
    builder = interpreter.builder
    windows, axis = _windows_of_axes(builder, _poolable(interpreter, view), eqn.params["axes"])
    flat = windows.ids.reshape(-1, windows.shape[-1])
    taps = Taps(flat[None], np.arange(len(flat), dtype=np.int32).reshape(windows.shape[:2]))
    return [placed(_max_pool(builder, taps), out_shape(eqn), axis)]


def _windows_of_axes(builder: Builder, view: View, axes: tuple[int, ...]) -> tuple[View, int | None]:
    """(windows, elements per window, channels), and the axis where the channels stay (None: summed over)."""
    channel = builder.channel_axis(view)
    kept = [d for d in range(view.ids.ndim) if d not in axes and d != channel]
    last = [] if channel in axes else [channel]
    shape = (
        prod(view.shape[d] for d in kept),
        prod(view.shape[d] for d in axes),
        prod(view.shape[d] for d in last),
    )
    windows = view.arranged(lambda part: part.transpose(*kept, *axes, *last).reshape(shape))
    place = None if channel in axes else sum(d not in axes for d in range(channel))
    return windows, place


def placed(view: View, shape: tuple[int, ...], channel: int | None) -> View:
    """Elements in (position, channel) order, arranged in the shape that the program expects."""
    if channel is None:
        return view.reshaped(shape)
    rest = [d for i, d in enumerate(shape) if i != channel]
    return view.reshaped((*rest, shape[channel])).arranged(lambda part: np.moveaxis(part, -1, channel))


def window_sum(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A sum over sliding windows."""
    _, view = one_view(interpreter, values)
    image, sites, channel = _sliding(interpreter, eqn, evenly_scaled(interpreter.builder, view))
    return [placed(summed(interpreter.builder, image, sites), out_shape(eqn), channel)]


def evenly_scaled(builder: Builder, view: View) -> View:
    """The same values with one scale for all."""
    view = builder.settle(view)
    return builder.materialise(view) if view.scale is not None and np.ptp(view.scale) > 0 else view


def summed(builder: Builder, image: View, sites: Int[np.ndarray, "F T"]) -> View:
    """Sums over windows of an evenly scaled view (sites, channels), with what is ABSENT left out."""
    bias = None
    if image.shift is not None:
        taken = image.shift[sites]
        taken[sites < 0] = 0.0
        bias = taken.sum(axis=1).ravel()
    scale = 1.0 if image.scale is None else image.scale.flat[0]
    return View(builder.ids(builder.pool(Taps(image.ids[None], sites), np.asarray(scale), bias)))


def window_max(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """A maximum over sliding windows; what lies in the padding is left out."""
    _, view = one_view(interpreter, values)
    image, sites, channel = _sliding(interpreter, eqn, _poolable(interpreter, view))
    pooled = _max_pool(interpreter.builder, Taps(image.ids[None], sites))
    return [placed(pooled, out_shape(eqn), channel)]


def _sliding(interpreter: Interpreter, eqn: JaxprEqn, view: View) -> tuple[View, np.ndarray, int | None]:
    """The view as (sites, channels), the windows, and the channel axis (None where windows run over channels)."""
    p, out = eqn.params, out_shape(eqn)
    last = interpreter.builder.channel_axis(view)
    free = p["window_dimensions"][last] == p["window_strides"][last] == 1 and out[last] == view.shape[last]
    channel = last if free else None
    axes = [d for d in range(view.ids.ndim) if d != channel]
    sites = window_sites(
        [
            Axis(
                size=view.shape[d],
                out=out[d],
                window=p["window_dimensions"][d],
                stride=p["window_strides"][d],
                low=p["padding"][d][0],
                base_dilation=p["base_dilation"][d],
                window_dilation=p["window_dilation"][d],
            )
            for d in axes
        ]
    )
    order = [*axes] if channel is None else [*axes, channel]
    width = 1 if channel is None else view.shape[channel]
    return view.arranged(lambda part: part.transpose(order).reshape(-1, width)), sites, channel


def _poolable(interpreter: Interpreter, view: View) -> View:
    """A view whose elements can be compared as they are."""
    builder = interpreter.builder
    view = builder.settle(view)
    if view.plain and (view.ids < 0).any() and not builder.never_negative(view):
        raise interpreter.refuse("takes a maximum with padded zeros; pad with -inf, or pool after the ReLU")
    return view if view.plain else builder.materialise(view)


def _max_pool(builder: Builder, taps: Taps) -> View:
    f, c = len(taps.sites), taps.source.shape[2]
    return View(builder.ids(builder.new(MaxPool, positions=f, channels=c, taps=taps)))


RULES = {
    "reduce_sum": reduce_sum,
    "reduce_max": reduce_max,
    "reduce_window_sum": window_sum,
    "reduce_window_max": window_max,
}
