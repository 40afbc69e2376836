"""Data sets as tensors: which images train, which test, and how they were normalised, all said once.

The tensors in a `Dataset` are what both the network and a bound must be given.
"""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from sparsebounds.nets.data.formats import DataError, Images, Labels, read_idx
from sparsebounds.nets.data.sources import SOURCES, Source, Split, read_split

__all__ = ["NAMES", "DataError", "Dataset", "load", "normalise", "read_idx"]

Normalisation = Literal["fixed", "paper"]
FIXED = (0.5, 0.5)  # chosen without looking at any sample
NAMES = tuple(SOURCES)


@dataclass(frozen=True)
class Dataset:
    """A data set with its split fixed and its images normalised: x = (raw/peak − offset)/scale.

    Args:
        name: the data set.
        x_train, x_test: float32 (n, height, width, channels), normalised.
        y_train, y_test: int32 (n,), labels 0..classes−1.
        classes: number of classes C.
        preprocessing: "fixed" if offset and scale were chosen without the sample, "sample" if they are
            statistics of it.
        normalisation: (offset, scale), per channel or one number.
        peak: raw value that stands for 1.
    """

    name: str
    x_train: npt.NDArray[np.float32]
    y_train: Labels
    x_test: npt.NDArray[np.float32]
    y_test: Labels
    classes: int
    preprocessing: Literal["fixed", "sample"]
    normalisation: tuple[float | tuple[float, ...], float | tuple[float, ...]] = FIXED
    peak: int = 255
    _raw: Images | None = field(default=None, repr=False, compare=False)

    @property
    def in_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one image."""
        height, width, channels = self.x_train.shape[1:]
        return height, width, channels

    @property
    def pixel_range(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(lowest, highest) value that a coordinate of x can have, per channel: what 0 and `peak` become."""
        offset, scale = (np.asarray(value, dtype=np.float64) for value in self.normalisation)
        ends = (0.0 - offset) / scale, (1.0 - offset) / scale
        return np.minimum(*ends), np.maximum(*ends)

    def raw_train(self) -> Images:
        """The training images as published: uint8, in the order of `x_train`, values 0..peak.

        Raises:
            DataError: the set was made from arrays that never were bytes.
        """
        if self._raw is None:
            raise DataError(f"{self.name} was not read from byte images; it has no raw images")
        return self._raw


def load(
    name: str,
    data_dir: str | Path | None = None,
    *,
    normalisation: Normalisation = "fixed",
    train: int | None = None,
    test: int | None = None,
    seed: int = 0,
    hub: bool = False,
) -> Dataset:
    """A data set by name, in its published split, normalised.

    x = (raw/peak − offset)/scale, offset = scale = ½ ("fixed") or the constants the papers use ("paper").
    `digits` comes with scikit-learn and is split 1437/360 by a fixed permutation; the others are split by
    their authors.

    Args:
        name: one of `NAMES`.
        data_dir: folder of the published files, or a folder with a subfolder `name`; default
            $SPARSEBOUNDS_DATA. With neither, and with the extra `hub` installed, the set is fetched through
            the `datasets` package.
        normalisation: "fixed" or "paper"; the latter are statistics of the sample, so no certificate
            follows from them.
        train, test: keep so many images, drawn without replacement; None keeps all, in file order.
        seed: of that draw.
        hub: fetch the set over the network, whatever folder is named.

    Returns:
        The data set.

    Raises:
        DataError: unknown name, missing or damaged file, or fewer images than asked for.

    Example:
        >>> data = load("digits", train=100)
        >>> data.x_train.shape, data.preprocessing, float(data.x_train.min())
        ((100, 8, 8, 1), 'fixed', -1.0)
    """
    if name not in SOURCES:
        raise DataError(f"no data set {name!r}; choose one of {', '.join(NAMES)}")
    source = SOURCES[name]
    offset, scale = _constants(name, source, normalisation)
    folders = None if hub else _folders(name, data_dir)
    kept = []
    for part, count in (("train", train), ("test", test)):
        images, labels = read_split(source, part, folders)
        kept.append(_draw(f"{name} {part}", images, labels, count, seed))
    (images, labels), (test_images, test_labels) = kept
    return Dataset(
        name=name,
        x_train=normalise(images, offset, scale, source.peak),
        y_train=labels,
        x_test=normalise(test_images, offset, scale, source.peak),
        y_test=test_labels,
        classes=source.classes,
        preprocessing="fixed" if normalisation == "fixed" else "sample",
        normalisation=(offset, scale),
        peak=source.peak,
        _raw=images,
    )


def normalise(
    images: Images,
    offset: float | Sequence[float] = 0.5,
    scale: float | Sequence[float] = 0.5,
    peak: int = 255,
) -> npt.NDArray[np.float32]:
    """(images/peak − offset)/scale, in float32, per channel (last axis) where offset and scale are sequences.

    Example:
        >>> normalise(np.array([[[[0], [255]]]], np.uint8)).ravel().tolist()
        [-1.0, 1.0]
    """
    x = images.astype(np.float32)
    x /= np.float32(peak)
    x -= np.asarray(offset, np.float32)
    x /= np.asarray(scale, np.float32)
    return x


def _constants(
    name: str, source: Source, normalisation: str
) -> tuple[float | tuple[float, ...], float | tuple[float, ...]]:
    if normalisation == "fixed":
        return FIXED
    if normalisation != "paper":
        raise DataError(f'no normalisation {normalisation!r}; choose "fixed" or "paper"')
    if source.constants is None:
        raise DataError(f'{name} has no published constants; use normalisation "fixed"')
    return source.constants


def _folders(name: str, data_dir: str | Path | None) -> tuple[Path, ...]:
    root = data_dir if data_dir is not None else os.environ.get("SPARSEBOUNDS_DATA")
    return () if not root else (Path(root) / name, Path(root))


def _draw(what: str, images: Images, labels: Labels, count: int | None, seed: int) -> Split:
    if count is None:
        return images, labels
    if not 1 <= count <= len(labels):
        raise DataError(f"{what} has {len(labels)} images, {count} were asked for; ask for 1 to {len(labels)}")
    # RandomState's stream is frozen by NumPy, Generator's is not: a subset must stay the same subset.
    chosen = np.sort(np.random.RandomState(seed).permutation(len(labels))[:count])
    return images[chosen], labels[chosen]


def fingerprint(x: npt.NDArray[np.float32], y: Labels) -> str:
    """A short name for exactly these tensors: what a continued training compares."""
    digest = hashlib.sha256(np.ascontiguousarray(x).data)
    digest.update(np.ascontiguousarray(y).data)
    return digest.hexdigest()[:16]
