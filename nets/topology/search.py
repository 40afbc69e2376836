"""PAGS: the mask of a pruning method, improved layer by layer by further draws of the same method."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from sparsebounds.nets import masks as masking
from sparsebounds.nets.topology.network import LayerTopology, layer_topology, layers_of, named
from sparsebounds.nets.topology.scores import Convention

Tree = Any


@dataclass(frozen=True)
class PagsResult:
    """What a search found.

    Args:
        masks: the masks, as a nested dict.
        replaced: per draw the layers whose masks were taken from it.
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
    select: masking.Select | None = None,
    layout: masking.Given = None,
) -> PagsResult:
    """Draw masks again and again; a layer takes a new mask where neither Δr_imdb nor its full-spectrum score falls.

    Weights are not trained in between. The paper draws on two mini-batches at a time. As a layer may take a mask that
    keeps more or fewer weights, the density of the whole can move; `LayerTopology.density` says where it stands.

    Args:
        draw: draw(key, batch) -> masks with the paths of the weights: a method of pruning at initialisation.
        weights: the parameters at initialisation, or an `nnx.Module`.
        batches: what the draws are made on; the first gives the masks that the others try to improve.
        key: split into one key per draw.
        convention, select, layout: as for `network_topology`; every layer of a stack is taken by itself.

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
    kept: dict[str, Any] = {}
    scored: dict[str, LayerTopology] = {}
    replaced: list[tuple[str, ...]] = []
    first: Tree = None
    for key_, batch in zip(jax.random.split(key, len(batches)), batches, strict=True):
        masks = draw(key_, batch)
        masking.check(weights, masks)
        taken = []
        for name, (mask, values, own) in layers_of(masks, weights, select, layout).items():
            layer = layer_topology(name, mask, values, convention, own)
            if name not in scored or _no_worse(layer, scored[name]):
                kept[name], scored[name] = mask, layer
                taken.append(name)
        first = first if replaced else masks
        replaced.append(tuple(taken))
    return PagsResult(_with_layers(first, weights, kept, select, layout), tuple(replaced), tuple(scored.values()))


def _with_layers(
    masks: Tree, weights: Tree, kept: dict[str, Any], select: masking.Select | None, layout: masking.Given
) -> Tree:
    """The first draw's masks with the layers that were kept in place of its own."""
    params = masking.parameters(masks)
    chosen = masking.kernels(weights, layout, select=select)
    shapes = {path: leaf.shape for path, leaf in named(masks).items() if path in chosen}
    arrays = masking.Layers(chosen, shapes).whole(kept)
    return masking.with_leaves(jax.tree.map(jax.numpy.asarray, params), jax.tree.map(jax.numpy.asarray, arrays))


def _no_worse(new: LayerTopology, old: LayerTopology) -> bool:
    return _or_zero(new.imdb) >= _or_zero(old.imdb) and new.full_spectrum >= old.full_spectrum


def _or_zero(score: float) -> float:
    return 0.0 if math.isnan(score) else score
