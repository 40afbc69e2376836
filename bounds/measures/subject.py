"""What a measure reads: a network, its scores on the sample, its beginning, and what its training wrote down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from jaxtyping import Float64, Int64, Shaped

from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.reference import Reference
from sparsebounds.bounds.measures.weights import Weights, weights_of
from sparsebounds.bounds.sample.margins import margin_percentile, margins_of

Convention = Literal["robust-measures", "paper"]
CONVENTIONS: tuple[Convention, ...] = ("robust-measures", "paper")


class Undefined(Exception):
    """Raised inside a measure: it cannot be computed of this subject. Becomes a row with NaN and the reason."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained network as a measure sees it.

    Args:
        graph: the network; batch norm folded where the reader folds it.
        scores: (m, C) float64, of the training sample.
        x, y: the sample itself.
        reference: the network before training, or None.
        log: what the training wrote down, by name.
        seed: of everything that is drawn.
        convention: of the searches for σ.
        searched: so many samples at most are searched on.
    """

    graph: Graph
    scores: Float64[np.ndarray, "m C"]
    x: Shaped[np.ndarray, "m ..."]
    y: Int64[np.ndarray, " m"]
    reference: Graph | None = None
    log: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    convention: Convention = "robust-measures"
    searched: int = 2000

    @property
    def m(self) -> int:
        return len(self.y)

    @cached_property
    def margins(self) -> Float64[np.ndarray, " m"]:
        """f_y − max_{r≠y} f_r of every sample."""
        return margins_of(self.scores, self.y)

    @cached_property
    def gamma(self) -> float:
        """|the ⌊m/10⌋-th smallest margin|, the convention of the papers: a negative one becomes positive.

        Raises:
            Undefined: it is 0.
        """
        gamma = margin_percentile(self.margins, 10)
        if gamma == 0:
            raise Undefined("the 10th percentile of the margins is 0, and one divides by it")
        return gamma

    @cached_property
    def weights(self) -> tuple[Weights, ...]:
        """The learned maps of the network, without biases."""
        return weights_of(self.graph)

    @cached_property
    def moved(self) -> tuple[Weights, ...]:
        """The learned maps of the trained network minus those before training.

        Raises:
            Undefined: there is no reference.
        """
        if self.reference is None:
            raise Undefined("no reference was given: the network before training, as reference=")
        return weights_of(difference(self.graph, Reference(self.reference, fixed="before training")))

    def logged(self, name: str) -> float:
        """A quantity of the training log.

        Raises:
            Undefined: it is not there.
        """
        if name not in self.log:
            raise Undefined(f"the training log has no {name}")
        return float(self.log[name])

    @cached_property
    def kept(self) -> dict[Any, Any]:
        """What several measures share; see `once`."""
        return {}


def once(function: Callable[[Subject], Any]) -> Callable[[Subject], Any]:
    """A function of a subject that is computed once for each: a search, a pass over the data.

    An `Undefined` is kept too: a search that failed is not made again.
    """

    def remembered(subject: Subject) -> Any:
        if function not in subject.kept:
            try:
                subject.kept[function] = function(subject), None
            except Undefined as reason:
                subject.kept[function] = None, reason
        found, failed = subject.kept[function]
        if failed is not None:
            raise failed
        return found

    return remembered
