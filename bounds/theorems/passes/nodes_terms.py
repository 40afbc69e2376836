"""What a linear term hands on in the node pass: gains row by row, counts and energies node by node."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float64

from sparsebounds.bounds.graph.terms import Term
from sparsebounds.bounds.theorems.passes.nodes_fixed import fixed_norms
from sparsebounds.bounds.theorems.passes.nodes_logs import log, padded, raised, scaled
from sparsebounds.bounds.theorems.passes.nodes_partition import Nodes

Logs = Float64[np.ndarray, " n"]


@dataclass(frozen=True)
class TermReads(ABC):
    """One term of a layer, between nodes."""

    nodes: Nodes
    index: int
    number: int

    @property
    def term(self) -> Term:
        return self.nodes.graph.linear(self.index).terms[self.number]

    @abstractmethod
    def gains(self, logs: Logs) -> Logs:
        """log Σ_i ‖w_{r,i}‖ exp(logs_i) of every row r, the elements of the layer."""

    @abstractmethod
    def counts(self, logs: Logs, structural: bool) -> Logs:
        """log Σ_{i ∈ pred(j)} exp(logs_i) of every node j of the layer."""

    @abstractmethod
    def largest(self, logs: Logs, structural: bool) -> Logs:
        """max_{i ∈ pred(j)} logs_i."""

    def node_gains(self, logs: Logs) -> Logs:
        """For a fixed map P without activation: log of at least sup ‖Σ_i P_ji a_i‖ over ‖a_i‖ ≤ exp(logs_i).

        The smaller of two: row by row, or ‖P_j‖ (Σ_i ‖a_i‖²)^½ with the spectral norm of P_j.
        """
        squares = self.counts(2 * logs, structural=False)
        together = log(fixed_norms(self.nodes, self.index, self.number)) + squares / 2
        return np.minimum(self.nodes.norms(self.index, self.gains(logs)), together)


class BlockReads(TermReads):
    """Between nodes of any size, block by block."""

    def gains(self, logs: Logs) -> Logs:
        values, top = scaled(padded(logs))
        if not self.term.learned:
            return self._shown(values, top)
        blocks = self.nodes.rows(self.index, self.number)
        norms, largest = raised(np.sqrt(blocks.norms2))
        return log(blocks.sums(values, norms)) + top + largest

    def _shown(self, values: Float64[np.ndarray, " padded"], top: float) -> Logs:
        """Of a fixed map, whose rows show one element at a time."""
        return log(self.term.apply(values[self.nodes.node_of], np.abs)) + top

    def counts(self, logs: Logs, structural: bool) -> Logs:
        values, top = scaled(padded(logs))
        blocks = self.nodes.blocks(self.index, self.number, structural)
        every = structural or blocks.full
        b, t, _ = blocks.norms2.shape
        table = np.ones((b, t, 1)) if every else (blocks.norms2 > 0).astype(np.float64)
        return log(blocks.sums(values, table)) + top

    def largest(self, logs: Logs, structural: bool) -> Logs:
        return self.nodes.blocks(self.index, self.number, structural).largest(padded(logs), structural)


class WholeReads(TermReads):
    """Of layers that are one node each: no block is written out."""

    @cached_property
    def sources(self) -> list[int]:
        return self.nodes.graph.layer_of(self.term.elements_read)

    def gains(self, logs: Logs) -> Logs:
        scale = max(float(np.abs(self.term.strengths).max(initial=0.0)), np.finfo(float).tiny)
        found = []
        for source in self.sources:
            if self.term.reads_twice:
                norms = self.term.apply(self._of(source), lambda w: np.abs(w / scale))
            else:
                norms = np.sqrt(self.term.apply(self._of(source), lambda w: np.square(w / scale)))
            found.append(log(norms) + logs[self.nodes.offsets[source]])
        return np.asarray(np.logaddexp.reduce(found, axis=0) + np.log(scale))

    def counts(self, logs: Logs, structural: bool) -> Logs:
        seen = [np.where(self._read(s, structural), logs[self.nodes.offsets[s]], -np.inf) for s in self.sources]
        return np.asarray(np.logaddexp.reduce(seen, axis=0))

    def largest(self, logs: Logs, structural: bool) -> Logs:
        seen = [np.where(self._read(s, structural), logs[self.nodes.offsets[s]], -np.inf) for s in self.sources]
        return np.asarray(np.max(seen, axis=0))

    def _of(self, source: int) -> Float64[np.ndarray, " padded"]:
        """1 on the elements of a layer."""
        ones, offsets = np.zeros(int(self.nodes.graph.offsets[-1]) + 1), self.nodes.graph.offsets
        ones[offsets[source] : offsets[source + 1]] = 1.0
        return ones

    def _read(self, source: int, structural: bool) -> Bool[np.ndarray, " nodes"]:
        """Whether each node of the layer reads that one."""
        rows = self.term.apply(self._of(source), lambda w: np.ones_like(w) if structural else np.asarray(w != 0, float))
        local, count = self.nodes.local(self.index), self.nodes.counts[self.index]
        return np.asarray(np.bincount(local, weights=rows, minlength=count) > 0)


def read_terms(nodes: Nodes, index: int) -> list[TermReads]:
    """The terms of a linear layer."""
    terms = nodes.graph.linear(index).terms
    return [_reads(nodes, index, number, term) for number, term in enumerate(terms)]


def _reads(nodes: Nodes, index: int, number: int, term: Term) -> TermReads:
    whole = nodes.whole.issuperset(nodes.graph.layer_of(term.elements_read))
    return (WholeReads if whole else BlockReads)(nodes, index, number)
