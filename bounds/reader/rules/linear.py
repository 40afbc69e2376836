"""Rules for learned linear maps: dense, locally connected and gathered products, convolutions."""

from __future__ import annotations

from math import prod

import numpy as np
from jax.extend.core import JaxprEqn
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.windows import Axis, window_sites
from sparsebounds.bounds.reader.attention import attention
from sparsebounds.bounds.reader.bilinear import bilinear
from sparsebounds.bounds.reader.interpreter import Interpreter, constant_array, one_view, out_shape
from sparsebounds.bounds.reader.origins import bias_of_sum
from sparsebounds.bounds.reader.unknown import unknown_products
from sparsebounds.bounds.reader.values import Value, View


def dot_general(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Σ over the contracted axes; batch axes give every row weights of its own."""
    if all(isinstance(v, View) for v in values):
        return [_of_two(interpreter, eqn, values)]
    at, view = one_view(interpreter, values)
    (contract, batch) = eqn.params["dimension_numbers"]
    data_contract, data_batch = contract[at], batch[at]
    weight_contract, weight_batch = contract[1 - at], batch[1 - at]
    weights = constant_array(values[1 - at])
    free = [d for d in range(view.ids.ndim) if d not in (*data_contract, *data_batch)]
    weight_free = [d for d in range(weights.ndim) if d not in (*weight_contract, *weight_batch)]
    b_shape = [view.shape[d] for d in data_batch]
    f_shape = [view.shape[d] for d in free]
    n_shape = [weights.shape[d] for d in weight_free]
    weight = weights.transpose(*weight_batch, *weight_contract, *weight_free).reshape(prod(b_shape), -1, prod(n_shape))
    view = _unscaled_across(interpreter, view, along=free)
    axes, rows_shape = (*data_batch, *free, *data_contract), (prod(b_shape), prod(f_shape), -1)
    rows = view.arranged(lambda part: part.transpose(axes).reshape(rows_shape))
    bias = None if rows.shift is None else np.matmul(rows.shift, weight).ravel()  # the scale is not the shift's
    bias_of = bias_of_sum(rows, prod(n_shape))
    if rows.scale is not None:
        weight = weight * rows.scale[:, 0, :, None]
    taps = Taps(rows.ids, np.arange(prod(f_shape), dtype=np.int32)[:, None])
    channels = n_shape[-1] if n_shape else 1
    positions = prod(b_shape) * prod(f_shape) * prod(n_shape) // max(channels, 1)
    builder = interpreter.builder
    index = builder.dot(rows, taps, weight, (positions, channels), bias=bias, bias_of=bias_of)
    ids = builder.ids(index).reshape(*b_shape, *f_shape, *n_shape)
    nb, nf, nn = len(b_shape), len(f_shape), len(n_shape)
    if at == 1:  # the constant is the left operand: its free axes come first
        ids = ids.transpose(*range(nb), *range(nb + nf, nb + nf + nn), *range(nb, nb + nf))
    return [View(ids)]


def _of_two(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> View:
    """Both operands depend on the input: attention, its scores, or what the table of layers does not have."""
    builder = interpreter.builder
    left, right = (builder.plain(v) for v in values if isinstance(v, View))
    sums = bilinear(eqn, left, right)
    found = attention(builder, sums)
    if found is not None:
        return found
    interpreter.refusals.append(interpreter.refuse("multiplies two values that depend on the input"))
    return unknown_products(builder, sums)


def _unscaled_across(interpreter: Interpreter, view: View, along: list[int]) -> View:
    """Fold the view's scale; one that differs between rows sharing a weight becomes a layer of its own."""
    view = interpreter.builder.settle(view)
    if view.scale is not None and along:
        index = tuple(slice(0, 1) if d in along else slice(None) for d in range(view.ids.ndim))
        if not (view.scale == view.scale[index]).all():
            return interpreter.builder.materialise(view)
    return view


def convolution(interpreter: Interpreter, eqn: JaxprEqn, values: list[Value]) -> list[Value]:
    """Any number of spatial axes, stride, padding, dilation of either side, feature groups."""
    at, view = one_view(interpreter, values)
    p = eqn.params
    if at != 0 or p["batch_group_count"] != 1:
        raise interpreter.refuse("convolves with a kernel that depends on the input, or in batch groups")
    lhs, rhs, out = p["dimension_numbers"]
    view = _unscaled_across(interpreter, view, along=list(lhs[2:]))
    kernel = constant_array(values[1]).transpose(*rhs[2:], rhs[1], rhs[0])
    shape = out_shape(eqn)
    axes = [
        Axis(
            size=view.shape[d],
            out=shape[o],
            window=kernel.shape[i],
            stride=p["window_strides"][i],
            low=p["padding"][i][0],
            base_dilation=p["lhs_dilation"][i],
            window_dilation=p["rhs_dilation"][i],
        )
        for i, (d, o) in enumerate(zip(lhs[2:], out[2:], strict=True))
    ]
    sites = window_sites(axes)
    layout, c_in = (lhs[0], *lhs[2:], lhs[1]), view.shape[lhs[1]]
    image = view.arranged(lambda part: part.transpose(layout).reshape(-1, c_in))
    groups = p["feature_group_count"]
    patches = _patches(image, sites, kernel, groups)
    if patches is None:
        patches = _learned_convolution(interpreter, image, sites, kernel, groups)
    spatial = [shape[o] for o in out[2:]]
    result = patches.reshaped((1, *spatial, kernel.shape[-1]))
    back = np.argsort([out[0], *out[2:], out[1]])
    return [result.arranged(lambda part: part.transpose(back))]


def _patches(
    image: View, sites: Int[np.ndarray, "F T"], kernel: Float64[np.ndarray, " ..."], groups: int
) -> View | None:
    """A depthwise kernel that copies every tap of every channel extracts patches: a view, not a layer."""
    taps, channels, outputs = sites.shape[1], image.shape[1], kernel.shape[-1]
    flat = kernel.reshape(taps, -1, outputs)
    if groups != channels or taps == 1 or outputs != taps * channels or flat.shape[1] != 1:
        return None
    if not np.array_equal(flat[:, 0, :], np.tile(np.eye(taps), channels)):
        return None
    index = np.where(sites < 0, -1, sites * channels)[:, None, :]
    index = np.where(index < 0, -1, index + np.arange(channels)[None, :, None])
    return image.take(index.reshape(len(sites), outputs))


def _learned_convolution(
    interpreter: Interpreter,
    image: View,
    sites: Int[np.ndarray, "F T"],
    kernel: Float64[np.ndarray, " ..."],
    groups: int,
) -> View:
    builder = interpreter.builder
    rows, taps, (c_in, outputs) = len(sites), sites.shape[1], (image.shape[1], kernel.shape[-1])
    weight = kernel.reshape(taps, c_in // groups, groups, outputs // groups).transpose(2, 0, 1, 3)
    grouped = image.arranged(lambda part: part.reshape(-1, groups, c_in // groups).transpose(1, 0, 2))
    bias = None
    if grouped.shift is not None:
        bias = _shift_response(grouped.shift, sites, weight.reshape(groups, -1, outputs // groups))
    if grouped.scale is not None:
        weight = weight * grouped.scale[:, 0][:, None, :, None]
    order = None
    if groups > 1:
        order = np.arange(rows * outputs).reshape(rows, groups, -1).transpose(1, 0, 2).ravel()
    index = builder.dot(
        grouped,
        Taps(grouped.ids, sites),
        weight.reshape(groups, -1, outputs // groups),
        (rows, outputs),
        order=order,
        bias=bias,
        groups=groups,
    )
    return View(builder.ids(index).reshape(rows, outputs))


def _shift_response(
    shift: Float64[np.ndarray, " ..."], sites: Int[np.ndarray, "F T"], weight: Float64[np.ndarray, " ..."]
) -> Float64[np.ndarray, " ..."]:
    """What the map makes of the constant part of its input, one number per output element (position, channel)."""
    taps = Taps(np.zeros(shift.shape, dtype=np.int32), sites)  # only its windows are used
    out = np.empty((len(sites), len(shift), weight.shape[2]))
    for b, values in enumerate(shift):
        for start, (rows,) in taps.batches(values[None]):
            out[start : start + len(rows), b] = rows.reshape(len(rows), -1) @ weight[b]
    return out.reshape(-1)


RULES = {"dot_general": dot_general, "conv_general_dilated": convolution}
