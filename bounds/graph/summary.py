"""A layer in a few numbers, for people."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int64

from sparsebounds.bounds.graph.layers import Layer


def parameters(layer: Layer) -> int:
    """Numbers that the layer can choose, shared ones once: of its learned maps, scales and biases."""
    numbers = (term.parameters for term in layer.terms)
    count = sum(int(np.size(one)) for one in numbers if one is not None)
    if layer.bias is None:
        return count
    return count + (layer.bias.size if layer.bias_of is None else int(np.unique(layer.bias_of).size))


def summarised(layer: Layer, nodes: int, pred: Int64[np.ndarray, " _nodes"] | None) -> dict[str, Any]:
    """The row of a layer: `pred` are the numbers of predecessors of its nodes, None where it has none to count."""
    parts = [type(part).__name__.lower() for part in layer.terms or ()]
    kind = " + ".join(parts) if parts else layer.kind
    return {
        "layer": layer.name,
        "kind": kind + (" + ReLU" if layer.activated else ""),
        "positions": layer.positions,
        "channels": layer.channels,
        "nodes": nodes,
        "|pred|": "" if pred is None else _range(pred),
        "parameters": parameters(layer),
    }


def _range(pred: Int64[np.ndarray, " _nodes"]) -> str:
    low, high = (int(pred.min()), int(pred.max())) if pred.size else (0, 0)
    return str(high) if low == high else f"{low}–{high}"
