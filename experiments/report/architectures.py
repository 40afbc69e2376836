"""The networks that `report` can train, by name."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flax import nnx

from sparsebounds import nets
from sparsebounds.nets.data.datasets import Dataset

DEGREE = 4
"""Predecessors of a node in the explicitly connected networks: 2×2 pixels, like the convolutions."""


@dataclass(frozen=True)
class Size:
    """What the command line may choose about a network."""

    depth: int
    width: int
    init: str
    seed: int


@dataclass(frozen=True)
class Architecture:
    """One kind of network.

    Args:
        build: (data, size) → model.
        summary: one line; what depth and width mean.
        depth: default number of hidden layers; None where the size of the image decides.
        width: default number of channels of a hidden node.
        mask_fixed: its connectivity is a choice made before the data are seen.
    """

    build: Callable[[Dataset, Size], Any]
    summary: str
    depth: int | None = 3
    width: int = 32
    mask_fixed: bool = False


def _conv(data: Dataset, size: Size) -> Any:
    return nets.ConvNet(
        size.depth,
        size.width,
        in_shape=data.in_shape,
        classes=data.classes,
        init=size.init,
        rngs=nnx.Rngs(size.seed),
    )


def _mlp(data: Dataset, size: Size) -> Any:
    widths = (math.prod(data.in_shape), *[size.width] * size.depth, data.classes)
    return nets.MLP(widths, init=size.init, rngs=nnx.Rngs(size.seed))


def _local(graph: nets.Connectivity, data: Dataset, size: Size) -> Any:
    return nets.LocalNet(
        graph,
        size.width,
        in_channels=data.in_shape[2],
        classes=data.classes,
        init=size.init,
        rngs=nnx.Rngs(size.seed),
    )


def _tree(data: Dataset, size: Size) -> Any:
    return _local(nets.tree(data.in_shape[:2], DEGREE), data, size)


def _unshared(data: Dataset, size: Size) -> Any:
    return _local(nets.convolutional(data.in_shape[:2], size.depth), data, size)


def _banded(data: Dataset, size: Size) -> Any:
    return _local(nets.banded(math.prod(data.in_shape[:2]), size.depth, reach=2), data, size)


def _random(data: Dataset, size: Size) -> Any:
    nodes = math.prod(data.in_shape[:2])
    return _local(nets.random_regular((nodes,) * (size.depth + 1), DEGREE, seed=size.seed), data, size)


ARCHITECTURES = {
    "conv": Architecture(_conv, "CONV-L-H: depth 2×2 convolutions of width channels, one dense layer"),
    "mlp": Architecture(_mlp, "depth dense hidden layers of width units", depth=2, width=64),
    "tree": Architecture(
        _tree, "each node reads 2×2 nodes of its own, down to one root", depth=None, width=32, mask_fixed=True
    ),
    "unshared": Architecture(_unshared, "connected like conv, weights not shared", width=8, mask_fixed=True),
    "banded": Architecture(_banded, "each node reads itself and two to either side", width=8, mask_fixed=True),
    "random": Architecture(_random, "each node reads 4 nodes drawn at random", width=8, mask_fixed=True),
}
