"""What cells train on: images held once per process, from which every cell takes its own part."""

import dataclasses
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsebounds.experiments.shared.data import load_small
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.sweep.grid import Cell
from sparsebounds.nets.data.datasets import Dataset

Pools = dict[str, Dataset]
"""Data set → all images that some cell of the sweep reads, the training images in a random order."""


def load_pools(cells: Iterable[Cell], data_dir: Path | None, *, hub: bool = False) -> Pools:
    """The images of a sweep.

    Args:
        cells: of the sweep, which share their settings.
        data_dir: folder of the data files; None: $SPARSEBOUNDS_DATA.
        hub: fetch them over the network.

    Raises:
        Problem: missing or damaged files, or fewer images than a cell asks for.
    """
    most: dict[str, int] = {}
    settings = None
    for cell in cells:
        name, settings = str(cell.levels["dataset"]), cell.settings
        most[name] = max(most.get(name, 0), int(cell.levels["train"]))
    if settings is None:
        return {}
    chosen: dict[str, Any] = {"test": settings.test or None, "seed": settings.subset, "halved": settings.halved}
    pools = {}
    for name, train in most.items():
        data = load_small(name, data_dir, train=train, hub=hub, **chosen)
        order = np.random.RandomState(settings.subset).permutation(train)
        pools[name] = dataclasses.replace(data, x_train=data.x_train[order], y_train=data.y_train[order], _raw=None)
    return pools


def sample_of(cell: Cell, pools: Pools) -> Dataset:
    """The images of one cell: the first `train` of the pool, a share `label_noise` of all labels changed.

    Test labels are changed like training labels: both are drawn from one distribution, of which the bounds speak.

    Raises:
        Problem: the pools do not hold its data set.
    """
    name, train = str(cell.levels["dataset"]), int(cell.levels["train"])
    if name not in pools:
        raise Problem(f"this worker has no images of {name}: it was not prepared for this sweep")
    pool, share = pools[name], float(cell.levels["label_noise"])
    subset = cell.settings.subset
    return dataclasses.replace(
        pool,
        x_train=pool.x_train[:train],
        y_train=noisy(pool.y_train, share, pool.classes, f"{subset} train")[:train],
        y_test=noisy(pool.y_test, share, pool.classes, f"{subset} test"),
    )


def noisy(labels: npt.NDArray[np.int32], share: float, classes: int, seed: str) -> npt.NDArray[np.int32]:
    """Labels of which each is replaced with probability `share` by one of the other classes.

    The labels that a smaller share changes are changed by a larger one too.

    Example:
        >>> y = np.zeros(1000, np.int32)
        >>> changed = noisy(y, 0.2, 10, "0")
        >>> round(float((changed != y).mean()), 1), changed.min(), changed.max()
        (0.2, np.int32(0), np.int32(9))
    """
    random = np.random.RandomState(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big"))
    chance, step = random.random_sample(len(labels)), random.randint(1, classes, len(labels))
    return np.where(chance < share, (labels + step) % classes, labels).astype(np.int32)
