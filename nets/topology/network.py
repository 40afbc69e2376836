"""Topology of a whole network: the scores of every masked layer, their means, and how many are defined."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsebounds.nets import masks as masking
from sparsebounds.nets.masks import Layout
from sparsebounds.nets.topology.bipartite_graph import bipartite
from sparsebounds.nets.topology.scores import Convention, Score, imdb, imsg, length, narc, ramanujan_gap, spectral_gap

Tree = Any
SCORES = ("ramanujan_gap", "ramanujan_gap_normalised", "imdb", "imdb_normalised", "narc", "spectral_gap", "imsg")
"""The fields of `LayerTopology` that can be undefined."""


@dataclass(frozen=True)
class LayerTopology:
    """Scores of one layer.

    Args:
        path: of the layer's mask in the tree; of a stack with an index, as in "blocks.kernel[2]".
        density: share of weights kept.
        left, right: nodes with an edge: input features and outputs.
        d_left, d_right: their mean degrees.
        ramanujan_gap, ramanujan_gap_normalised, imdb, imdb_normalised, narc, spectral_gap, imsg: as the functions of
            these names; NaN with a `reason` where not defined.
        full_spectrum: ‖(Δr, Δr_imdb, λ, λ_imsg)‖₂, what is not defined counted as 0.
    """

    path: str
    density: float
    left: int
    right: int
    d_left: float
    d_right: float
    ramanujan_gap: Score
    ramanujan_gap_normalised: Score
    imdb: Score
    imdb_normalised: Score
    narc: Score
    spectral_gap: Score
    imsg: Score
    full_spectrum: float

    def row(self) -> dict[str, Any]:
        """All fields by name, scores as plain floats, for a table."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)} | {
            name: float(getattr(self, name)) for name in SCORES
        }


def layer_topology(
    path: str, mask: Any, weights: Any, convention: Convention = "iclr", layout: Layout | None = None
) -> LayerTopology:
    """All scores of one layer.

    Args:
        path: its name.
        mask: booleans (in, out) or (window…, in, out), or as `layout` says.
        weights: of the same shape.
        convention: as for `ramanujan_gap`.
        layout: as for `bipartite`.
    """
    graph, weighted = bipartite(mask, layout=layout), bipartite(mask, weights, layout=layout)
    chosen: dict[str, Any] = {"convention": convention}
    gap, mean_gap = ramanujan_gap(graph, **chosen), imdb(graph, **chosen)
    weighted_gap, mean_weighted_gap = spectral_gap(weighted, **chosen), imsg(weighted, **chosen)
    return LayerTopology(
        path=path,
        density=float(np.mean(mask)),
        left=graph.left,
        right=graph.right,
        d_left=graph.d_left,
        d_right=graph.d_right,
        ramanujan_gap=gap,
        ramanujan_gap_normalised=ramanujan_gap(graph, normalised=True, **chosen),
        imdb=mean_gap,
        imdb_normalised=imdb(graph, normalised=True, **chosen),
        narc=narc(graph),
        spectral_gap=weighted_gap,
        imsg=mean_weighted_gap,
        full_spectrum=length((gap, mean_gap, weighted_gap, mean_weighted_gap)),
    )


def network_topology(
    masks: Tree,
    weights: Tree = None,
    *,
    convention: Convention = "iclr",
    select: masking.Select | None = None,
    layout: masking.Given = None,
) -> list[LayerTopology]:
    """The scores of every selected layer of a tree of masks.

    Args:
        masks: nested dict of booleans with the paths of the parameters, as of `nets.masks`.
        weights: the parameters, or an `nnx.Module`; of weight-normalised layers the kernels they apply count. None:
            every kept weight counts 1.
        convention: as for `ramanujan_gap`.
        select: (path, mask) -> whether a layer counts; by default kernels, not biases and gains.
        layout: the module that the masks belong to, where `weights` is none, or path → roles, as for
            `nets.masks.layouts`.

    Returns:
        One `LayerTopology` per layer, in the order of the tree; one for each layer of a stack.

    Raises:
        ValueError: masks and weights that do not fit, a kernel whose axes are not known, a convolution of which only
            its name and shape are known, which do not say its groups, or a layer of explicit predecessors, whose mask
            alone does not say which inputs its weights read.

    Example:
        >>> layers = network_topology({"a": {"kernel": np.ones((6, 6), bool)}, "b": {"kernel": np.eye(6, dtype=bool)}})
        >>> [(layer.path, layer.ramanujan_gap.reason[:12]) for layer in layers]
        [('a.kernel', ''), ('b.kernel', 'mean degrees')]
        >>> defined_share(layers)["ramanujan_gap"]
        0.5
    """
    if weights is not None:
        masking.check(weights, masks)
    found = []
    for name, (mask, values, own) in layers_of(masks, weights, select, layout).items():
        found.append(layer_topology(name, mask, values, convention, own))
    return found


def layers_of(
    masks: Tree, weights: Tree, select: masking.Select | None, layout: masking.Given
) -> dict[str, tuple[Any, Any, Layout]]:
    """Mask, weights (or the mask again) and layout of every selected layer, by name."""
    described = masks if weights is None else weights
    arrays = named(masks)
    wanted = None if select is None else lambda path, _: select(path, arrays[path])
    chosen = masking.kernels(described, layout, select=wanted)
    for path, own in chosen.items():
        if {"group", "window"} <= set(own.axes):
            raise ValueError(f"{path} is a layer of explicit predecessors; give its 0-1 matrix to bipartite()")
        if not own.groups:
            said = " ".join(own.axes)
            raise ValueError(f"{path} is a convolution, and nothing says in how many groups; give the nnx.Module that "
                             f"owns it (layout=model), or layout={{'{path}': '{said}'}} for one, '{said} groups=4' "
                             "for four")  # fmt: skip
    layers = masking.Layers(chosen, {path: arrays[path].shape for path in chosen})
    if weights is not None:
        masking.check_stored(weights, layout)
    kernels = arrays if weights is None else named(masking.applied(weights, layout))
    parts, values = layers.parts(arrays), layers.parts(kernels)
    return {name: (parts[name], values[name], own) for name, own in layers.each.items()}


def network_score(layers: Sequence[LayerTopology]) -> float:
    """The full-spectrum score of a network: the mean over its layers; NaN without layers.

    Example:
        >>> round(network_score(network_topology({"kernel": np.ones((5, 5), bool)})), 3)     # ‖(4, 4, 5, 5)‖
        9.055

    Source: Hoang et al., NeurIPS 2023, as in the authors' released code.
    """
    return float(np.mean([layer.full_spectrum for layer in layers])) if layers else math.nan


def defined_share(layers: Sequence[LayerTopology]) -> dict[str, float]:
    """For every score the share of layers for which it is defined; NaN without layers."""
    return {
        name: float(np.mean([not math.isnan(getattr(layer, name)) for layer in layers])) if layers else math.nan
        for name in SCORES
    }


def named(tree: Tree) -> dict[str, Any]:
    """Path → array of a nested dict of parameters or masks, or of an `nnx.Module`."""
    return {path: np.asarray(leaf) for path, leaf in masking.leaves(masking.parameters(tree)).items()}
