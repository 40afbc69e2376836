"""PAGS: the mask of a pruning method, improved layer by layer by further draws of the same method."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from sparsebounds.nets.masks import masks as masking
from sparsebounds.nets.topology.network import LayerTopology, layer_topology, named
from sparsebounds.nets.topology.scores import Convention

Tree = Any


@dataclass(frozen=True)
class PagsResult:
    """What a search found.

    Args:
        masks: the masks, as a nested dict.
        replaced: per draw the paths whose masks were taken from it.
        layers: the scores of the layers at the end.
    """

    masks: Tree
    replaced: tuple[tuple[str, ...], ...]
    layers: tuple[LayerTopology, ...]


def pags(
    draw: Callable[[jax.Array, Any], Tree],
    weights: Tree,
    batches: Sequence[Any],
    key: jax.Array,
    *,
    convention: Convention = "iclr",
    select: Callable[[str, Any], bool] = masking.is_weight,
) -> PagsResult:
    """Draw masks again and again; a layer takes a new mask where neither Δr_imdb nor its full-spectrum score falls.

    Weights are not trained in between. The paper draws on two mini-batches at a time. As a layer may take a mask that
    keeps more or fewer weights, the density of the whole can move; `LayerTopology.density` says where it stands.

    Args:
        draw: draw(key, batch) -> masks with the paths of the weights: a method of pruning at initialisation.
        weights: the parameters at initialisation, or an `nnx.Module`.
        batches: what the draws are made on; the first gives the masks that the others try to improve.
        key: split into one key per draw.
        convention, select: as for `network_topology`.

    Returns:
        The masks. A score that is not defined counts as 0 in the comparison, as in the full-spectrum score.

    Raises:
        ValueError: no batch, or masks that do not fit the weights.

    Example:
        >>> def draw(key, batch):                              # a method that keeps a square of `batch` nodes
        ...     inside = jax.numpy.arange(8) < batch
        ...     return {"kernel": inside[:, None] & inside}
        >>> found = pags(draw, {"kernel": jax.numpy.ones((8, 8))}, [5, 8, 6], jax.random.key(0))
        >>> found.replaced, int(found.masks["kernel"].sum())
        ((('kernel',), ('kernel',), ()), 64)

    Source: Hoang et al., NeurIPS 2023.
    """
    if not len(batches):
        raise ValueError("pags() came without batches; give one for every draw")
    values = named(weights)
    kept: dict[str, Any] = {}
    scored: dict[str, LayerTopology] = {}
    replaced = []
    for key_, batch in zip(jax.random.split(key, len(batches)), batches, strict=True):
        masks = draw(key_, batch)
        masking.check(weights, masks)
        taken = []
        for path, mask in named(masks).items():
            if not select(path, mask):
                kept.setdefault(path, mask)
                continue
            layer = layer_topology(path, mask, values[path], convention)
            if path not in scored or _no_worse(layer, scored[path]):
                kept[path], scored[path] = mask, layer
                taken.append(path)
        replaced.append(tuple(taken))
    return PagsResult(_like(masks, kept), tuple(replaced), tuple(scored.values()))


def _no_worse(new: LayerTopology, old: LayerTopology) -> bool:
    return _or_zero(new.imdb) >= _or_zero(old.imdb) and new.full_spectrum >= old.full_spectrum


def _or_zero(score: float) -> float:
    return 0.0 if math.isnan(score) else score


def _like(tree: Tree, leaves: dict[str, Any]) -> Tree:
    """The leaves in the shape of a tree whose leaves are named alike."""
    structure = jax.tree.structure(masking.parameters(tree))
    return jax.tree.unflatten(structure, [jax.numpy.asarray(leaves[path]) for path in named(tree)])
