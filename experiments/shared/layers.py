"""Topology scores of a mask's layers, as one number per network."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from sparsebounds.nets.topology.network import LayerTopology


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
