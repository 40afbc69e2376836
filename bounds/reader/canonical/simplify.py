"""The last step of a read: drop dead layers, join sums of linear maps, number the elements anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sparsebounds.bounds.graph.elements import owners
from sparsebounds.bounds.graph.layers import Layer, Linear, MaxPool, elements_read
from sparsebounds.bounds.graph.terms import Diagonal, Dot, Taps, Term, scale_term
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.canonical.dots import join


def simplify(builder: Builder, output: int) -> tuple[Layer, ...]:
    """The layers that the output depends on, in canonical form and in topological order."""
    layers, offsets = list(builder.layers), np.asarray(builder.offsets)
    users = _users(layers, offsets, output)
    for i in sorted(users | {output: 0}):
        layer = layers[i]
        if isinstance(layer, Linear):
            terms = [t for term in layer.terms for t in _inlined(term, layers, offsets, users)]
            bias = _inlined_bias(layer, layers, offsets, users)
            joined = [_absorbable(term, layers, offsets, users) for term in layer.terms]
            name = layer.name or "+".join(source.name for source in joined if source is not None and source.name)
            layers[i] = replace(layer, terms=_joined(terms), bias=bias, name=name)
    alive = sorted(_users(layers, offsets, output) | {output: 0})
    return _renumbered(layers, offsets, alive)


def _users(layers: list[Layer], offsets: np.ndarray, output: int) -> dict[int, int]:
    """For every layer that the output depends on: by how many terms it is read. The input always lives."""
    count: dict[int, int] = {0: 0}
    queue, seen = [output], {output}
    while queue:
        for elements in elements_read(layers[queue.pop()]):
            for s in owners(elements, offsets):
                count[s] = count.get(s, 0) + 1
                if s not in seen:
                    seen.add(s)
                    queue.append(s)
    return count


def _absorbable(term: Term, layers: list[Layer], offsets: np.ndarray, users: dict[int, int]) -> Linear | None:
    """The layer that a Diagonal term copies whole and alone, if it is linear without activation."""
    if not isinstance(term, Diagonal):
        return None
    read = owners(term.elements, offsets)
    if len(read) != 1 or (term.elements < 0).any() or users.get(read[0], 0) != 1:
        return None
    source = layers[read[0]]
    if not isinstance(source, Linear) or source.activated or source.size != term.elements.size:
        return None
    if len(np.unique(term.elements)) != source.size or any(not isinstance(t, (Dot, Diagonal)) for t in source.terms):
        return None
    return source if _scaled_terms(source, term, offsets[read[0]]) is not None else None


def _scaled_terms(source: Linear, term: Diagonal, offset: int) -> list[Term] | None:
    """The terms of `source`, reordered and scaled as `term` sees them."""
    local = term.elements - offset
    factor = np.ones(source.size)
    if term.scale is not None:
        factor[local] = term.scale
    out: list[Term] = []
    target = np.empty(source.size, dtype=np.int64)
    target[local] = np.arange(source.size)
    for t in source.terms:
        scaled = t if term.scale is None else scale_term(t, factor)
        if scaled is None:
            return None
        out.append(_reordered(scaled, local, target))
    return out


def _reordered(term: Term, local: np.ndarray, target: np.ndarray) -> Term:
    if np.array_equal(local, np.arange(len(local))):
        return term
    if isinstance(term, Diagonal):
        scale = None if term.scale is None else term.scale[local]
        return Diagonal(term.elements[local], scale)
    assert isinstance(term, Dot)
    order = target if term.order is None else target[term.order]
    return replace(term, order=None if np.array_equal(order, np.arange(len(order))) else order)


def _inlined(term: Term, layers: list[Layer], offsets: np.ndarray, users: dict[int, int]) -> list[Term]:
    source = _absorbable(term, layers, offsets, users)
    if source is None:
        return [term]
    assert isinstance(term, Diagonal)
    terms = _scaled_terms(source, term, offsets[owners(term.elements, offsets)[0]])
    assert terms is not None
    return terms


def _inlined_bias(layer: Linear, layers: list[Layer], offsets: np.ndarray, users: dict[int, int]) -> np.ndarray | None:
    biases = [] if layer.bias is None else [layer.bias]
    for term in layer.terms:
        source = _absorbable(term, layers, offsets, users)
        if source is not None and source.bias is not None:
            assert isinstance(term, Diagonal)
            moved = source.bias[term.elements - offsets[owners(term.elements, offsets)[0]]]
            biases.append(moved if term.scale is None else moved * term.scale)
    return np.sum(biases, axis=0) if biases else None


def _joined(terms: list[Term]) -> tuple[Term, ...]:
    dots = [t for t in terms if isinstance(t, Dot)]
    return (*join(dots), *(t for t in terms if not isinstance(t, Dot)))


def _default_name(layer: Layer, number: int) -> str:
    """For a layer whose parameters carry no module path."""
    kind = "+".join(type(t).__name__.lower() for t in layer.terms) if isinstance(layer, Linear) else "max pool"
    return f"{kind} {number}"


def _renumbered(layers: list[Layer], offsets: np.ndarray, alive: list[int]) -> tuple[Layer, ...]:
    """Only the living layers, with element numbers that count them alone."""
    starts = np.concatenate([[0], np.cumsum([layers[i].size for i in alive])])
    move = np.zeros(len(layers), dtype=np.int64)
    for new, old in enumerate(alive):
        move[old] = starts[new] - offsets[old]

    def renumber(elements: np.ndarray) -> np.ndarray:
        owner = np.searchsorted(offsets, elements, side="right") - 1
        return np.where(elements < 0, elements, elements + move[owner]).astype(np.int32)

    def rewrite(term: Term) -> Term:
        if isinstance(term, Diagonal):
            return replace(term, elements=renumber(term.elements))
        return replace(term, taps=Taps(renumber(term.taps.source), term.taps.sites))

    out: list[Layer] = []
    for i in alive:
        layer = layers[i]
        if isinstance(layer, Linear):
            layer = replace(layer, terms=tuple(rewrite(t) for t in layer.terms))
        elif isinstance(layer, MaxPool):
            layer = replace(layer, taps=Taps(renumber(layer.taps.source), layer.taps.sites))
        out.append(layer if layer.name else replace(layer, name=_default_name(layer, len(out))))
    return tuple(out)
