"""Topology scores of a mask's layers, as one number per network."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sparsebounds.nets.topology.network import SCORES, LayerTopology, network_score, network_topology


def layer_means(layers: Sequence[LayerTopology], names: Iterable[str]) -> dict[str, float]:
    """Of every score the mean over the layers where it is defined; NaN where it is defined in none.

    Args:
        layers: of `nets.topology.network_topology`.
        names: of scores.
    """
    found = {}
    for name in names:
        values = [value for layer in layers if not math.isnan(value := float(getattr(layer, name)))]
        found[name] = float(np.mean(values)) if values else math.nan
    return found


def topology_log(masks: Any, model: Any) -> dict[str, float]:
    """The topology scores of a masked network as a training log for `bounds.measures(…, log=…)`.

    Args:
        masks: of `nets.masks`.
        model: the network that they belong to, or its parameters.

    Returns:
        "topology_" and the name of every score → its mean over the layers where it is defined, NaN where there is none;
        and of all layers together the `full_spectrum`.

    Example:
        >>> masks = {"a": {"kernel": np.ones((6, 6), bool)}}
        >>> round(topology_log(masks, {"a": {"kernel": np.ones((6, 6), np.float32)}})["topology_ramanujan_gap"], 4)
        4.4721
    """
    layers = network_topology(masks, model)
    found = layer_means(layers, SCORES) | {"full_spectrum": network_score(layers)}
    return {f"topology_{name}": value for name, value in found.items()}
