"""Images as the authors of Figure 1 give them to their networks, and what their formulas read from them."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsebounds import nets
from sparsebounds.experiments.reproduce.conv.published_inputs import MEAN, STD, ImageNumbers, measure_images
from sparsebounds.experiments.shared import data as data_sets
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.nets.data.datasets import Dataset

NORMALISATIONS = 10**8
"""Pairs of a mean and a deviation in [0, 1) with four decimals: what a certificate has to pay for when one of them is
chosen by the sample. Each pair is a map fixed in advance, so the theorem holds for all of them with δ/10⁸ each."""
TYPED_SAMPLES, TYPED_IMAGES = 50000, 60000
"""The authors' code says n = 50000 where 60000 images are used; other sample sizes keep that ratio."""


@dataclass(frozen=True)
class FigureData:
    """A data set under the authors' normalisation.

    Args:
        dataset: images (x − 0.1307)/0.3081. It is labelled "fixed": whoever computes certificates from it spends
            δ/`NORMALISATIONS`.
        images: what the formulas as coded read from the raw training images.
        samples: their n.
    """

    dataset: Dataset
    images: ImageNumbers
    samples: int


def load_data(name: str, data_dir: Path | None, *, train: int | None, seed: int) -> FigureData:
    """A grey data set, whatever its name under the constants of MNIST.

    Args:
        name: of a data set of `nets.data.datasets` with one channel.
        data_dir: folder of its files.
        train: keep so many training images, drawn with `seed`.
        seed: of that draw.

    Raises:
        Problem: missing or damaged files, or images in colour.
    """
    data = data_sets.load_data(name, data_dir, train=train, seed=seed)
    if data.in_shape[2] != 1:
        raise Problem(f"{name} has {data.in_shape[2]} channels; the figure's formulas read grey images: take mnist")
    raw = data.raw_train()
    test = np.rint((data.x_test * 0.5 + 0.5) * data.peak).astype(np.uint8)  # `load` normalises by (x − ½)/½
    return FigureData(
        dataset=dataclasses.replace(
            data,
            x_train=nets.data.datasets.normalise(raw, MEAN, STD, data.peak),
            x_test=nets.data.datasets.normalise(test, MEAN, STD, data.peak),
            normalisation=(MEAN, STD),
            preprocessing="fixed",
        ),
        images=measure_images(as_bytes(raw[..., 0], data.peak)),
        samples=max(1, round(len(raw) * TYPED_SAMPLES / TYPED_IMAGES)),
    )


def as_bytes(raw: npt.NDArray[np.uint8], peak: int) -> npt.NDArray[np.uint8]:
    """Images whose largest value is 255, which is what the formulas as coded read.

    Example:
        >>> as_bytes(np.array([0, 4, 16], np.uint8), 16).tolist()
        [0, 64, 255]
    """
    return np.rint(raw * (255 / peak)).astype(np.uint8)
