"""Slices of one array: a single crop is structure, several that leave gaps are a choice like a list of indices.

`jnp.stack([x[:, i] for i in best])` is `x[:, best]`. The pieces of an array that a program computes with are put
together; free is what leaves nothing unread (halves, channels, patches, space to depth), and what one slice could have
read: along every axis equal steps, or equal runs in equal steps as windows read them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Int, Shaped

from sparsebounds.bounds.graph.elements import present_elements
from sparsebounds.bounds.graph.selections import Selection


@dataclass(eq=False)
class _Source:
    """An array that is sliced; slices of its slices are slices of it."""

    elements: Int[np.ndarray, " n"]
    """Ascending."""
    place: tuple[str, str]
    """Name and line of the first slice."""
    arrangements: dict[int, Int[np.ndarray, " ..."]] = field(default_factory=dict)
    pieces: dict[bytes, Int[np.ndarray, " k"]] = field(default_factory=dict)

    def selection(self) -> Selection | None:
        """What the pieces read together, unless it is structure."""
        if len(self.pieces) < 2:
            return None
        read = np.unique(np.concatenate(list(self.pieces.values())))
        if len(read) == len(self.elements):
            return None
        if any(_is_crop(np.isin(ids, read), ids < 0) for ids in self.arrangements.values()):
            return None
        return Selection(np.searchsorted(self.elements, read)[None], len(self.elements), *self.place)


class Pieces:
    """The slices of a program, gathered by the arrays that they are of."""

    def __init__(self) -> None:
        self._by_elements: dict[tuple[bool, bytes], _Source] = {}
        self._known: dict[int, tuple[Int[np.ndarray, " ..."], _Source]] = {}
        self._joined: dict[int, Int[np.ndarray, " ..."]] = {}

    def join(self, ids: Int[np.ndarray, " ..."]) -> None:
        """Note that parts were put side by side: what is sliced off them is no slice of what they came from."""
        self._joined[id(ids)] = ids

    def slice(
        self, of: Int[np.ndarray, " ..."], taken: Int[np.ndarray, " ..."], whole: bool, place: tuple[str, str]
    ) -> None:
        """Note a slice.

        Args:
            of: the element numbers of what is sliced, ABSENT where there is padding.
            taken: those of the slice.
            whole: whether the program computes with the slice, and not only with slices of it.
            place: name and line of the operation.
        """
        source = self._source(of, place)
        elements = np.unique(taken[taken >= 0]).astype(np.int64)  # small, where there are many
        if len(elements) == len(source.elements):
            return
        key = elements.tobytes()
        self._by_elements.setdefault((False, key), source)
        if whole and len(elements):
            source.pieces[key] = elements

    def selections(self) -> list[Selection]:
        """What is picked slice by slice."""
        found = (source.selection() for source in dict.fromkeys(self._by_elements.values()))
        return [selection for selection in found if selection is not None]

    def _source(self, ids: Int[np.ndarray, " ..."], place: tuple[str, str]) -> _Source:
        """The array that these are of; the elements of one and the same array are counted once."""
        if id(ids) in self._known:
            return self._known[id(ids)][1]
        elements = present_elements(ids)
        key = id(ids) in self._joined, elements.tobytes()
        source = self._by_elements.setdefault(key, _Source(elements, place))
        if len(elements) == len(source.elements):
            source.arrangements[id(ids)] = ids
        self._known[id(ids)] = ids, source
        return source


def _is_crop(read: Bool[np.ndarray, " ..."], padding: Bool[np.ndarray, " ..."]) -> bool:
    """Whether all that is read is a box, regular along every axis; padding may count as read."""
    axes = range(read.ndim)
    lines = [np.flatnonzero(read.any(axis=tuple(a for a in axes if a != axis))) for axis in axes]
    return all(_regular(line) for line in lines) and bool((read | padding)[np.ix_(*lines)].all())


def _regular(line: Shaped[np.ndarray, " n"]) -> bool:
    """Equal steps, or at least three equal runs in equal steps."""
    steps = np.diff(line)
    starts = np.flatnonzero(np.concatenate([[True], steps > 1]))
    runs = np.diff(np.append(starts, len(line)))
    return _equal(steps) or (len(runs) > 2 and _equal(runs) and _equal(np.diff(line[starts])))


def _equal(values: Shaped[np.ndarray, " n"]) -> bool:
    return len(values) == 0 or bool((values == values[0]).all())
