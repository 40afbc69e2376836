"""The numbers of a trained network that the covering theorems round up: norms of its maps, radii of its hulls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sparsebounds.bounds.bound import PIECEWISE_LINEAR, NotCovered
from sparsebounds.bounds.graph.difference import difference
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.layers import Normalise, label
from sparsebounds.bounds.graph.reference import fixed_weights
from sparsebounds.bounds.margin import slopes
from sparsebounds.bounds.margin.contraction import LIPSCHITZ, outputs_in_l2
from sparsebounds.bounds.theorems.passes.chain import homogeneous_chain
from sparsebounds.bounds.theorems.passes.hulls import Hull, Hulls, bias_hull, bias_norm
from sparsebounds.bounds.theorems.passes.maps import Place, biased_layers, learned_terms, term_upper

ASSUMES = (
    "activations with bounded slopes; " + slopes.ASSUMES,
    "max and average pooling are fixed, not learned",
)
COVERS = (*PIECEWISE_LINEAR, "activation", "product", "normalisation", "attention")
"""Roles of the layers that the cover pass has rules for."""
Biases = Callable[[Graph, int], Hull]
"""(graph of the biases, or of their distances from a reference; layer) → their hull."""


@dataclass(frozen=True)
class OwnNumbers:
    """A network as the covering theorems see it, every number its own."""

    graph: Graph
    """Of the outputs: the scores, or the difference of two."""
    lipschitz: float
    """Of the margin in the ℓ2 norm of the outputs."""
    centred: bool
    """Whether distances are taken from zero."""
    norms: Mapping[Place, float]
    """s ≥ ‖A‖ of every learned term."""
    hulls: Mapping[Place, Hull]
    """a of A − A⁰."""
    offsets: Mapping[int, float]
    """η = ‖b‖₂ of every layer with a bias, over all its elements."""
    shifts: Mapping[int, Hull]
    """ζ of b − b⁰."""
    fixed_offsets: Mapping[int, float]
    """‖b⁰‖₂, zero without a reference."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Layers that have something to learn, in order."""
        return tuple(sorted({place.layer for place in self.norms} | set(self.shifts)))

    def kinds(self, layer: int) -> float:
        """Generators of a layer's hull, with both signs."""
        biases = self.shifts[layer].kinds if layer in self.shifts else 0.0
        return sum((hull.kinds for place, hull in self.hulls.items() if place.layer == layer), biases)


def read_numbers(
    graph: Graph,
    reference: object,
    hulls: Hulls,
    *,
    norms: Callable[[Graph, Place], float] = term_upper,
    biases: Biases = bias_hull,
    scores: bool = False,
) -> OwnNumbers:
    """All of them.

    Args:
        graph: the network.
        reference: a Graph of the same structure whose weights were fixed without the sample, or None for zero.
        hulls: of the learned maps.
        norms: Lipschitz constants of the learned maps.
        biases: hulls of the biases.
        scores: whether two scores stay two, as printed theorems have it.

    Returns:
        OwnNumbers.

    Raises:
        NotCovered: no learned map at all.
        ValueError: weights that are not finite, or a reference of another structure.
    """
    moved = graph if reference is None else difference(graph, reference)
    start = fixed_weights(reference)
    outputs, lipschitz = outputs_in_l2(graph)
    if scores:
        lipschitz = LIPSCHITZ
    else:
        graph, moved, start = outputs(graph), outputs(moved), None if start is None else outputs(start)
    biased = biased_layers(graph)
    places = check_layers(graph, absorbed=homogeneous_chain(graph) is not None and (reference is None or not biased))
    return OwnNumbers(
        graph=graph,
        lipschitz=lipschitz,
        centred=start is None,
        norms={place: norms(graph, place) for place in places},
        hulls={place: hulls(moved, place) for place in places},
        offsets={i: bias_norm(graph, i) for i in biased},
        shifts={i: biases(moved, i) for i in biased},
        fixed_offsets={i: 0.0 if start is None else bias_norm(start, i) for i in biased},
    )


def check_layers(graph: Graph, absorbed: bool) -> tuple[Place, ...]:
    """The learned terms; NotCovered where there are none, or where a layer has no Lipschitz constant."""
    for layer in graph.layers:
        if isinstance(layer, Normalise) and not layer.epsilon > 0:
            raise NotCovered(f"{label(layer)} normalises without an ε above 0, which is not Lipschitz")
    places = learned_terms(graph, absorbed)
    if not places:
        raise NotCovered("the network has no learned layer")
    return places
