"""What the terms of a linear layer hand on in the node pass: gains row by row, counts and energies node by node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.memory import per_graph, per_network
from sparsebounds.bounds.graph.terms import Term
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.theorems.passes.nodes_fixed import fixed_norms
from sparsebounds.bounds.theorems.passes.nodes_logs import raised, relative, scaled_parts
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes

Logs = Float64[np.ndarray, " ..."]


@dataclass(frozen=True)
class LayerTerms:
    """The terms of one linear layer."""

    nodes: Nodes
    index: int
    blocks: bool
    """Whether norms of blocks count everywhere, not only where inputs are read."""

    @cached_property
    def terms(self) -> list[tuple[int, Term]]:
        return list(enumerate(self.nodes.graph.linear(self.index).terms))

    @cached_property
    def vectors(self) -> list[int]:
        """Layers below whose nodes count as vectors."""
        return [s for s in self.nodes.graph.sources(self.index) if self.blocks or s in vector_layers(self.nodes.graph)]

    @property
    def show_vectors(self) -> bool:
        """Whether a vector is shown on, so that norms of nodes are of use above."""
        return self.blocks or self.index in vector_layers(self.nodes.graph)

    def learned(self, rows: Logs, gain: Logs) -> Logs | None:
        """log Σ_i ‖w_{e,i}‖ κ_i over nodes i that count as vectors, plus Σ |w| g over all other elements."""
        parts = []
        for number, term in self.terms:
            if not term.learned:
                continue
            sources = self.nodes.graph.layer_of(term.elements_read)
            if set(sources) & set(self.vectors):
                parts.append(self._by_blocks(number, term, gain))
            if set(sources) - set(self.vectors):
                others = set(sources) - set(self.vectors)
                parts.append(_by_elements(term, rows, parts_of(self.nodes.graph.offsets, others)))
        return np.asarray(np.logaddexp.reduce(parts, axis=0)) if parts else None

    def fixed(self, rows: Logs) -> Logs | None:
        """log Σ |coefficient| g over the elements that the fixed maps show."""
        offsets, layer_of = self.nodes.graph.offsets, self.nodes.graph.layer_of
        parts = [
            _by_elements(term, rows, parts_of(offsets, layer_of(term.elements_read)))
            for _, term in self.terms
            if not term.learned
        ]
        return np.asarray(np.logaddexp.reduce(parts, axis=0)) if parts else None

    def fixed_nodes(self, gain: Logs) -> Logs:
        """For every node j, log of at least Σ_terms sup ‖Σ_i P_ji a_i‖ over ‖a_i‖ ≤ κ_i: ‖P_j‖ (Σ_i κ_i²)^½."""
        parts = []
        for number, term in self.terms:
            if not term.learned:
                squares = self._summed(number, 2 * gain, True)
                parts.append(log_of(fixed_norms(self.nodes, self.index, number)) + squares / 2)
        return np.asarray(np.logaddexp.reduce(parts, axis=0))

    def counts(self, logs: Logs, structural: bool) -> Logs:
        """log Σ_{i ∈ pred(j)} N_i of every node j, term by term."""
        return np.asarray(np.logaddexp.reduce([self._summed(k, logs, structural) for k, _ in self.terms], axis=0))

    def largest(self, logs: Logs, structural: bool) -> Logs:
        """max_{i ∈ pred(j)} of the energies."""
        found = []
        for number, term in self.terms:
            if self._whole(term):
                seen = self._layers(number, structural)
                found.append(np.max([np.where(there, logs[node], -np.inf) for node, there in seen], axis=0))
            else:
                blocks = self.nodes.blocks(self.index, number, structural)
                found.append(blocks.largest(logs, structural and term.learned))
        return np.asarray(np.max(found, axis=0))

    def _summed(self, number: int, logs: Logs, structural: bool) -> Logs:
        term = self.terms[number][1]
        if self._whole(term):
            seen = self._layers(number, structural)
            return np.asarray(
                np.logaddexp.reduce([np.where(there, logs[node], -np.inf) for node, there in seen], axis=0)
            )
        sources = self.nodes.graph.layer_of(term.elements_read)
        values, top = scaled_parts(logs, parts_of(self.nodes.offsets, sources))
        blocks = self.nodes.blocks(self.index, number, structural)
        b, t, _ = blocks.table.shape
        every = (structural and term.learned) or blocks.full  # a fixed map shows what it shows
        sums = blocks.sums(values, np.ones((b, t, 1))) if every else blocks.sums_of_present(values)
        return log_of(sums) + top

    def _whole(self, term: Term) -> bool:
        """Whether all that a term reads are layers of one node."""
        return self.nodes.whole.issuperset(self.nodes.graph.layer_of(term.elements_read))

    def _layers(self, number: int, structural: bool) -> list[tuple[int, np.ndarray]]:
        """(node, which nodes of the layer read it), for layers of one node."""
        local, count = self.nodes.local(self.index), self.nodes.counts[self.index]
        term, graph, found = self.terms[number][1], self.nodes.graph, []
        for source in graph.layer_of(term.elements_read):
            if structural or not _some_are_zero(graph, self.index, number):
                rows = term.reads_of(_of(graph, source)).astype(np.float64)
            else:
                rows = term.apply(_of(graph, source), lambda w: np.asarray(w != 0, float))
            there = np.asarray(np.bincount(local, weights=rows, minlength=count) > 0)
            found.append((int(self.nodes.offsets[source]), there))
        return found

    def _by_blocks(self, number: int, term: Term, gain: Logs) -> Logs:
        """log Σ_i ‖w_{e,i}‖ κ_i over the nodes of vectors."""
        if self._whole(term):
            graph, parts, scale = self.nodes.graph, [], _scale(self.nodes.graph, self.index, number)
            for source in set(graph.layer_of(term.elements_read)) & set(self.vectors):
                norms = _log_norms(graph, self.index, number, source)
                parts.append(norms + gain[self.nodes.offsets[source]])
            return np.asarray(np.logaddexp.reduce(parts, axis=0) + np.log(scale))
        values, top = scaled_parts(gain, parts_of(self.nodes.offsets, self.vectors))
        blocks = self.nodes.rows(self.index, number)
        norms, largest = raised(np.sqrt(blocks.norms2))
        return log_of(blocks.sums(values, norms)) + top + largest


def parts_of(offsets: Int64[np.ndarray, " layers"], layers: Iterable[int]) -> list[slice]:
    """Where some layers stand among all elements, or all nodes: `offsets` says where each begins."""
    return [slice(int(offsets[one]), int(offsets[one + 1])) for one in layers]


def _of(graph: Graph, source: int) -> Float64[np.ndarray, " padded"]:
    """1 on the elements of a layer."""
    ones = np.zeros(int(graph.offsets[-1]) + 1)
    ones[graph.offsets[source] : graph.offsets[source + 1]] = 1.0
    return ones


@per_network
def _scale(graph: Graph, index: int, number: int) -> float:
    """The largest |weight| of a term, or the smallest number for one of zeros."""
    return max(float(np.abs(graph.linear(index).terms[number].strengths).max(initial=0.0)), np.finfo(float).tiny)


@per_network
def _log_norms(graph: Graph, index: int, number: int, source: int) -> Logs:
    """log ‖w_{e,i}‖ − log `_scale`, for every element e: of the weights with which a term reads all of layer i.

    They are kept: every pass asks for them, and a layer of a DenseNet reads all layers before it.
    """
    term, scale = graph.linear(index).terms[number], _scale(graph, index, number)
    return log_of(np.sqrt(term.apply(_of(graph, source), lambda w: np.square(w / scale))))


def _by_elements(term: Term, rows: Logs, parts: Iterable[slice]) -> Logs:
    """log Σ |w_{e,e'}| g_{e'} over elements of these parts."""
    values, top = scaled_parts(rows, parts)
    strengths = term.strengths
    reach = max(float(strengths.max(initial=0.0)), -float(strengths.min(initial=0.0)))
    largest = max(reach, np.finfo(float).tiny)
    return log_of(term.apply(values, lambda w: relative(w, largest))) + top + np.log(largest)


@per_network
def _some_are_zero(graph: Graph, index: int, number: int) -> bool:
    """Whether a term has weights that are zero."""
    return not bool(graph.linear(index).terms[number].strengths.all())


@per_graph
def vector_layers(graph: Graph) -> frozenset[int]:
    """The input, and what only shows it on: layers whose nodes are vectors that no activation has seen."""
    found = {0}
    for index, layer in graph.computed():
        shows = not layer.dots and layer.role in ("linear", "max pool") and not layer.activated
        if (
            shows
            and not (layer.maximum and graph.max_pool(index).window > 1)
            and found.issuperset(graph.sources(index))
        ):
            found.add(index)
    return frozenset(found)
