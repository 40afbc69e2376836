"""Layers under construction: their numbers, and scales and shifts folded into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Int, Int32

from sparsebounds.bounds.graph.elements import ABSENT, owners
from sparsebounds.bounds.graph.layers import Input, Layer, Linear
from sparsebounds.bounds.graph.selections import Selection
from sparsebounds.bounds.reader.bilinear import Bilinear
from sparsebounds.bounds.reader.pieces import Pieces
from sparsebounds.bounds.reader.roots import Root
from sparsebounds.bounds.reader.values import ReadError, View, joint

MAX_ELEMENTS = 2**31 - 1


class Layers:
    """Layers under construction. Element numbers never change while reading; dead layers are dropped at the end."""

    def __init__(self, first: Input):
        self.layers: list[Layer] = [first]
        self.offsets: list[int] = [0, first.size]
        self.where: Callable[[], tuple[str, str]] = lambda: ("", "")
        self.number: Callable[[], str] = lambda: "float32"
        self.selections: list[Selection] = []
        self.pieces = Pieces()
        self.folds: dict[tuple[int | bytes | None, ...], int | None] = {}
        """Layer, scale, shift → the layer that both are folded into."""
        self.copies: dict[tuple[object, ...], View] = {}
        """A view with its scale, shift and slope, or with a function of it → the layer of its own that it has."""
        self.activations: dict[tuple[object, ...], int] = {}
        """Layer, slope, type → the layer with this activation."""
        self.roots: dict[int, Root] = {}
        """Unknown layers that are roots of what they read."""
        self.bilinear: dict[int, Bilinear] = {}
        """Unknown layers that are products of two values, summed."""

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
        self.selections.append(Selection(lists, of, *self.where()))

    def selected(self) -> tuple[Selection, ...]:
        """All that the program picks, by lists or slice by slice; what is picked twice is chosen once."""
        found = [*self.selections, *self.pieces.selections()]
        return tuple({selection.key: selection for selection in reversed(found)}.values())[::-1]

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
        seen = np.full(view.shape, ABSENT, dtype=np.int64)
        for i in self.sources(view):
            low, channels = self.offsets[i], self.layers[i].channels
            mine = (view.ids >= low) & (view.ids < self.offsets[i + 1])
            seen = np.where(mine, low + (view.ids - low) // channels, seen)
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
            index = self._folded(i, view, mine)
            if index is None:
                continue
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

    def _folded(self, index: int, view: View, mine: Bool[np.ndarray, " ..."]) -> int | None:
        """Layer `index` with the view's scale and shift, made once for each; None where it has no such layer.

        There is none where an element is seen with two scales, or where a weight that rows share would have to differ.
        """
        layer = self.layers[index]
        local = view.ids[mine] - self.offsets[index]
        parts: list[np.ndarray | None] = []
        for values, neutral in ((view.scale, 1.0), (view.shift, 0.0)):
            part = None if values is None else np.full(layer.size, neutral)
            if part is not None and values is not None:
                part[local] = values[mine]
                if not np.array_equal(part[local], values[mine]):
                    return None
            parts.append(part)
        key: tuple[int | bytes | None, ...] = (index, *(None if part is None else part.tobytes() for part in parts))
        if key not in self.folds:
            folded = layer.folded(*parts)
            if folded is not None and parts[1] is not None:
                folded = replace(folded, bias_of=self._bias_of(layer, view, mine, local, parts[0]))
            self.folds[key] = None if folded is None else self.add(folded)
        return self.folds[key]

    def _bias_of(
        self, layer: Layer, view: View, mine: Bool[np.ndarray, " ..."], local: Int[np.ndarray, " n"], factor: Any
    ) -> Int32[np.ndarray, " size"] | None:
        """Which elements of a bias, and of the view's shift that is added to it, are one number of the program."""
        if view.shift_of is None or not isinstance(layer, Linear):
            return None
        numbers = np.full(layer.size, view.shift_of.max(initial=0) + 1, dtype=np.int32)
        numbers[local] = view.shift_of[mine]
        if not np.array_equal(numbers[local], view.shift_of[mine]):
            return None
        if layer.bias is None:
            return numbers
        uniform = factor is None or (factor == factor[0]).all()
        return joint(layer.bias_of, numbers) if layer.bias_of is not None and uniform else None
