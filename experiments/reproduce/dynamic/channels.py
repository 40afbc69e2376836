"""Channel statistics of a mask beside those that chance alone gives a mask with as many weights in every layer."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import hypergeom

from sparsebounds.nets.masks.statistics import SPARSE, summary

Row = dict[str, Any]


def random_below(weights: int, kept: int, channels: int) -> float:
    """Probability that a channel is below 0.8 × its layer's mean density if the kept weights are drawn at random.

    A channel's number of kept weights is then hypergeometric: `kept` of `weights` are drawn, fan-in of them are its.

    Args:
        weights: entries of the layer, `channels` times its fan-in.
        kept: of these, active.
        channels: output channels.

    Returns:
        The exact probability: the expected share of such channels in a random mask.

    Example:
        >>> random_below(4, 2, 2)                              # 2 of 4 weights: none in a channel with 1/6
        0.16666666666666666
    """
    fan_in = weights // channels
    counts = np.arange(fan_in + 1)
    below = counts / fan_in < SPARSE * (kept / weights)
    return float(hypergeom.pmf(counts, weights, kept, fan_in)[below].sum())


def random_spread(weights: int, kept: int, channels: int) -> float:
    """Root mean square of the standard deviation of channel densities if the kept weights are drawn at random.

    √(d(1 − d)/n · (N − n)/(N − 1)) for density d, N weights and fan-in n.

    Example:
        >>> round(random_spread(4, 2, 2) ** 2, 6)              # densities ½, ½ with 2/3, else 1, 0
        0.083333
    """
    fan_in, density = weights // channels, kept / weights
    if weights == fan_in:
        return 0.0
    return math.sqrt(density * (1 - density) / fan_in * (weights - fan_in) / (weights - 1))


def statistics(masks: Any, positions: Mapping[str, int]) -> tuple[Row, list[Row]]:
    """The whole network's row and one per layer.

    Args:
        masks: tree of booleans.
        positions: path → positions that use each weight.

    Returns:
        (network, layers) with the fields of `nets.masks.statistics.summary`, and beside `below` and `spread` what a
        random mask with the same number of weights in every layer has: `below_random` (expectation), `below_sd` (its
        standard deviation, channels taken as independent, which overstates it) and `spread_random`.
    """
    return beside_chance(summary(masks, positions))


def beside_chance(found: Mapping[str, Any]) -> tuple[Row, list[Row]]:
    """`statistics` of a summary that is already there, as in the rows of a training whose mask changes."""
    layers = []
    for layer in found["layers"]:
        size = layer["weights"], layer["kept"], layer["channels"]
        chance = random_below(*size)
        layers.append({
            **layer,
            "below_random": chance,
            "below_sd": math.sqrt(chance * (1 - chance) / layer["channels"]),
            "spread_random": random_spread(*size),
        })  # fmt: skip
    shares = np.array([layer["channels"] for layer in layers]) / found["channels"]
    network = {key: value for key, value in found.items() if key != "layers"} | {
        "layer": "all",
        "kept": sum(layer["kept"] for layer in layers),
        "weights": sum(layer["weights"] for layer in layers),
        "below_random": float(shares @ [layer["below_random"] for layer in layers]),
        "below_sd": float(np.linalg.norm(shares * [layer["below_sd"] for layer in layers])),
    }
    return network, layers
