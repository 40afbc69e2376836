"""What a mask amounts to: densities of layers and of channels, parameters, operations."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from sparsebounds.nets.masks import trees
from sparsebounds.nets.masks.kernel_paths import Given
from sparsebounds.nets.masks.layers import Layers
from sparsebounds.nets.masks.layout import tables

Tree = Any
SPARSE = 0.8  # a channel counts as sparse below this share of its layer's mean density


@dataclass(frozen=True)
class LayerStatistics:
    """One layer under its mask; a channel is one of its outputs, with all that it reads.

    Args:
        layer: path of the weights; of a stack with an index, as in "blocks.kernel[2]".
        weights: entries.
        kept: of these, active.
        density: kept/weights.
        channels: output channels.
        alive: of these, with an active weight.
        spread: standard deviation of the channels' densities.
        relative_spread: spread/density; NaN for an empty layer.
        below: share of the channels with a density below 0.8 × the layer's.
        flops: 2 · kept · positions, or None where positions are not known.
    """

    layer: str
    weights: int
    kept: int
    density: float
    channels: int
    alive: int
    spread: float
    relative_spread: float
    below: float
    flops: int | None


def layer_statistics(
    masks: Tree, positions: Mapping[str, int] | None = None, *, layout: Given = None
) -> list[LayerStatistics]:
    """The statistics of every layer of a mask tree.

    A random mask has channels below 0.8 × the mean as well: compare with one of the same densities.

    Args:
        masks: as from `nets.masks` or `nets.prune`.
        positions: path → positions of one image that use each weight: `model.positions()`.
        layout: the module that the masks belong to, or path → roles, as for `nets.masks.layouts`.

    Returns:
        One record per layer, in the tree's order.

    Example:
        >>> import jax.numpy as jnp
        >>> mask = {"kernel": jnp.array([[True, False], [True, True], [True, False], [True, False]])}
        >>> (one,) = layer_statistics(mask, {"kernel": 10})
        >>> one.density, one.spread, one.below, one.flops
        (0.625, 0.375, 0.5, 100)
    """
    layers, uses = Layers.of(masks, layout), positions or {}
    parts = {name: np.asarray(mask) for name, mask in layers.parts(masks).items()}
    return [
        _one(name, tables(parts[name], own.one()), uses.get(path))
        for path, own in layers.layouts.items()
        for name in layers.names(path)
    ]


def _one(name: str, mask: np.ndarray, positions: int | None) -> LayerStatistics:
    """Of a mask as matrices (groups, inputs, outputs)."""
    kept, channels = int(mask.sum()), mask.mean(axis=1).ravel()
    density, spread = kept / mask.size, float(channels.std())
    return LayerStatistics(
        layer=name,
        weights=mask.size,
        kept=kept,
        density=density,
        channels=len(channels),
        alive=int((channels > 0).sum()),
        spread=spread,
        relative_spread=spread / density if kept else float("nan"),
        below=float((channels < SPARSE * density).mean()),
        flops=None if positions is None else 2 * kept * positions,
    )


def summary(masks: Tree, positions: Mapping[str, int] | None = None, *, layout: Given = None) -> dict[str, Any]:
    """The whole mask in JSON's types: totals, means over channels, and the layers.

    Args:
        masks, positions, layout: as for `layer_statistics`.

    Returns:
        `parameters` (active entries, biases and gains included), `density`, `flops` (multiplications and additions of
        one image, None where unknown), `channels`, `alive`, `below` (share of all channels below 0.8 × their layer's
        density), `layers` (the records of `layer_statistics`).

    Example:
        >>> import jax.numpy as jnp
        >>> summary({"kernel": jnp.ones((4, 2), bool), "bias": jnp.ones(2, bool)})["parameters"]
        10
    """
    layers = layer_statistics(masks, positions, layout=layout)
    channels, weights = sum(layer.channels for layer in layers), sum(layer.weights for layer in layers)
    known = [layer.flops for layer in layers if layer.flops is not None]
    return {
        "parameters": sum(int(np.sum(np.asarray(leaf))) for leaf in trees.leaves(trees.parameters(masks)).values()),
        "density": sum(layer.kept for layer in layers) / weights if weights else 1.0,
        "flops": sum(known) if len(known) == len(layers) else None,
        "channels": channels,
        "alive": sum(layer.alive for layer in layers),
        "below": sum(layer.below * layer.channels for layer in layers) / channels if channels else 0.0,
        "layers": [
            {key: None if value != value else value for key, value in asdict(layer).items()} for layer in layers
        ],
    }
