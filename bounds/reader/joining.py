"""Values put side by side."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.reader.values import Const, ReadError, Value, View


def stack_axis0(values: list[Value]) -> Value:
    """Stack equal-shaped values along a new first axis (the outputs of a scan)."""
    constants = [v for v in values if isinstance(v, Const)]
    if len(constants) == len(values):
        names = frozenset().union(*(v.names for v in constants))
        return Const(jnp.stack([v.value for v in constants]), names, any(v.given for v in constants))
    views = [as_view(v) for v in values]
    return concatenate([v.reshaped((1, *v.shape)) for v in views], 0)


def as_view(value: Value) -> View:
    """A constant as a view of nothing, shifted."""
    if isinstance(value, View):
        return value
    if not isinstance(value, Const):
        raise ReadError("a truth value that depends on the input is used as a number")
    return View(np.full(np.shape(value.value), -1, dtype=np.int32), None, value.array)


def concatenate(views: list[View], axis: int) -> View:
    """Views side by side."""
    ids = np.concatenate([v.ids for v in views], axis)
    scale = np.concatenate([v.full_scale() for v in views], axis) if any(v.scale is not None for v in views) else None
    shift = None
    if any(v.shift is not None and v.shift.any() for v in views):
        shift = np.concatenate([np.zeros(v.shape) if v.shift is None else v.shift for v in views], axis)
    return View(ids, scale, shift)
