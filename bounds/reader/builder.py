"""Turns operations on views into layers: the middle part of the reader, between rules and canonical form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32

from sparsebounds.bounds.graph.elements import ABSENT, as_elements, owners
from sparsebounds.bounds.graph.layers import Activation, Input, Layer, Linear
from sparsebounds.bounds.graph.nonlinearities import Nonlinearity
from sparsebounds.bounds.graph.selections import Selection
from sparsebounds.bounds.graph.taps import Taps
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Pool
from sparsebounds.bounds.reader.canonical.dots import merged_repeats
from sparsebounds.bounds.reader.values import ReadError, View

MAX_ELEMENTS = 2**31 - 1


class Builder:
    """Layers under construction. Element numbers never change while reading; dead layers are dropped at the end."""

    def __init__(self, first: Input):
        self.layers: list[Layer] = [first]
        self.offsets: list[int] = [0, first.size]
        self.where: Callable[[], tuple[str, str]] = lambda: ("", "")
        self.number: Callable[[], str] = lambda: "float32"
        self.selections: list[Selection] = []

    def add(self, layer: Layer) -> int:
        """Append a layer; return its index."""
        total = self.offsets[-1] + layer.size
        if total > MAX_ELEMENTS:
            raise ReadError(f"the network has more than {MAX_ELEMENTS} elements per input; read a smaller input size")
        self.layers.append(layer)
        self.offsets.append(total)
        return len(self.layers) - 1

    def new(self, make: Callable[..., Layer], *, name: str = "", **fields: Any) -> int:
        """Append `make(name=…, where=…, **fields)`, named after the operation being read."""
        module, where = self.where()
        return self.add(make(name=name or module, where=where, **fields))

    def select(self, lists: Int[np.ndarray, " ..."], of: int) -> None:
        """Remember that the program picks elements by lists."""
        selection = Selection(lists, of, *self.where())
        if all(selection.key != known.key for known in self.selections):
            self.selections.append(selection)

    def ids(self, index: int) -> Int32[np.ndarray, "*shape"]:
        """Element numbers of layer `index`."""
        return np.arange(self.offsets[index], self.offsets[index + 1], dtype=np.int32)

    def layer_indices(self, ids: Int[np.ndarray, "*shape"]) -> Int[np.ndarray, "*shape"]:
        """Index of the layer of each element (ABSENT gives −1)."""
        return np.searchsorted(np.asarray(self.offsets), ids, side="right") - 1

    def sources(self, view: View) -> list[int]:
        """Indices of the layers a view reads."""
        return owners(view.ids, np.asarray(self.offsets))

    def channel_axis(self, view: View) -> int:
        """The axis along which the position does not change; the last one when the elements do not tell."""
        position = np.full(self.offsets[-1] + 1, ABSENT, dtype=np.int64)
        for i in self.sources(view):
            layer = self.layers[i]
            position[self.offsets[i] : self.offsets[i + 1]] = self.offsets[i] + np.arange(layer.size) // layer.channels
        seen = position[view.ids]
        for axis in reversed(range(view.ids.ndim)):
            if view.shape[axis] > 1:
                spread = np.ptp(np.where(seen < 0, seen.max(axis=axis, keepdims=True), seen), axis=axis)
                if not spread.any():
                    return axis
        return view.ids.ndim - 1

    # ---- folding ------------------------------------------------------------------------------------------------

    def settle(self, view: View) -> View:
        """Fold scale and shift into the linear layers that the view reads, where these have no activation yet."""
        if view.plain:
            return view
        out_ids, scale, shift = view.ids.copy(), view.scale, view.shift
        owner = self.layer_indices(view.ids)
        done = np.zeros(view.shape, dtype=bool)
        for i in self.sources(view):
            layer, mine = self.layers[i], owner == i
            if not layer.affine:
                continue
            folded = self._folded(layer, view, mine, self.offsets[i])
            if folded is None:
                continue
            index = self.add(folded)
            out_ids[mine] = view.ids[mine] - self.offsets[i] + self.offsets[index]
            done |= mine
        if not done.any():
            return view
        scale = None if scale is None else np.where(done, 1.0, scale)
        shift = None if shift is None else np.where(done, 0.0, shift)
        return View(
            out_ids,
            None if scale is None or (scale == 1.0).all() else scale,
            None if shift is None or (done.all() or not shift[~done].any()) else shift,
        )

    def _folded(self, layer: Layer, view: View, mine: Bool[np.ndarray, " ..."], offset: int) -> Linear | None:
        """`layer` with the view's scale and shift, or None where an element is seen with two or cannot be scaled."""
        local = view.ids[mine] - offset
        parts: list[np.ndarray | None] = []
        for values, neutral in ((view.scale, 1.0), (view.shift, 0.0)):
            part = None if values is None else np.full(layer.size, neutral)
            if part is not None and values is not None:
                part[local] = values[mine]
                if not np.array_equal(part[local], values[mine]):
                    return None
            parts.append(part)
        return layer.folded(*parts)

    # ---- elementwise layers ---------------------------------------------------------------------------------------

    def materialise(self, view: View, slope: float = 1.0) -> View:
        """A layer of its own for an elementwise function of a view; returns a plain view of it."""
        order, positions, channels = self._layout(view)
        ids = view.ids.ravel()[order]
        scale = None if view.scale is None else view.scale.ravel()[order]
        bias = None if view.shift is None else view.shift.ravel()[order]
        index = self.new(
            Linear,
            positions=positions,
            channels=channels,
            terms=(Diagonal(ids, scale),),
            bias=bias,
            slope=slope,
            number=self.number(),
        )
        out = np.empty(ids.size, dtype=np.int32)
        out[order] = self.ids(index)
        return View(out.reshape(view.shape))

    def sum(self, a: View, b: View) -> View:
        """a + b, both depending on the input."""
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = (self.settle(_broadcast(v, shape)) for v in (a, b))
        order, positions, channels = self._layout(a)
        terms = tuple(
            Diagonal(v.ids.ravel()[order], None if v.scale is None else v.scale.ravel()[order]) for v in (a, b)
        )
        shifts = [v.shift.ravel()[order] for v in (a, b) if v.shift is not None]
        bias = np.sum(shifts, axis=0) if shifts else None
        index = self.new(Linear, positions=positions, channels=channels, terms=terms, bias=bias)
        out = np.empty(order.size, dtype=np.int32)
        out[order] = self.ids(index)
        return View(out.reshape(shape))

    def _layout(self, view: View) -> tuple[np.ndarray, int, int]:
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
        """Index of layer `index` with an activation; a max pool hands it down to what it reads (they commute)."""
        layer = self.layers[index]
        if isinstance(layer, Linear):
            module, where = self.where()
            name, where = layer.name or module, layer.where or where
            return self.add(replace(layer, slope=slope, number=self.number(), name=name, where=where))
        (read,) = layer.elements_read
        below = self.activate_present(View(read), slope)
        return self.add(layer.renumbered(lambda _: below.ids))

    def apply(self, view: View, function: Nonlinearity) -> View:
        """A fixed function of every element, as a layer of its own."""
        view = self.settle(view)
        view = view if view.plain else self.materialise(view)
        order, positions, channels = self._layout(view)
        elements = view.ids.ravel()[order].astype(np.int32)
        index = self.new(Activation, positions=positions, channels=channels, elements=elements, function=function)
        out = np.empty(elements.size, dtype=np.int32)
        out[order] = self.ids(index)
        return View(out.reshape(view.shape))

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
