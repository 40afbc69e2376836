"""Data sets of experiments; images at half the resolution where there are many trainings."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsebounds import nets
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.nets.data.datasets import Dataset


def load_data(name: str, data_dir: Path | None, **options: Any) -> Dataset:
    """`nets.data.datasets.load`.

    Raises:
        Problem: missing or damaged files, or fewer images than asked for.
    """
    try:
        return nets.data.datasets.load(name, data_dir, **options)
    except nets.DataError as error:
        raise Problem(one_line(error)) from error


def load_small(
    name: str,
    data_dir: Path | None,
    *,
    train: int | None,
    test: int | None,
    seed: int,
    halved: bool,
    hub: bool = False,
) -> Dataset:
    """A data set of `nets.data.datasets` under its fixed normalisation, at half the resolution if asked.

    Args:
        name: of the data set.
        data_dir: folder of its files.
        train, test: keep so many images; None keeps all.
        seed: of that draw.
        halved: take means over squares of 2×2 pixels, which turns 28×28 into 14×14.
        hub: fetch the set over the network.

    Returns:
        The data set. The mean is a map fixed in advance, and it stays in the pixels' range.

    Raises:
        Problem: missing or damaged files, or fewer images than asked for.
    """
    data = load_data(name, data_dir, train=train, test=test, seed=seed, hub=hub)
    if not halved:
        return data
    return dataclasses.replace(data, x_train=halve(data.x_train), x_test=halve(data.x_test), _raw=None)


def halve(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Means over squares of 2×2 pixels; a last odd row or column is dropped.

    Args:
        images: (n, height, width, channels).

    Returns:
        (n, height // 2, width // 2, channels), float32.

    Example:
        >>> halve(np.array([[1.0, 3.0, 9.0], [5.0, 7.0, 9.0]]).reshape(1, 2, 3, 1)).ravel().tolist()
        [4.0]
    """
    n, height, width, channels = images.shape
    rows, columns = height // 2, width // 2
    squares = images[:, : 2 * rows, : 2 * columns].reshape(n, rows, 2, columns, 2, channels)
    return np.asarray(squares.mean(axis=(2, 4)), np.float32)


def standardise(data: Dataset) -> Dataset:
    """Images with mean 0 and variance 1 over all pixels of the training images, as pruning at initialisation expects.

    Networks without batch normalisation see the background of digits as a large constant otherwise: scores of weights
    then speak of that constant. The two numbers come from the sample, and the data set says so.
    """
    mean, deviation = np.float32(data.x_train.mean()), np.float32(data.x_train.std())
    x_train, x_test = ((x - mean) / deviation for x in (data.x_train, data.x_test))
    return dataclasses.replace(data, x_train=x_train, x_test=x_test, preprocessing="sample", _raw=None)
