"""The ℓ1 path norm of a network with skips, biases and pooling, as a logarithm.

Every weight is replaced by its absolute value, every bias becomes a weight from one more input that is constantly 1,
ReLU becomes the identity, another activation σ its Lipschitz constant and |σ(0)| from that constant input, a max pool
the sum over its window; ones are fed in. What comes out at output r is the sum over all paths from an input to r of the
product of |weights| along the path.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Activation, Layer, Linear, MaxPool, label
from sparsebounds.bounds.graph.memory import per_graph
from sparsebounds.bounds.norms import entries as parts
from sparsebounds.bounds.norms.logs import log_of

SMALLEST = 1e-280
"""Products below this, relative to the largest of a layer, could underflow."""


@dataclass(frozen=True)
class Gains:
    """Path norms, as logarithms."""

    outputs: Float64[np.ndarray, " C"]
    """Of the outputs."""
    largest: float
    """Of what activations read that are not homogeneous, the largest; −inf where there are none."""
    smallest: float
    """Of the same, the smallest that is not 0; inf where there are none."""


def log_path_norms(graph: Graph, *, max_pool: Literal["sum", "max"] = "sum") -> Float64[np.ndarray, " C"]:
    """log of the path norm of every output: log Σ_{paths into r} Π |w_e|.

    Where several terms of one layer read the same element (a linear skip beside a convolution), each is an edge of its
    own.

    Args:
        graph: the network.
        max_pool: "sum" over a window, or "max": K times the largest of the window, K the most elements a window of
            the layer has (the form for which a max pool costs no log K, see the DAG bound).

    Returns:
        float64 (C,), unwritable, exact up to rounding; −inf for an output that no path of non-zero weights reaches.

    Raises:
        ValueError: weights that are not finite, or path sums within one layer that differ by more than 280 decades.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> f = lambda x: jax.nn.relu(x @ jnp.array([[1.0, -2.0], [3.0, 0.0]])) @ jnp.array([[1.0, 0.0], [-1.0, 5.0]])
        >>> np.exp(log_path_norms(bounds.read_graph(f, np.ones((1, 2))))).round(9).tolist()
        [6.0, 10.0]

    Source: Neyshabur, Tomioka, Srebro, COLT 2015; for DAGs with biases and max pooling Gonon, Brisebarre, Riccietti,
    Gribonval, ICLR 2024.
    """
    return log_gains(graph, max_pool=max_pool).outputs


@per_graph
def log_gains(graph: Graph, *, max_pool: Literal["sum", "max"] = "sum") -> Gains:
    """Path norms of the outputs, and the range of those that activations read; arguments as in `log_path_norms`."""
    if max_pool not in ("sum", "max"):
        raise ValueError(f"max_pool={max_pool!r}; needed 'sum' or 'max'")
    logs = np.full(len(graph.layers), -math.inf)  # of the largest value of each layer
    values = np.zeros(int(graph.offsets[-1]) + 1)  # each layer's, divided by its largest; 0 at the end for ABSENT
    values[: graph.offsets[1]], logs[0] = 1.0, 0.0
    top, bottom = -math.inf, math.inf
    for i, layer in graph.computed():
        seen, log, smallest = _common_scale(graph, i, values, logs)
        if isinstance(layer, MaxPool):
            out = _pooled(layer, seen, max_pool)
        elif isinstance(layer, Activation):
            below, function = seen[layer.elements], layer.function
            if not function.homogeneous and below.any():
                top, bottom = max(top, log + math.log(below.max())), min(bottom, log + math.log(_smallest(below)))
            constant = np.full(layer.size, abs(function.at_zero))
            out, log = _with_constant(function.lipschitz * below, constant, log, layer)
        else:
            out, log = _linear(parts.linear_layer(graph, i), seen, log, smallest)
        largest = float(out.max())
        if largest > 0:
            values[graph.offsets[i] : graph.offsets[i + 1]] = out / largest
            logs[i] = log + math.log(largest)
    last = log_of(values[graph.offsets[-2] : graph.offsets[-1]])
    return Gains(last if logs[-1] == -math.inf else last + logs[-1], top, bottom)


def log_path_norm(graph: Graph, *, max_pool: Literal["sum", "max"] = "sum") -> float:
    """log of the path norm summed over all outputs.

    Args:
        graph, max_pool: as in `log_path_norms`.

    Returns:
        Exact up to rounding; −inf for a network that is constantly zero.

    Raises:
        ValueError: as in `log_path_norms`.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> f = lambda x: jax.nn.relu(x @ jnp.array([[1.0, -2.0], [3.0, 0.0]])) @ jnp.array([[1.0, 0.0], [-1.0, 5.0]])
        >>> round(log_path_norm(bounds.read_graph(f, np.ones((1, 2)))), 9) == round(math.log(16), 9)
        True

    Source: see `log_path_norms`.
    """
    return float(np.logaddexp.reduce(log_path_norms(graph, max_pool=max_pool)))


def _common_scale(
    graph: Graph, index: int, values: Float64[np.ndarray, " padded"], logs: Float64[np.ndarray, " layers"]
) -> tuple[Float64[np.ndarray, " padded"], float, float]:
    """The values that layer `index` reads, all divided by exp of one number; that number; the smallest of them."""
    sources = [s for s in graph.sources(index) if logs[s] > -math.inf]
    log = max((logs[s] for s in sources), default=-math.inf)
    seen, smallest = np.zeros(len(values)), math.inf  # of which little is touched
    for s in sources:
        mine, factor = slice(graph.offsets[s], graph.offsets[s + 1]), math.exp(logs[s] - log)
        seen[mine] = values[mine] * factor
        smallest = min(smallest, _smallest(values[mine]) * factor)
    _require(smallest, graph.layers[index])
    return seen, log, smallest


def _linear(
    layer: Linear, seen: Float64[np.ndarray, " padded"], log: float, smallest: float
) -> tuple[Float64[np.ndarray, " size"], float]:
    """Σ of the terms and |bias|, divided by exp of the number that is returned with it."""
    scale = parts.layer_scale(layer)
    for term in layer.terms:
        _require(smallest * (_smallest(term.strengths) / scale), layer)
    out = np.sum([term.apply(seen, lambda w: np.abs(w) / scale) for term in layer.terms], axis=0)
    log, bias = log + math.log(scale), np.zeros(layer.size) if layer.bias is None else np.abs(layer.bias)
    if not np.isfinite(bias).all():
        raise ValueError(f"layer {label(layer)} has biases that are not finite; needed finite ones: retrain it")
    return _with_constant(out, bias, log, layer)


def _with_constant(
    out: Float64[np.ndarray, " size"], constant: Float64[np.ndarray, " size"], log: float, layer: Layer
) -> tuple[Float64[np.ndarray, " size"], float]:
    """exp(log) · out + constant, divided by exp of the number that is returned with it."""
    if not constant.any():
        return out, log
    parts_logs = [log_of(out) + log, log_of(constant)]
    common = max(float(p.max()) for p in parts_logs)
    together = np.sum([np.exp(p - common) for p in parts_logs], axis=0)
    _require(min(1.0, math.exp(min(float(p[p > -math.inf].min(initial=math.inf)) for p in parts_logs) - common)), layer)
    return together, common


def _pooled(layer: MaxPool, seen: Float64[np.ndarray, " padded"], max_pool: str) -> Float64[np.ndarray, " size"]:
    taken = layer.windows(seen)
    return np.concatenate([v.max(axis=1) * layer.window if max_pool == "max" else v.sum(axis=1) for v in taken]).ravel()


def _smallest(values: Float64[np.ndarray, " ..."]) -> float:
    """The smallest |value| that is not zero; inf if there is none."""
    sizes = np.abs(values)
    return float(sizes.min(initial=math.inf, where=sizes > 0))


def _require(smallest: float, layer: Layer) -> None:
    if smallest < SMALLEST:
        raise ValueError(
            f"path sums around layer {label(layer)} differ by more than 280 decades, too many for float64; "
            "rescale its hidden units (the path norm does not change)"
        )
