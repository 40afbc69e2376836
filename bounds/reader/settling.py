"""From a composed function of a view to layers: activations, products, maxima, or something unknown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.recognise import Recognised, recognised
from sparsebounds.bounds.reader.roots import root_of
from sparsebounds.bounds.reader.values import Pointwise, Value, View

Again = Callable[[Pointwise, list[Value]], Value]
"""The operation of a composed function on other operands: a view or another composed function."""


def settled(builder: Builder, value: Pointwise, again: Again, unknown: Callable[[Pointwise], View]) -> View:
    """The layer that holds the values of a composed function.

    Args:
        builder: the layers so far.
        value: the composed function.
        again: see `Again`.
        unknown: what to do with a function that is none of the table.

    Returns:
        A view of the new layer. A function that is not recognised whole is taken apart: what its operands are, and
        what is done to them. A root is left whole: whoever multiplies by it may know more of it.
    """
    found = recognised(value)
    if found is not None:
        return _made(builder, found)
    if root_of(value) is not None:
        return unknown(value)
    if value.of is not None:
        inner, factor, offset = value.of
        view = settled(builder, inner, again, unknown)
        view = view if factor == 1.0 else view.scaled(np.float64(factor))
        return view if offset == 0.0 else view.shifted(np.float64(offset))
    if any(isinstance(operand, Pointwise) for operand in value.operands):
        operands: list[Value] = [
            settled(builder, o, again, unknown) if isinstance(o, Pointwise) else o for o in value.operands
        ]
        outer = again(value, operands)
        if isinstance(outer, View):
            return outer
        if isinstance(outer, Pointwise):
            found, value = recognised(outer), outer
    return unknown(value) if found is None else _made(builder, found)


def _made(builder: Builder, found: Recognised) -> View:
    view, function = found.variable.view, found.function
    if not isinstance(function, Nonlinearity):
        view = builder.product(view, view)
    elif function.homogeneous:
        view = builder.two_slopes(view, *slopes(function))
    else:
        view = builder.apply(view, function)
    return view if found.scale == 1.0 else view.scaled(np.float64(found.scale))


def slopes(function: Nonlinearity) -> tuple[float, float]:
    """Below and above zero, of a homogeneous function."""
    below, above = -function.apply(np.array([-1.0])), function.apply(np.array([1.0]))
    return float(below[0]), float(above[0])
