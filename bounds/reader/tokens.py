"""Integers of the input that a program looks up in tables, or compares: functions of one token, tabulated.

Such a token is written as the vector of its vocabulary that is 1 at the token and 0 elsewhere; every function of it is
then linear, its table the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sparsebounds.bounds.graph.elements import as_elements
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.pointwise import ELEMENTWISE
from sparsebounds.bounds.reader.uses import CALLS, MOVES, inner_program
from sparsebounds.bounds.reader.values import Const, Tabulated, Value, View

LARGEST = 1 << 24
"""Entries of a table that comparisons may make."""


def vocabulary(program: Jaxpr, inputs: Sequence[bool] = ()) -> int | None:
    """How many tokens a program knows: the size of the smallest table that it looks its input up in.

    Args:
        program: its last argument is the input.
        inputs: which of its arguments are made of the input alone; the last one, if none are given.

    Returns:
        None where nothing is looked up, and the input is one of numbers.
    """
    tainted = {v for v, is_one in zip(program.invars, inputs or _last(program), strict=True) if is_one}
    found: list[int] = []
    for eqn in program.eqns:
        given = [not isinstance(a, Literal) and a in tainted for a in eqn.invars]
        if not any(given):
            continue
        if eqn.primitive.name == "gather" and given[1] and not given[0]:
            shape = eqn.invars[0].aval.shape  # type: ignore[attr-defined]
            found += [shape[axis] for axis in _picked_axes(eqn, shape)]
        elif eqn.primitive.name == "eq" and (size := _compared_with(eqn, given)):
            found.append(size)
        elif eqn.primitive.name in CALLS:
            inner = inner_program(eqn)
            words = vocabulary(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner, given)
            found += [] if words is None else [words]
        whole = [v for v in eqn.outvars if not jnp.issubdtype(v.aval.dtype, jnp.floating)]  # type: ignore[attr-defined]
        if eqn.primitive.name in (*ELEMENTWISE, *MOVES, *CALLS, "concatenate"):
            tainted.update(whole)
    return min(found, default=None)


def _picked_axes(eqn: JaxprEqn, shape: Sequence[int]) -> list[int]:
    """The axes of a table along which a gather picks single rows, and not all there is."""
    sizes = eqn.params["slice_sizes"]
    return [axis for axis in eqn.params["dimension_numbers"].start_index_map if sizes[axis] < shape[axis]]


def _last(program: Jaxpr) -> list[bool]:
    return [False] * (len(program.invars) - 1) + [True]


def _compared_with(eqn: JaxprEqn, given: list[bool]) -> int:
    """The number of tokens that one-hot vectors have, where that is what the comparison makes; else 0."""
    shapes = [tuple(a.aval.shape) for a in eqn.invars]  # type: ignore[attr-defined]
    if sum(given) != 1:
        return 0
    mine, other = (shapes[given.index(is_one)] for is_one in (True, False))
    spread = [d for d in range(len(other)) if other[d] > 1]
    alone = len(other) == len(mine) and len(spread) == 1 and mine[spread[0]] == 1
    return other[spread[0]] if alone else 0


def tabulated(builder: Builder, eqn: JaxprEqn, values: list[Value]) -> Value | None:
    """An operation on tokens: another function of each, or a look-up in a table; None for any other."""
    name = eqn.primitive.name
    if name == "gather" and isinstance(values[0], Const) and isinstance(values[1], Tabulated):
        return looked_up(builder, eqn, values[0], values[1])
    if name == "concatenate":
        return _side_by_side(eqn, values)
    if name in MOVES and all(isinstance(v, Const) for v in values[1:]) and not eqn.primitive.multiple_results:
        return _moved(eqn, values)
    return _elementwise(eqn, values) if name in ELEMENTWISE else None


def _moved(eqn: JaxprEqn, values: list[Value]) -> Value | None:
    token, others = values[0], [v.value for v in values[1:] if isinstance(v, Const)]
    if not isinstance(token, Tabulated):
        return None
    number = jnp.arange(token.places.size, dtype=jnp.int32).reshape(token.shape)
    index = np.asarray(eqn.primitive.bind(number, *others, **eqn.params | _filled(eqn)))
    if (index < 0).any():
        return None
    return Tabulated(token.places.ravel()[index], token.columns.ravel()[index], token.table)


def _side_by_side(eqn: JaxprEqn, values: list[Value]) -> Value | None:
    """Functions of tokens beside constants, which are functions of any."""
    height = next(len(v.table) for v in values if isinstance(v, Tabulated))
    parts = [v if isinstance(v, Tabulated) else _constant(v, height) for v in values if not isinstance(v, View)]
    found = [part for part in parts if part is not None]
    if len(found) != len(values):
        return None
    starts = np.cumsum([0, *(part.table.shape[1] for part in found)])
    columns = [part.columns + start for part, start in zip(found, starts, strict=False)]
    places, axis = [part.places for part in found], eqn.params["dimension"]
    tables = np.concatenate([part.table for part in found], axis=1)
    return Tabulated(np.concatenate(places, axis), np.concatenate(columns, axis), tables)


def _constant(value: Value, height: int) -> Tabulated | None:
    if not isinstance(value, Const):
        return None
    array = np.asarray(value.value)
    places = np.zeros(array.shape, dtype=np.int64)
    return Tabulated(places, _numbers(value), np.broadcast_to(array.ravel(), (height, array.size)))


def _filled(eqn: JaxprEqn) -> dict[str, int]:
    return {"fill_value": -1} if "fill_value" in eqn.params else {}


def _elementwise(eqn: JaxprEqn, values: list[Value]) -> Value | None:
    """The operation on the tables, for every combination of columns and constants that occurs."""
    shape = tuple(eqn.outvars[0].aval.shape)  # type: ignore[attr-defined]
    tokens = [v for v in values if isinstance(v, Tabulated)]
    places = [np.broadcast_to(v.places, shape) for v in tokens]
    if any(isinstance(v, View) for v in values) or not all(np.array_equal(places[0], p) for p in places[1:]):
        return None
    entries = [
        np.broadcast_to(v.columns if isinstance(v, Tabulated) else _numbers(v), shape).ravel()
        for v in values
        if isinstance(v, Tabulated | Const)
    ]
    if len(entries) != len(values):
        return None
    combinations, columns = np.unique(np.stack(entries), axis=1, return_inverse=True)
    height, width = len(tokens[0].table), combinations.shape[1]
    if height * width > LARGEST:
        return None
    arguments = [
        jnp.asarray(v.table)[:, picked]
        if isinstance(v, Tabulated)
        else jnp.broadcast_to(jnp.ravel(v.value)[picked], (height, width))  # type: ignore[union-attr]
        for v, picked in zip(values, combinations, strict=True)
    ]
    return Tabulated(places[0], columns.reshape(shape), np.asarray(eqn.primitive.bind(*arguments, **eqn.params)))


def _numbers(value: Const) -> np.ndarray:
    shape = np.shape(value.value)
    return np.arange(prod(shape)).reshape(shape)


def looked_up(builder: Builder, eqn: JaxprEqn, table: Const, tokens: Tabulated) -> View | None:
    """Rows of a table, one for each token: a linear map whose weights are the table."""
    dimensions, operand = eqn.params["dimension_numbers"], table.array
    axes, picked = dimensions.start_index_map, _picked_axes(eqn, operand.shape)
    if len(picked) != 1 or eqn.params["slice_sizes"][picked[0]] != 1 or dimensions.operand_batching_dims:
        return None
    at = tokens.columns[..., axes.index(picked[0])]  # whatever the other numbers are, there is nothing to shift
    index = tokens.table[:, at.flat[0]].astype(np.int64)
    if not (tokens.table[:, at] == index.reshape(-1, *[1] * at.ndim)).all():
        return None
    if (index < 0).any() or (index >= operand.shape[picked[0]]).any():
        return None
    rows = np.moveaxis(operand, picked[0], 0)[index]
    view = _dot(builder, tokens.places[..., axes.index(picked[0])], rows.reshape(len(index), -1))
    rest = [d for i, d in enumerate(eqn.params["slice_sizes"]) if i not in dimensions.collapsed_slice_dims]
    ids = view.ids.reshape(*tokens.shape[:-1], *rest)
    free = [d for d in range(ids.ndim) if d not in dimensions.offset_dims]
    return View(ids.transpose(np.argsort([*free, *dimensions.offset_dims])))


def as_numbers(builder: Builder, tokens: Tabulated) -> View:
    """The values themselves, as a view of the input: coordinates of it where they are ones and zeros, else a layer."""
    height, table = len(tokens.table), tokens.table.astype(np.float64)
    if ((table != 0.0).sum(axis=0) == 1).all() and (table.max(axis=0) == 1.0).all():
        return View(as_elements(tokens.places * height + table.argmax(axis=0)[tokens.columns]))
    used, row = np.unique(tokens.places, return_inverse=True)
    view = _dot(builder, used, table)
    return View(view.ids.reshape(len(used), -1)[row.reshape(tokens.shape), tokens.columns])


def _dot(builder: Builder, places: np.ndarray, table: np.ndarray) -> View:
    """Rows of a table (V, N) for the tokens at these places: (places, N)."""
    first = View(builder.ids(0).reshape(1, -1, len(table)))
    taps = Taps(first.ids, places.reshape(-1, 1).astype(np.int32))
    index = builder.dot(first, taps, table[None], (places.size, table.shape[1]))
    return View(builder.ids(index))
