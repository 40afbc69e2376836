"""The last step of a read: drop dead layers, join sums of linear maps, number the elements anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int

from sparsebounds.bounds.graph.elements import owners, present_elements
from sparsebounds.bounds.graph.layers import Layer, Linear
from sparsebounds.bounds.graph.terms import Diagonal, Term
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.canonical.dots import join
from sparsebounds.bounds.reader.values import joint


@dataclass(frozen=True)
class _Program:
    """Layers under simplification."""

    layers: list[Layer]
    offsets: Int[np.ndarray, " layers"]
    users: dict[int, int]
    """For every layer that the output depends on: by how many terms it is read."""


@dataclass(frozen=True)
class _Part:
    """What a term contributes to its layer: itself, or the whole layer that it copies."""

    terms: tuple[Term, ...]
    bias: Float64[np.ndarray, " size"] | None = None
    bias_of: Int[np.ndarray, " size"] | None = None
    name: str = ""


def simplify(builder: Builder, output: int) -> tuple[Layer, ...]:
    """The layers that the output depends on, in canonical form and in topological order."""
    layers, offsets = list(builder.layers), np.asarray(builder.offsets)
    program = _Program(layers, offsets, _users(layers, offsets, output))
    for i in sorted(program.users | {output: 0}):
        layer = layers[i]
        if isinstance(layer, Linear):
            layers[i] = _joined(layer, [_absorbed(term, program) for term in layer.terms])
    alive = sorted(_users(layers, offsets, output) | {output: 0})
    return _renumbered(layers, offsets, alive)


def _users(layers: list[Layer], offsets: Int[np.ndarray, " layers"], output: int) -> dict[int, int]:
    """For every layer that the output depends on: by how many terms it is read. The input always lives."""
    count: dict[int, int] = {0: 0}
    queue, seen = [output], {output}
    while queue:
        for elements in layers[queue.pop()].elements_read:
            for s in owners(elements, offsets):
                count[s] = count.get(s, 0) + 1
                if s not in seen:
                    seen.add(s)
                    queue.append(s)
    return count


def _absorbed(term: Term, program: _Program) -> _Part:
    """A Diagonal that copies a layer whole and alone takes over its terms, if that is linear without activation."""
    alone = _Part((term,))
    if not isinstance(term, Diagonal) or (term.elements < 0).any():
        return alone
    read = owners(term.elements, program.offsets)
    if len(read) != 1 or program.users.get(read[0], 0) != 1:
        return alone
    source, local = program.layers[read[0]], term.elements - program.offsets[read[0]]
    if not source.affine or source.size != local.size or len(present_elements(local)) != source.size:
        return alone
    terms = [_seen_through(term, each, local) for each in source.terms]
    present = tuple(each for each in terms if each is not None)
    if len(present) != len(terms):
        return alone
    bias = None if source.bias is None else source.bias[local]
    if bias is None or term.scale is None:
        return _Part(present, bias, None if source.bias_of is None else source.bias_of[local], source.name)
    return _Part(present, bias * term.scale, None, source.name)


def _seen_through(term: Diagonal, below: Term, local: Int[np.ndarray, " size"]) -> Term | None:
    """A term of the layer that `term` reads, scaled and reordered as `term` sees it."""
    scaled: Term | None = below
    if term.scale is not None:
        factor = np.ones(local.size)
        factor[local] = term.scale
        scaled = below.scaled(factor)
    return None if scaled is None else scaled.reordered(local)


def _joined(layer: Linear, parts: Sequence[_Part]) -> Linear:
    """The layer with the terms of all parts, learned maps of the same outputs joined into one."""
    terms = tuple(term for part in parts for term in part.terms)
    biased = [part for part in (_Part((), layer.bias, layer.bias_of), *parts) if part.bias is not None]
    biases = [part.bias for part in biased if part.bias is not None]
    numbers = [part.bias_of for part in biased if part.bias_of is not None]
    layer = replace(
        layer,
        terms=terms,
        bias=np.sum(biases, axis=0) if biases else None,
        bias_of=joint(*numbers) if numbers and len(numbers) == len(biases) else None,
        name=layer.name or "+".join(part.name for part in parts if part.name),
    )
    return replace(layer, terms=(*join(layer.dots), *layer.fixed_terms))


def _renumbered(layers: list[Layer], offsets: Int[np.ndarray, " layers"], alive: list[int]) -> tuple[Layer, ...]:
    """Only the living layers, with element numbers that count them alone."""
    starts = np.concatenate([[0], np.cumsum([layers[i].size for i in alive])])
    move = np.zeros(len(layers), dtype=np.int64)
    for new, old in enumerate(alive):
        move[old] = starts[new] - offsets[old]

    def renumber(elements: np.ndarray) -> np.ndarray:
        owner = np.searchsorted(offsets, elements, side="right") - 1
        return np.where(elements < 0, elements, elements + move[owner]).astype(np.int32)

    out: list[Layer] = []
    for i in alive:
        layer = layers[i].renumbered(renumber)
        out.append(layer if layer.name else replace(layer, name=f"{layer.kind} {len(out)}"))
    return tuple(out)
