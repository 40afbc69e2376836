"""What a chain alone has: the form of the sparse-network bound with one scale per layer, and the printed bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.margin.classes import ClassSize
from sparsebounds.bounds.margin.grids import exp_or_inf
from sparsebounds.bounds.norms.logs import log_of
from sparsebounds.bounds.theorems.chains.sparse import Chain, ChainLayer
from sparsebounds.bounds.theorems.passes.gains import activation_nats


def _logs(chain: Chain, structural: bool) -> dict[str, float]:
    """The logarithms under the root: √2 per ReLU, one choice of predecessor per layer, C classes."""
    levels = [*chain.hidden, chain.layers[-1:]]
    counts = [max(1, *(int(layer.counts(structural).max()) for layer in level)) for level in levels]
    activations = sum(any(layer.activated for layer in level) for level in levels)
    nats = sum(max(activation_nats(chain.graph.layers[layer.index].slope, 1.0) for layer in level) for level in levels)
    return {
        "activations": activations,
        "nats of activations": nats,
        "max |pred| per layer": counts,  # type: ignore[dict-item]
        "classes C": chain.graph.classes,
        "logs": nats + sum(math.log(n) for n in counts) + math.log(chain.graph.classes),
    }


Rule = Callable[[ChainLayer, np.ndarray], np.ndarray]


def _propagate(
    chain: Chain, start: Float64[np.ndarray, " nodes"], structural: bool, rule: Rule, whole_top: bool = False
) -> Float64[np.ndarray, " C"]:
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


def shared(chain: Chain, energies: Float64[np.ndarray, " nodes"], m: int, structural: bool) -> ClassSize:
    """c = (Σ_r ‖w_r‖) Π_{l<L} max_j ‖W^l_j‖, counts and energies together along paths.

    Args:
        chain: a network without skips and max pooling.
        energies: Σ_n ‖x_nj‖² of every input node.
        m: number of inputs; the constant that biases read has energy m.
        structural: count predecessors behind zero weights, too.

    Source: docs/theory.md, "Gains and paths".
    """
    top = chain.layers[-1]
    log_s = 0.0
    for level in chain.hidden:
        log_s = max(
            float(log_of(layer.total_norms.max())) + (max(log_s, 0.0) if layer.reads_constant(structural) else log_s)
            for layer in level
        )
    rows = float(top.total_norms.sum())
    log_scale = float(log_of(rows)) + (max(log_s, 0.0) if top.reads_constant(structural) else log_s)

    def rule(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        if layer.fixed:
            return best
        reach = np.maximum(best, math.log(m)) if layer.reads_constant(structural) else best
        return log_of(layer.counts(structural)) + reach

    log_path = float(_propagate(chain, log_of(energies), structural, rule).max())
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


def printed(chain: Chain, energies: Float64[np.ndarray, " nodes"], version: str) -> dict[str, Any]:
    """ρ and Λ of the printed bound: no last-layer predecessors, Frobenius norm of the last layer, no biases."""
    if any(layer.fixed for layer in chain.layers):
        raise NotCovered("pooling or an elementwise scale between layers; the printed bound has no rule for it")
    top = chain.layers[-1]
    log_rho = 0.5 * float(log_of(np.square(top.norms).sum()))
    log_rho += sum(float(log_of(_largest(level, "norms"))) for level in chain.hidden)
    counts = [max(int(layer.read.max()) for layer in level) for level in chain.hidden]
    depth, classes = len(chain.hidden) + 1, chain.graph.classes

    def rule(layer: ChainLayer, best: np.ndarray) -> np.ndarray:
        return best if layer is top else log_of(layer.read) + best

    log_path = float(_propagate(chain, log_of(energies), False, rule, whole_top=True).max())
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
