"""Axes of the ellipsoids that hold the rows of the last layer: part of the class, so fixed without the sample."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.head import read_head
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.fingerprints import as_fingerprints


@dataclass(frozen=True)
class HeadWeights:
    """Axes of the ellipsoids that hold the rows of the last layer, fixed without looking at the sample."""

    name: str
    tau2: np.ndarray | None = None
    """float64 (rows of the form, head nodes) or (head nodes,): τ_{S,i}²; None for ones."""
    form: MarginForm | None = None
    """The form whose rows these are; None where every row has the same."""
    guess: float | None = None
    """scale/γ around which the grid lies; None: what the architecture suggests."""
    shaped_by: np.ndarray | None = None
    """Fingerprints of the samples that the axes come from, none of which may be certified; None without any."""

    def __post_init__(self) -> None:
        if self.tau2 is not None and not (np.isfinite(self.tau2).all() and (np.asarray(self.tau2) > 0).all()):
            raise ValueError(f"the weights {self.name!r} hold τ² that are not finite or not above 0; needed axes")
        if self.guess is not None and not 0.0 < self.guess < math.inf:
            raise ValueError(f"the weights {self.name!r} guess scale/γ = {self.guess}; needed a number above 0")
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))

    def fits(self, form: MarginForm, nodes: int) -> bool:
        """Whether the axes are those of this form and of so many nodes."""
        if self.form is not None and not np.array_equal(self.form.rows, form.rows):
            return False
        return self.tau2 is None or self.tau2.shape in ((nodes,), (len(form.rows), nodes))

    def of(self, rows: int, nodes: int) -> np.ndarray:
        """τ² of every row and node."""
        return np.ones((rows, nodes)) if self.tau2 is None else np.broadcast_to(self.tau2, (rows, nodes))


UNIFORM = HeadWeights("uniform")


def centred_windows(graph: Graph, widths: Sequence[float] = (0.2, 0.3)) -> list[HeadWeights]:
    """Gaussian windows around the centre of a square image: τ² = exp(−r²/2σ²) + 0.02, σ a share of the side.

    Args:
        graph: a network whose last layer reads one layer of n × n positions.
        widths: σ/n, written down in advance.

    Returns:
        One per width, to be given to `certificate` beside `UNIFORM`; empty where the positions are no square.

    Example:
        >>> from sparsebounds.bounds import read_graph
        >>> f = lambda x: x.reshape(len(x), -1) @ np.ones((9, 2), np.float32)
        >>> (window,) = centred_windows(read_graph(f, np.ones((1, 3, 3, 1), np.float32)), [0.5])
        >>> window.name, int(window.tau2.argmax()), len(window.tau2)
        ('window of width 0.5', 4, 9)
    """
    head = read_head(graph)
    sources = graph.layer_of(head.elements)
    layer = graph.layers[sources[0]] if len(sources) == 1 else None
    side = 0 if layer is None else math.isqrt(layer.positions)
    if layer is None or side < 2 or side * side != layer.positions:
        return []
    first = np.zeros(len(head.nodes), dtype=np.int64)
    first[head.node_of[::-1]] = head.elements[::-1]  # the first element of each node
    position = (first - int(graph.offsets[sources[0]])) // layer.channels
    r2 = sum(np.square(v - (side - 1) / 2) for v in np.divmod(position, side))
    return [
        HeadWeights(f"window of width {width:g}", np.exp(-r2 / (2 * (width * side) ** 2)) + 0.02) for width in widths
    ]
