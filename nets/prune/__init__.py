"""Pruning: masks from magnitudes, derivatives, flow, chance or patterns. `METHODS` is what experiments loop over.

Every function returns a mask tree as `nets.masks` and `nets.train` use it: true is kept, biases and gains all kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparsebounds.nets.masks import Given
from sparsebounds.nets.prune.chance import erk, erk_densities, random
from sparsebounds.nets.prune.magnitudes import lottery_ticket, magnitude, rewind
from sparsebounds.nets.prune.patterns import n_of_m, n_of_m_at
from sparsebounds.nets.prune.select import FloorApplied, best
from sparsebounds.nets.prune.sensitivity import Batch, Loss, grasp, iterative_snip, snip
from sparsebounds.nets.prune.synaptic_flow import NotConserved, synflow, synflow_scores

__all__ = [
    "METHODS",
    "Method",
    "magnitude",
    "random",
    "erk",
    "erk_densities",
    "snip",
    "iterative_snip",
    "grasp",
    "synflow",
    "synflow_scores",
    "n_of_m",
    "rewind",
    "lottery_ticket",
    "best",
    "FloorApplied",
    "NotConserved",
]

Tree = Any


@dataclass(frozen=True)
class Method:
    """One way to a mask, called as method(model, density, *, batch, loss, in_shape, seed, floor, layout) -> masks.

    All arguments may be given to all methods; each takes those it uses.

    Args:
        name: in `METHODS`.
        summary: one line.
        source: the paper.
        data: whether it looks at a batch of the sample, so that the mask depends on the data. False is not yet
            `mask_fixed=True` of a bound: magnitudes and patterns of trained weights depend on it all the same.
        uses: names of the keyword arguments it takes.
        function: what is called.
    """

    name: str
    summary: str
    source: str
    data: bool
    uses: tuple[str, ...]
    function: Callable[..., Tree]

    def __call__(
        self,
        model: Any,
        density: float,
        *,
        batch: Batch | None = None,
        loss: Loss = "cross_entropy",
        in_shape: tuple[int, ...] | None = None,
        seed: int = 0,
        floor: int = 0,
        layout: Given = None,
    ) -> Tree:
        given = {"batch": batch, "loss": loss, "in_shape": in_shape, "seed": seed, "floor": floor}
        if in_shape is None and batch is not None:
            given["in_shape"] = tuple(batch[0].shape[1:])
        return self.function(model, density, **{name: given[name] for name in self.uses}, layout=layout)


def _layerwise(model: Any, density: float, *, floor: int, layout: Given) -> Tree:
    return magnitude(model, density, scope="layer", floor=floor, layout=layout)


METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("magnitude", "largest |w|, one threshold for all layers", "Han et al., NeurIPS 2015", False,
               ("floor",), magnitude),
        Method("magnitude_layer", "largest |w|, the same density in every layer", "Han et al., NeurIPS 2015", False,
               ("floor",), _layerwise),
        Method("random", "random, the same density in every layer", "", False, ("seed", "floor"), random),
        Method("erk", "random, Erdős–Rényi-kernel densities per layer", "Evci et al., ICML 2020", False,
               ("seed", "floor"), erk),
        Method("snip", "largest |w · ∂L/∂w| on a batch", "Lee et al., ICLR 2019", True,
               ("batch", "loss", "floor"), snip),
        Method("iterative_snip", "SNIP in 20 rounds", "de Jorge et al., ICLR 2021", True,
               ("batch", "loss", "floor"), iterative_snip),
        Method("grasp", "largest w · H∇L on a batch, under batch normalisation", "Wang et al., ICLR 2020", True,
               ("batch", "loss", "floor"), grasp),
        Method("synflow", "largest |w| · ∂R/∂|w| of the network with absolute weights, 100 rounds",
               "Tanaka et al., NeurIPS 2020", False, ("in_shape", "floor"), synflow),
        Method("n_of_m", "the N largest |w| of every M inputs, N/M the density", "Zhou et al., ICLR 2021", False,
               (), n_of_m_at),
    )
}  # fmt: skip
"""Name → method; magnitudes and patterns read the weights they are given, trained or not."""
