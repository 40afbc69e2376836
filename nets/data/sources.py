"""Where each data set's images come from: file names, parsers, known hashes, published constants."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparsebounds.nets.data.formats import (
    DataError,
    Images,
    Labels,
    parse_idx,
    read_bytes,
    read_cifar_binary,
    read_cifar_python,
    read_svhn,
)
from sparsebounds.nets.data.hub import from_hub, hub_installed

Split = tuple[Images, Labels]
Folders = tuple[Path, ...]
_IDX = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_CIFAR_PYTHON = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
# Of the decompressed contents, so that a file packed anew by a mirror is still the same file.
MNIST_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@dataclass(frozen=True)
class Source:
    """One data set: its name, how a split ("train" or "test") is read, and its constants (offset, scale)."""

    name: str
    read: Callable[[str, Folders], Split]
    constants: tuple[float | tuple[float, ...], float | tuple[float, ...]] | None
    hub_name: str | None = None
    peak: int = 255
    classes: int = 10


def read_split(source: Source, part: str, folders: Folders | None) -> Split:
    """Images and labels of one split, from files, or from the hub when no folder was named.

    Args:
        source: the data set.
        part: "train" or "test".
        folders: where to look, in this order; empty when the user named none; None when the hub was asked for.

    Raises:
        DataError: a file is missing or damaged, or labels and images disagree.
    """
    if folders is None and source.hub_name and not hub_installed():
        raise DataError(f"{source.name} was to come over the network: install sparsebounds[hub]")
    if not folders and source.hub_name and hub_installed():
        images, labels = from_hub(source.hub_name, part)
    else:
        images, labels = source.read(part, folders or ())
    if len(images) != len(labels) or not len(labels):
        raise DataError(f"{source.name} {part}: {len(images)} images and {len(labels)} labels; need as many, and some")
    if labels.min() < 0 or labels.max() >= source.classes:
        raise DataError(f"{source.name} {part}: labels {labels.min()}..{labels.max()}; need 0..{source.classes - 1}")
    return images, labels


def _find(data_set: str, names: tuple[str, ...], folders: Folders) -> Path:
    """The first existing file among `names` in `folders`."""
    for folder in folders:
        for name in names:
            if (folder / name).is_file():
                return folder / name
    where = f"not in {' or '.join(map(str, reversed(folders)))}" if folders else "needed, and no folder was given"
    raise DataError(
        f"{data_set}: {' or '.join(names)} is {where}; put the published file there and name the folder with "
        "--data-dir or $SPARSEBOUNDS_DATA, or install sparsebounds[hub] and name no folder to download it"
    )


def _digits(part: str, folders: Folders) -> Split:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("digits come with scikit-learn: pip install 'sparsebounds[report]'") from error
    bunch = load_digits()
    # The rows are ordered by writer; a fixed permutation makes train and test one distribution.
    order = np.random.RandomState(0).permutation(len(bunch.target))
    chosen = order[:1437] if part == "train" else order[1437:]
    return bunch.images[chosen, :, :, None].astype(np.uint8), bunch.target[chosen].astype(np.int32)


def _idx(data_set: str, sha256: dict[str, str]) -> Callable[[str, Folders], Split]:
    def read(part: str, folders: Folders) -> Split:
        images, labels = (_idx_file(data_set, name, folders, sha256.get(name)) for name in _IDX[part])
        if images.ndim != 3 or labels.ndim != 1:
            names = " and ".join(_IDX[part])
            raise DataError(
                f"{data_set}: {names} have {images.ndim} and {labels.ndim} axes, not 3 and 1; are they swapped?"
            )
        return images[..., None], labels.astype(np.int32)

    return read


def _idx_file(data_set: str, name: str, folders: Folders, sha256: str | None) -> Images:
    path = _find(data_set, (f"{name}.gz", name), folders)
    raw = read_bytes(path)
    array = parse_idx(raw, str(path))
    if sha256 and (found := hashlib.sha256(raw).hexdigest()) != sha256:
        raise DataError(f"{path} is not {data_set}'s: sha256 of its contents is {found[:16]}…, "
                        f"need {sha256[:16]}…; download it again")  # fmt: skip
    return array


def _svhn(part: str, folders: Folders) -> Split:
    return read_svhn(_find("svhn", (f"{part}_32x32.mat",), folders))


def _cifar10(part: str, folders: Folders) -> Split:
    batches = []
    for name in _CIFAR_PYTHON[part]:
        inside = tuple(f / sub for f in folders for sub in ("", "cifar-10-batches-py", "cifar-10-batches-bin"))
        path = _find("cifar10", (name, f"{name}.bin"), inside)
        batches.append(read_cifar_binary(path) if path.suffix == ".bin" else read_cifar_python(path))
    return np.concatenate([b[0] for b in batches]), np.concatenate([b[1] for b in batches])


SOURCES = {
    source.name: source
    for source in (
        Source("digits", _digits, None, peak=16),
        Source("mnist", _idx("mnist", MNIST_SHA256), (0.1307, 0.3081), "ylecun/mnist"),
        Source("fashion-mnist", _idx("fashion-mnist", {}), (0.2860, 0.3530), "zalando-datasets/fashion_mnist"),
        Source("svhn", _svhn, ((0.4377, 0.4438, 0.4728), (0.1980, 0.2010, 0.1970)), "ufldl-stanford/svhn"),
        Source("cifar10", _cifar10, ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)), "uoft-cs/cifar10"),
    )
}
