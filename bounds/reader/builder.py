"""Turns operations on views into layers: the middle part of the reader, between rules and canonical form."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import as_elements
from sparsebounds.bounds.graph.layers import Activation, Linear, MaxPool, Product
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity, two_slopes
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool
from sparsebounds.bounds.reader.canonical.dots import merged_repeats
from sparsebounds.bounds.reader.layers import Layers
from sparsebounds.bounds.reader.values import View, joint


class Builder(Layers):
    """Makes the layers that rules ask for."""

    # ---- elementwise layers ---------------------------------------------------------------------------------------

    def materialise(self, view: View, slope: float = 1.0) -> View:
        """A layer of its own for an elementwise function of a view, made once; returns a plain view of it."""
        parts = (view.ids, view.scale, view.shift)
        key = (slope, view.shape, self.number(), *(None if part is None else part.tobytes() for part in parts))
        if key not in self.copies:
            self.copies[key] = self._materialised(view, slope)
        return self.copies[key]

    def _materialised(self, view: View, slope: float) -> View:
        order, positions, channels = self.layout(view)
        ids = view.ids.ravel()[order]
        scale = None if view.scale is None else view.scale.ravel()[order]
        bias, bias_of = (None if part is None else part.ravel()[order] for part in (view.shift, view.shift_of))
        index = self.new(
            Linear,
            positions=positions,
            channels=channels,
            terms=(Diagonal(ids, scale),),
            bias=bias,
            bias_of=bias_of,
            slope=slope,
            number=self.number(),
        )
        return self.shown(index, order, view.shape)

    def in_order(self, view: View) -> int:
        """Index of a new layer that has the values of a view in the view's own order, at one position."""
        scale = None if view.scale is None else view.scale.ravel()
        return self.new(
            Linear,
            positions=1,
            channels=view.ids.size,
            terms=(Diagonal(view.ids.ravel(), scale),),
            bias=None if view.shift is None else view.shift.ravel(),
            number=self.number(),
        )

    def sum(self, a: View, b: View) -> View:
        """a + b, both depending on the input."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = (self.settle(_broadcast(v, shape)) for v in (a, b))
        order, positions, channels = self.layout(a)
        terms = tuple(
            Diagonal(v.ids.ravel()[order], None if v.scale is None else v.scale.ravel()[order]) for v in (a, b)
        )
        shifted = [v for v in (a, b) if v.shift is not None]
        bias = np.sum([v.shift.ravel()[order] for v in shifted if v.shift is not None], axis=0) if shifted else None
        numbers = [v.shift_of.ravel()[order] for v in shifted if v.shift_of is not None]
        bias_of = joint(*numbers) if shifted and len(numbers) == len(shifted) else None
        index = self.new(Linear, positions=positions, channels=channels, terms=terms, bias=bias, bias_of=bias_of)
        return self.shown(index, order, shape)

    def layout(self, view: View) -> tuple[np.ndarray, int, int]:
        """Order of the view's elements, positions and channels for a layer that follows it element by element."""
        (flat, sources) = (view.ids.ravel(), self.sources(view))
        if len(sources) == 1:
            layer, offset = self.layers[sources[0]], self.offsets[sources[0]]
            if flat.size == layer.size and np.array_equal(np.sort(flat), np.arange(offset, offset + layer.size)):
                return np.argsort(flat), layer.positions, layer.channels
        axis = self.channel_axis(view)
        index = np.moveaxis(np.arange(flat.size).reshape(view.shape), axis, -1)
        return index.ravel(), flat.size // view.shape[axis], view.shape[axis]

    def activate(self, view: View, slope: float) -> View:
        """max(t, slope·t) elementwise, joined to the linear maps that produce t wherever there is one."""
        view = self.settle(view)
        owner = self.layer_indices(view.ids)
        sources = self.sources(view)
        if view.plain and self.never_negative(view):
            return view
        if not view.plain or (view.ids < 0).any() or not all(self._joinable(i) for i in sources):
            return self.materialise(view, slope)
        ids = np.empty_like(view.ids)
        for i in sources:
            mine = owner == i
            ids[mine] = view.ids[mine] - self.offsets[i] + self.offsets[self._activated(i, slope)]
        return View(ids)

    def _joinable(self, index: int) -> bool:
        return self.layers[index].affine or self.layers[index].maximum

    def never_negative(self, view: View) -> bool:
        """Whether a plain view shows outputs of ReLU, or maxima of such, alone."""
        layers = [self.layers[i] for i in self.sources(view)]
        return all(
            layer.slope == 0.0 or (layer.maximum and all(self.never_negative(View(e)) for e in layer.elements_read))
            for layer in layers
        )

    def _activated(self, index: int, slope: float) -> int:
        """Index of layer `index` with an activation, made once for each."""
        key = (index, slope, self.number())
        if key not in self.activations:
            self.activations[key] = self._newly_activated(index, slope)
        return self.activations[key]

    def _newly_activated(self, index: int, slope: float) -> int:
        """A max pool hands an activation down to what it reads (they commute)."""
        layer = self.layers[index]
        if isinstance(layer, Linear):
            module, where = self.where()
            name, where = layer.name or module, layer.where or where
            return self.add(replace(layer, slope=slope, number=self.number(), name=name, where=where))
        (read,) = layer.elements_read
        below = self.activate_present(View(read), slope)
        return self.add(layer.renumbered(lambda _: below.ids))

    def apply(self, view: View, function: Nonlinearity) -> View:
        """A fixed function of every element, as a layer of its own, made once."""
        view = self.plain(view)
        key = (function, view.shape, view.ids.tobytes())
        if key not in self.copies:
            order, positions, channels = self.layout(view)
            elements = view.ids.ravel()[order]
            index = self.new(Activation, positions=positions, channels=channels, elements=elements, function=function)
            self.copies[key] = self.shown(index, order, view.shape)
        return self.copies[key]

    def two_slopes(self, view: View, below: float, above: float) -> View:
        """below · t where t < 0 and above · t where t > 0: a ReLU or leaky ReLU times a number where signs allow."""
        if below == above:
            return view if above == 1.0 else view.scaled(np.float64(above))
        if above != 0.0 and 0.0 <= below / above <= 1.0:
            view = self.activate(view, below / above + 0.0)  # never −0
            return view if above == 1.0 else view.scaled(np.float64(above))
        if below != 0.0 and 0.0 <= above / below <= 1.0:
            return self.activate(view.scaled(np.float64(-1.0)), above / below + 0.0).scaled(np.float64(-below))
        return self.apply(view, two_slopes(below, above)) if below or above else view.scaled(np.float64(0.0))

    def product(self, a: View, b: View) -> View:
        """a · b, element by element, both depending on the input."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = (self.plain(_broadcast(v, shape)) for v in (a, b))
        order, positions, channels = self.layout(a)
        left, right = (v.ids.ravel()[order] for v in (a, b))
        index = self.new(Product, positions=positions, channels=channels, left=left, right=right)
        return self.shown(index, order, shape)

    def maximum(self, a: View, b: View) -> View:
        """max(a, b), element by element: a maximum over windows of two."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = (self.compared(_broadcast(v, shape)) for v in (a, b))
        order, positions, channels = self.layout(a)
        both = np.stack([v.ids.ravel()[order].reshape(positions, channels) for v in (a, b)])
        sites = np.arange(2 * positions, dtype=np.int32).reshape(2, positions).T
        taps = Taps(as_elements(both.reshape(1, 2 * positions, channels)), np.ascontiguousarray(sites))
        index = self.new(MaxPool, positions=positions, channels=channels, taps=taps)
        return self.shown(index, order, shape)

    def plain(self, view: View) -> View:
        """The same values without scale and shift."""
        view = self.settle(view)
        return view if view.plain else self.materialise(view)

    def compared(self, view: View) -> View:
        """A view that a maximum may read: no scale or shift, and zeros of its own in place of what is absent."""
        view = self.plain(view)
        return self.materialise(view) if (view.ids < 0).any() else view

    def shown(self, index: int, order: Int[np.ndarray, " n"], shape: tuple[int, ...]) -> View:
        """A new layer, whose elements stand in this order of the program's, in the program's shape."""
        out = np.empty(order.size, dtype=np.int32)
        out[order] = self.ids(index)
        return View(out.reshape(shape))

    def activate_present(self, view: View, slope: float) -> View:
        """As `activate`, for a view in which ABSENT means "left out" instead of zero."""
        present = view.ids >= 0
        ids = view.ids.copy()
        ids[present] = self.activate(View(view.ids[present][None]), slope).ids[0]
        return View(ids)

    # ---- layers with windows --------------------------------------------------------------------------------------

    def dot(
        self, view: View, taps: Taps, weight: Float64[np.ndarray, "B K N"], shape: tuple[int, int], **fields: Any
    ) -> int:
        """A learned linear layer of (positions, channels) = shape; `view` is arranged like `taps.source`."""
        term = merged_repeats(Dot(Taps(as_elements(view.ids), taps.sites), weight, fields.pop("order", None)))
        return self.new(Linear, positions=shape[0], channels=shape[1], terms=(term,), **fields)

    def pool(
        self, taps: Taps, coefficient: Float64[np.ndarray, " ..."], bias: Float64[np.ndarray, " ..."] | None
    ) -> int:
        """A fixed sum over windows."""
        f, c = len(taps.sites), taps.source.shape[2]
        term = Pool(taps, np.asarray(coefficient, dtype=np.float64))
        return self.new(Linear, positions=f, channels=c, terms=(term,), bias=bias)

    def refine(self, view: View, shape: tuple[int, ...]) -> None:
        """A flat layer that the program reshapes to (…, channels) has these positions: remember them."""
        sources = self.sources(view)
        if len(sources) != 1 or len([d for d in shape if d > 1]) < 2:
            return
        index = sources[0]
        layer, ids = self.layers[index], view.ids.ravel()
        whole = ids.size == layer.size and np.array_equal(ids, self.ids(index))
        if layer.terms and layer.positions == 1 and whole and layer.channels % shape[-1] == 0:
            self.layers[index] = replace(layer, positions=layer.channels // shape[-1], channels=shape[-1])


def _broadcast(view: View, shape: tuple[int, ...]) -> View:
    return view.arranged(lambda part: np.broadcast_to(part, shape))
