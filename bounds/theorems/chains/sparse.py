"""The numbers behind the sparse-network bound: norms, predecessor counts and maxima over paths of a layered graph.

Both forms follow from one rescaling argument. Give every hidden node j a scale s_j and divide its vector by it; ReLU
networks do not change. If s_j = n_j^½ ‖[W_j, b_j]‖ max(s_i over predecessors, 1 for the constant) the rescaled blocks
have norm at most n_j^-½ and the class depends on c = Σ_r n_r^½ ‖[w_r, b_r]‖ max s_i alone (form "per node"). With one
scale per layer and without the counts, c is a product of norms and the counts go to the data (form "shared").
Everything is kept in logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.special import gammaln

from sparsebounds.bounds.bound import MASK_FIXED, MASK_NONE, MASK_PAID, MASK_UNCOUNTED, NotCovered
from sparsebounds.bounds.graph.blocks import Blocks
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Linear, MaxPool, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.graph.terms import Dot, Pool
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.margin.payment import alternative

NORM_SPREAD = 1e-9
"""Norms of nodes with equally many predecessors that differ by more, relatively, are worth a form per node."""


@dataclass(frozen=True)
class ChainLayer:
    """One layer: pattern of predecessors and, per node, norm and bias."""

    index: int
    depth: int
    """Layers of one depth stand side by side (the branches of a concatenation) and are one layer of the theorem."""
    name: str
    blocks: Blocks
    fixed: bool
    """Pooling or an elementwise scale: a factor per node instead of a norm and a count."""
    possible: np.ndarray
    """|pred(j)| by structure."""
    read: np.ndarray
    """|pred(j)| without the blocks that are zero."""
    norms: np.ndarray
    """‖W_j‖_F without the bias; for fixed layers the factor Σ|coefficient| or max|scale|."""
    bias: np.ndarray | None
    """‖b_j‖, None where the layer has no bias."""
    activated: bool
    maskable: int
    """Independent zero patterns: number of blocks that could be zero."""
    present: int
    """How many of them are not."""

    def counts(self, structural: bool) -> np.ndarray:
        """Predecessors of every node, the constant included where there is a bias."""
        return (self.possible if structural else self.read) + self.reads_constant(structural)

    @cached_property
    def lowered(self) -> bool:
        """Whether zero weights leave some node with fewer predecessors than it could have."""
        return bool((self.counts(False) < self.counts(True)).any())

    @property
    def total_norms(self) -> np.ndarray:
        """‖[W_j, b_j]‖."""
        return self.norms if self.bias is None else np.hypot(self.norms, self.bias)

    def reads_constant(self, structural: bool) -> bool:
        """Whether the nodes read the constant 1: one choice per layer, so that a mask pays for it once."""
        return self.bias is not None and (structural or bool(self.bias.any()))


@dataclass(frozen=True)
class Chain:
    """A layered network, from the first layer above the input to the scores."""

    graph: Graph
    layers: tuple[ChainLayer, ...]

    @cached_property
    def hidden(self) -> tuple[tuple[ChainLayer, ...], ...]:
        """The layers below the last one, by depth."""
        below = self.layers[:-1]
        return tuple(tuple(h for h in below if h.depth == d) for d in sorted({h.depth for h in below}))

    @property
    def has_bias(self) -> bool:
        return any(layer.bias is not None and layer.bias.any() for layer in self.layers)

    @cached_property
    def spread(self) -> bool:
        """Whether hidden nodes with equally many predecessors have different norms."""
        return any(_spread([h for h in level if not h.fixed]) for level in self.hidden)


@per_graph
def read_chain(graph: Graph) -> Chain:
    """The chain of a graph; NotCovered for max pooling, skips, and what has no place in the theorem."""
    depth = {0: 0}
    layers = []
    for i, layer in graph.computed():
        below = {depth[s] for s in graph.sources(i)}
        if isinstance(layer, MaxPool):
            raise NotCovered(f"max pooling in {label(layer)}")
        if len(layer.terms) > 1 or len(below) != 1:
            raise NotCovered(f"{label(layer)} adds or joins layers of different depth (a skip)")
        depth[i] = below.pop() + 1
        layers.append(_chain_layer(graph, i, depth[i], layer))
    if layers[-1].fixed or layers[-1].activated:
        raise NotCovered(f"the last layer, {label(graph.layers[-1])}, is not a learned linear map")
    return Chain(graph, tuple(layers))


def _chain_layer(graph: Graph, index: int, depth: int, layer: Linear) -> ChainLayer:
    (term,) = layer.terms
    is_output = index == len(graph.layers) - 1
    # The classes are nodes of their own: each row w_r has its norm and its predecessors.
    each = np.arange(layer.size, dtype=np.int32)
    blocks = graph.term_blocks(index, term, each) if is_output else graph.blocks(index)
    fixed = isinstance(term, Pool) or not (term.learned or layer.activated)
    if fixed and (layer.activated or layer.bias is not None):
        raise NotCovered(f"{label(layer)} shifts or activates right after pooling or an elementwise scale")
    bias = None
    if layer.bias is not None:
        squares = np.square(layer.bias)
        bias = np.sqrt(squares if is_output else graph.node_sums(index, squares))
    maskable, present = (0, 0) if fixed else _mask_counts(blocks, bias)
    return ChainLayer(
        index=index,
        depth=depth,
        name=layer.name,
        blocks=blocks,
        fixed=fixed,
        possible=blocks.counts(structural=True),
        read=blocks.counts(),
        norms=_factors(graph, index, layer, blocks),
        bias=bias,
        activated=layer.activated,
        maskable=maskable,
        present=present,
    )


def _factors(graph: Graph, index: int, layer: Linear, blocks: Blocks) -> np.ndarray:
    """Norm of every node: ‖W_j‖_F, or for fixed layers what they multiply the largest predecessor by at most."""
    (term,) = layer.terms
    if isinstance(term, Dot):
        return np.sqrt(blocks.square_norms())
    local = graph.local_nodes(index)
    factors = np.zeros(graph.node_counts[index])
    if isinstance(term, Pool):
        shape = (layer.positions, layer.channels)
        present = term.taps.window_sizes[:, None]
        np.maximum.at(factors, local, (np.abs(np.broadcast_to(term.coefficient, shape)) * present).ravel())
        return factors
    scale = np.ones(layer.size) if term.scale is None else np.abs(term.scale)
    scale = np.where(term.elements < 0, 0.0, scale)
    if layer.activated:
        return np.sqrt(graph.node_sums(index, scale**2))
    np.maximum.at(factors, local, scale)
    return factors


def _mask_counts(blocks: Blocks, bias: np.ndarray | None) -> tuple[int, int]:
    """How many blocks a mask could remove (shared blocks once), and how many are there."""
    used = np.asarray((blocks.taps >= 0).any(axis=1))
    maskable = int(used.sum()) * blocks.norms2.shape[2]
    present = int(((blocks.norms2 > 0) & used[:, :, None]).sum())
    if bias is not None:
        maskable, present = maskable + 1, present + int(bias.any())
    return maskable, present


def _spread(level: list[ChainLayer]) -> bool:
    if not level:
        return False
    norms = np.concatenate([layer.total_norms for layer in level])
    counts = np.concatenate([layer.possible for layer in level])
    for count in np.unique(counts):
        same = norms[counts == count]
        if same.max() - same.min() > NORM_SPREAD * max(same.max(), 1e-300):
            return True
    return False


def forms(chain: Chain, energies: np.ndarray, m: int, mask_fixed: bool) -> Iterator[ClassSize]:
    """All forms of the theorem that apply, each with its price in nats.

    The shared form that counts every possible predecessor is the main one and free. Zeros that lower |pred| and the
    form per node are alternatives: with `mask_fixed` there is one of them, otherwise three share the prior weight.
    """
    if mask_fixed:
        yield _main(_shared(chain, energies, m, structural=False), MASK_FIXED)
        if chain.spread:
            yield _as_alternative(_per_node(chain, energies, m, structural=False), 0.0, MASK_FIXED)
        return
    lowered = any(layer.lowered for layer in chain.layers)
    uncounted = MASK_UNCOUNTED if lowered else MASK_NONE
    yield _main(_shared(chain, energies, m, structural=True), uncounted)
    if chain.spread:
        yield _as_alternative(_per_node(chain, energies, m, structural=True), math.log(3.0), uncounted)
    if lowered:
        nats = mask_nats(chain)
        price = math.log(3.0) + nats
        yield _as_alternative(_shared(chain, energies, m, structural=False), price, MASK_PAID, nats)
        if chain.spread:
            yield _as_alternative(_per_node(chain, energies, m, structural=False), price, MASK_PAID, nats)


def mask_nats(chain: Chain) -> float:
    """log((n + 1) · (n choose k)): k of n blocks are there; the class of masks with their number is a prior."""
    n = sum(layer.maskable for layer in chain.layers)
    k = sum(layer.present for layer in chain.layers)
    return float(math.log(n + 1) + gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def _main(form: ClassSize, mask: str) -> ClassSize:
    return replace(form, terms={**form.terms, **_mask_terms(mask, 0.0)})


def _as_alternative(form: ClassSize, nats: float, mask: str, mask_price: float = 0.0) -> ClassSize:
    terms = {**form.terms, **_mask_terms(mask, mask_price)}
    return replace(form, prices=alternative(nats), terms=terms)


def _mask_terms(mask: str, nats: float) -> dict[str, Any]:
    """What was assumed of the zeros, and what they cost."""
    return {"mask": mask, "nats for the mask": nats}


def _log(values: np.ndarray | float) -> Any:
    with np.errstate(divide="ignore"):
        return np.log(values)


def _logs(chain: Chain, structural: bool) -> dict[str, float]:
    """The logarithms under the root: one factor 2 per activation, one choice of predecessor per layer, C classes."""
    levels = [*chain.hidden, chain.layers[-1:]]
    counts = [max(1, *(int(layer.counts(structural).max()) for layer in level)) for level in levels]
    activations = sum(any(layer.activated for layer in level) for level in levels)
    return {
        "activations": activations,
        "max |pred| per layer": counts,  # type: ignore[dict-item]
        "classes C": chain.graph.classes,
        "logs": activations * math.log(2) + sum(math.log(n) for n in counts) + math.log(chain.graph.classes),
    }


Rule = Callable[[ChainLayer, np.ndarray], np.ndarray]


def _propagate(chain: Chain, start: np.ndarray, structural: bool, rule: Rule, whole_top: bool = False) -> np.ndarray:
    """Forward maximum over paths: values of the scores, `rule(layer, best over predecessors)` at each layer.

    `whole_top`: paths may end in any node that the last layer could read, whatever its weights.
    """
    values = np.full(chain.graph.node_offsets[-1] + chain.graph.classes + 1, -np.inf)  # the last stays: for ABSENT
    values[: len(start)] = start
    out = start
    for layer in chain.layers:
        every = structural or (whole_top and layer is chain.layers[-1])
        out = rule(layer, layer.blocks.largest(values, every))
        first = int(chain.graph.node_offsets[layer.index])
        values[first : first + len(out)] = out
    return out


def _shared(chain: Chain, energies: np.ndarray, m: int, structural: bool) -> ClassSize:
    """c = (Σ_r ‖w_r‖) Π_{l<L} max_j ‖W^l_j‖, counts and energies together along paths."""
    top = chain.layers[-1]
    log_s = 0.0
    for level in chain.hidden:
        log_s = max(
            float(_log(layer.total_norms.max())) + (max(log_s, 0.0) if layer.reads_constant(structural) else log_s)
            for layer in level
        )
    rows = float(top.total_norms.sum())
    log_scale = float(_log(rows)) + (max(log_s, 0.0) if top.reads_constant(structural) else log_s)

    def rule(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        if layer.fixed:
            return best
        reach = np.maximum(best, math.log(m)) if layer.reads_constant(structural) else best
        return _log(layer.counts(structural)) + reach

    log_path = float(_propagate(chain, _log(energies), structural, rule).max())
    logs = _logs(chain, structural)
    terms = {
        "form": "shared",
        "max_j ||W_j|| per hidden layer": [_largest(level, "total_norms") for level in chain.hidden],
        "sum_r ||w_r||": rows,
        "log rho_s": log_scale,
        **logs,
        "max path prod |pred| * energy": exp_or_inf(log_path),
    }
    unit = (1 + math.sqrt(2 * logs["logs"])) * exp_or_inf(log_path / 2)
    return ClassSize(log_scale, unit, terms=terms)


def _largest(level: tuple[ChainLayer, ...], norms: str) -> float:
    return max(float(getattr(layer, norms).max()) for layer in level)


def _per_node(chain: Chain, energies: np.ndarray, m: int, structural: bool) -> ClassSize:
    """c = Σ_r √n_r ‖w_r‖ max over paths into r of Π √n_j ‖W_j‖, and the largest energy that is read, separately."""
    top = chain.layers[-1]

    def scales(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        if layer.fixed:
            return _log(layer.norms) + best
        reach = np.maximum(best, 0.0) if layer.reads_constant(structural) else best
        return 0.5 * _log(layer.counts(structural)) + _log(layer.total_norms) + reach

    def data(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        return np.maximum(best, math.log(m)) if layer.reads_constant(structural) else best

    log_rows = _propagate(chain, np.zeros(len(energies)), structural, scales)
    log_scale = float(np.logaddexp.reduce(log_rows))
    log_energy = float(_propagate(chain, _log(energies), structural, data).max())
    logs = _logs(chain, structural)
    terms = {
        "form": "per node",
        "sum_r ||w_r||": float(top.total_norms.sum()),
        "log c (norms and counts along paths)": log_scale,
        **logs,
        "largest energy read": exp_or_inf(log_energy),
    }
    return ClassSize(log_scale, (1 + math.sqrt(2 * logs["logs"])) * exp_or_inf(log_energy / 2), terms=terms)


def printed(chain: Chain, energies: np.ndarray, version: str) -> dict[str, Any]:
    """ρ and Λ of the printed bound: no last-layer predecessors, Frobenius norm of the last layer, no biases."""
    if any(layer.fixed for layer in chain.layers):
        raise NotCovered("pooling or an elementwise scale between layers; the printed bound has no rule for it")
    top = chain.layers[-1]
    log_rho = 0.5 * float(_log(np.square(top.norms).sum()))
    log_rho += sum(float(_log(_largest(level, "norms"))) for level in chain.hidden)
    counts = [max(int(layer.read.max()) for layer in level) for level in chain.hidden]
    depth, classes = len(chain.hidden) + 1, chain.graph.classes

    def rule(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        return best if layer is top else _log(layer.read) + best

    log_path = float(_propagate(chain, _log(energies), False, rule, whole_top=True).max())
    if version == "v1":
        logs = depth * math.log(2 * max(counts, default=1)) + math.log(classes)
    else:
        logs = depth * math.log(2) + sum(math.log(max(n, 1)) for n in counts) + math.log(classes)
    return {
        "rho": exp_or_inf(log_rho),
        "L": depth,
        "max |pred| per hidden layer": counts,
        "classes C": classes,
        "logs": logs,
        "max path prod |pred| * energy": exp_or_inf(log_path),
        "Lambda": (1 + math.sqrt(2 * logs)) * exp_or_inf(log_path / 2),
    }
