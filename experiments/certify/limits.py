"""What limits a certificate: which part, which split of the classes, which input, which layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sparsebounds.bounds.certificates import Ellipsoids
from sparsebounds.bounds.certificates.chain import hidden_layers
from sparsebounds.bounds.graph.evaluation import activations
from sparsebounds.bounds.graph.layers import label
from sparsebounds.experiments.certify.fit import Fitted
from sparsebounds.experiments.shared.scoring import margins

SOME = 1000
"""Certified images whose activations are looked at."""


def limits(fitted: Fitted) -> dict[str, Any]:
    """What the value consists of: shares of its three parts, and where ramp and complexity come from.

    Returns:
        shares of ramp, complexity and confidence; complexity per split of the classes; ramp per class; the input
        positions with the largest share of the complexity; what the complexity would be if every layer up to a certain
        one were fixed in advance; the moment in which the layers were peeled.
    """
    bound, parts = fitted.bound, fitted.prepared.parts
    tree_rows = fitted.family.form.rows
    shares = bound.terms["complexity of each row / all"]
    names = [_split_name(row) for row in tree_rows]
    ramps = np.clip(1 - margins(fitted.scores, fitted.prepared.certified.values, parts.certified.y) / bound.gamma, 0, 1)
    per_class = np.bincount(parts.certified.y, weights=ramps, minlength=tree_rows.shape[1]) / len(ramps)
    return {
        "ramp": bound.margin_error / bound.value,
        "complexity": bound.complexity / bound.value,
        "confidence": bound.confidence / bound.value,
        "complexity per split of the classes": dict(zip(names, np.multiply(shares, bound.complexity), strict=True)),
        "ramp per class": {str(r): float(v) for r, v in enumerate(per_class)},
        "positions": _positions(fitted),
        "complexity if all up to this layer were fixed": _layers(fitted),
        "p": fitted.weights.p,
    }


def _split_name(row: np.ndarray) -> str:
    left, right = (" ".join(str(r) for r in np.flatnonzero(side)) for side in (row > 0, row < 0))
    return f"{left} | {right}"


def _positions(fitted: Fitted, most: int = 5) -> list[dict[str, Any]]:
    """The input coordinates with the largest share of the weighted energies, row by row weighted by its complexity."""
    values = fitted.prepared.left_out
    energy = np.square(values.reshape(len(values), -1)).mean(axis=0, dtype=np.float64)
    whole = fitted.weights.of(values).mean(axis=0)
    rows = fitted.weights.inputs[:, : len(energy)] * energy / np.maximum(whole, 1e-300)[:, None]  # inputs come first
    share = np.asarray(fitted.bound.terms["complexity of each row / all"]) @ rows
    order = np.argsort(share)[::-1][:most]
    image = fitted.prepared.parts.left_out.x.shape[1:]
    shape = image if math.prod(image) == len(share) else values.shape[1:]  # pixels by row and column
    return [{"position": [int(i) for i in np.unravel_index(k, shape)], "share": float(share[k])} for k in order]


def _layers(fitted: Fitted) -> dict[str, float]:
    """Complexity with the network's own activations in place of the pass, up to each layer; the first is as certified.

    Where it falls most, the pass loses most: absolute values and the factor of an activation, layer by layer.
    """
    graph, family, scale = fitted.graph, fitted.family, fitted.family.scales(fitted.graph)
    if not isinstance(family, Ellipsoids):  # boxes have no pass that could begin further up
        return {"input": fitted.bound.complexity}
    values, y = fitted.prepared.certified.values[:SOME], fitted.prepared.parts.certified.y[:SOME]
    seen, sizes = activations(graph, values), {}
    for index in (0, *hidden_layers(graph)):
        first = int(graph.offsets[index])
        z = seen[index].reshape(len(values), -1) / np.maximum(scale[first : first + graph.layers[index].size], 1e-300)
        means = (family.form.weights[:, y] @ family.energy_weights(graph, frozen=index).of(z)).T / len(y)
        name = "input" if index == 0 else label(graph.layers[index])
        sizes[name] = float(family.reach(means, 1).sum())
    return {name: size / sizes["input"] * fitted.bound.complexity for name, size in sizes.items()}
