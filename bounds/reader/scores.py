"""Scores picked from a dense layer: (0, f), (f, −f), some of the classes, another order of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.layers import Linear
from sparsebounds.bounds.graph.terms import Dot
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.values import View


def picked_scores(builder: Builder, view: View, source: int) -> int | None:
    """The layer whose rows are the rows of dense layer `source` that the view shows, scaled, with zeros for constants.

    Args:
        builder: the layers so far; the new one is added.
        view: (1, C) scores that read layer `source` alone.
        source: index of that layer.

    Returns:
        Index of the new layer; None where `source` is not one dense linear map.
    """
    layer = builder.layers[source]
    if not isinstance(layer, Linear) or layer.activated:
        return None
    dots = [dot for dot in layer.dots if dot.dense]
    if len(dots) != len(layer.terms):
        return None
    ids = view.ids.ravel()
    absent = ids < 0
    local = np.where(absent, 0, ids - builder.offsets[source])
    scale = np.where(absent, 0.0, 1.0 if view.scale is None else view.scale.ravel())
    bias = None if layer.bias is None else layer.bias[local] * scale
    if view.shift is not None:
        bias = view.shift.ravel() + (0.0 if bias is None else bias)
    rows = tuple(replace(dot, weight=_in_order(dot)[:, :, local] * scale, order=None) for dot in dots)
    return builder.add(replace(layer, positions=1, channels=len(ids), terms=rows, bias=bias, bias_of=None))


def _in_order(dot: Dot) -> np.ndarray:
    """The weights with their outputs in the order of the layer's elements."""
    if dot.order is None:
        return dot.weight
    ordered = np.empty_like(dot.weight)
    ordered[:, :, dot.order] = dot.weight
    return ordered
