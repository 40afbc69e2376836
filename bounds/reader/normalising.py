"""Normalisation: a view times the inverse root of its own mean square, however the program computes that.

What it looks like is only where a guess comes from. The guess is confirmed by running the layers of the program on
random values; what it does not agree with stays a product.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64, Int32, Int64

from sparsebounds.bounds.graph.elements import as_elements
from sparsebounds.bounds.graph.layers import Linear, Normalise, Unknown
from sparsebounds.bounds.graph.terms import Diagonal
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.probing import Probe, agree, grounds
from sparsebounds.bounds.reader.recognise import rounded
from sparsebounds.bounds.reader.roots import Root
from sparsebounds.bounds.reader.values import View


def normalised(builder: Builder, view: View, by: View, power: float) -> View | None:
    """view · by (power 1) or view / by (power −1), if that is a normalisation of groups of `view`.

    Args:
        builder: the layers so far.
        view: what is normalised, a multiple of it, or it less its means.
        by: shows values of a layer c · (t + ε)^(−power/2), t a multiple of the mean squares.
        power: see above.

    Returns:
        A view of the new layer, scaled; None where it is none.
    """
    found = _root_below(builder, by, power)
    if found is None or by.shift is not None:
        return None
    root, squares = found
    scale = by.full_scale() ** power * root.factor**power
    for base, factor in _bases(builder, view):
        shown = _groups(builder, base, squares, root.epsilon)
        if shown is not None:
            scale = scale * factor
            return shown if agree(scale, np.ones(scale.shape), 1e-6) else shown.scaled(scale)
    return None


def _root_below(builder: Builder, by: View, power: float) -> tuple[Root, Int32[np.ndarray, "*shape"]] | None:
    """The root that `by` is, and the element under it for each of its own."""
    sources = builder.sources(by)
    if len(sources) != 1 or (by.ids < 0).any():
        return None
    layer, root = builder.layers[sources[0]], builder.roots.get(sources[0])
    if not isinstance(layer, Unknown) or root is None or root.power * power != -0.5 or root.epsilon == 0.0:
        return None
    return root, layer.reads[0].ravel()[by.ids - builder.offsets[sources[0]]]


def _bases(builder: Builder, view: View) -> Iterator[tuple[View, np.ndarray]]:
    """What may have been normalised, plain, and what it is multiplied by."""
    ones = np.ones(view.shape)
    settled = builder.settle(view)
    if settled.plain:
        yield settled, ones
    if view.scale is not None and (view.scale != 0.0).all():
        without = View(view.ids, None, None if view.shift is None else view.shift / view.scale)
        yield builder.plain(without), view.scale
    if not settled.plain:
        yield builder.plain(view), ones


def _groups(builder: Builder, view: View, squares: Int32[np.ndarray, "*shape"], epsilon: float) -> View | None:
    """u / √(mean(u²) + ε) of the groups of u that share a mean square, or None."""
    if (view.ids < 0).any():
        return None
    free = grounds(builder, view.ids)
    for starts in (free, {0}) if free != {0} else (free,):
        probe = Probe(builder, starts)
        t, u = probe.read(squares), probe.read(view.ids)
        if t is None or u is None:
            continue
        t, u = t.reshape(len(t), -1), u.reshape(len(u), -1)
        _, group = np.unique(t, axis=1, return_inverse=True)
        members = _members(group)
        if members is None:
            return None
        means = np.square(u[:, members]).mean(axis=2)
        under = t[:, members[:, 0]]
        if not means.any():
            continue
        ratio = float((under * means).sum() / np.square(means).sum())
        if not (ratio > 0.0 and agree(under, ratio * means)):
            continue
        inner = _uncentred(builder, probe, view, members, u)
        elements = view if inner is None else inner
        shown = _layer(builder, elements, members, inner is not None, rounded(epsilon / ratio))
        factor = 1.0 / np.sqrt(ratio)
        return shown if abs(factor - 1.0) < 1e-6 else shown.scaled(np.float64(factor))
    return None


def _members(group: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, "G n"] | None:
    """The places of each group, which must be of one size."""
    counts = np.bincount(group)
    return np.argsort(group, kind="stable").reshape(len(counts), -1) if (counts == counts[0]).all() else None


def _uncentred(
    builder: Builder, probe: Probe, view: View, members: Int64[np.ndarray, "G n"], u: Float64[np.ndarray, "draws n"]
) -> View | None:
    """The view x, plain, that u = x − mean of each group comes from; None where u is no such thing."""
    (source, *more) = builder.sources(view)
    layer = builder.layers[source]
    if more or not isinstance(layer, Linear) or layer.activated or layer.dots or members.shape[1] < 2:
        return None
    local = view.ids - builder.offsets[source]
    for term in layer.terms:
        if not isinstance(term, Diagonal) or (term.elements < 0).any():
            continue
        scale, shift = (None if part is None else part[local] for part in (term.scale, layer.bias))
        x = builder.plain(View(term.elements[local], scale, shift))
        values = probe.read(x.ids)
        if values is None:
            continue
        values = values.reshape(len(values), -1)
        less = values.copy()
        less[:, members] -= values[:, members].mean(axis=2, keepdims=True)
        if agree(less, u):
            return x
    return None


def _layer(builder: Builder, view: View, members: Int64[np.ndarray, "G n"], centred: bool, epsilon: float) -> View:
    order, positions, channels = builder.layout(view)
    place = np.empty(order.size, dtype=np.int64)
    place[order] = np.arange(order.size)
    index = builder.new(
        Normalise,
        positions=positions,
        channels=channels,
        elements=as_elements(view.ids.ravel()[members]),
        places=as_elements(place[members]),
        centred=centred,
        epsilon=epsilon,
    )
    return builder.shown(index, order, view.shape)
