"""Readers of the files in which image data sets are published: IDX, MATLAB 5 and CIFAR-10's batches.

Every reader returns unsigned 8-bit images of shape (n, height, width, channels), or int32 labels, and raises
`DataError` when the file is missing, cut short or not of its format.
"""

import gzip
import io
import math
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from scipy.io import loadmat

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int32]

_IDX_UBYTE = 0x08
_CIFAR_SHAPE = (3, 32, 32)  # planes first, as the files store them
_CIFAR_ROW = 1 + 3 * 32 * 32


class DataError(ValueError):
    """A data file that is missing, cut short, corrupt or of another format; one line says what to do."""


def read_bytes(path: Path) -> bytes:
    """The contents of a file, decompressed if its name ends in `.gz`.

    Args:
        path: the file.

    Returns:
        All bytes.

    Raises:
        DataError: the file cannot be read, or its compression is damaged.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}; check the path and its rights") from error
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is not a complete gzip file ({error}); download it again") from error


def parse_idx(raw: bytes, name: str) -> npt.NDArray[np.uint8]:
    """The array of an IDX file: magic 0 0 8 ndim, then ndim big-endian sizes, then one byte per entry.

    Args:
        raw: contents of the file, decompressed.
        name: what to call the file in an error.

    Returns:
        uint8 array of the shape the header gives.

    Raises:
        DataError: another format, another type of entry, or another length than the header promises.

    Example:
        >>> parse_idx(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]), "labels")
        array([7, 9], dtype=uint8)
    """
    if len(raw) < 4 or raw[0] or raw[1] or raw[2] != _IDX_UBYTE or raw[3] == 0:
        start = raw[:4].hex(" ") or "nothing"
        raise DataError(f"{name} is no IDX file of bytes: it starts with {start}; give the publisher's file")
    header = 4 + 4 * raw[3]
    if len(raw) < header:
        raise DataError(f"{name} ends inside its header, after {len(raw)} bytes of data; download it again")
    shape = tuple(int.from_bytes(raw[at : at + 4], "big") for at in range(4, header, 4))
    entries = math.prod(shape)  # in Python's integers: a damaged header may promise anything
    if len(raw) - header != entries:
        found = len(raw) - header
        raise DataError(f"{name} has {found} bytes of data, not the {entries} its header says; download it again")
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)


def read_idx(path: Path | str) -> npt.NDArray[np.uint8]:
    """`parse_idx` of a file, plain or `.gz`."""
    return parse_idx(read_bytes(Path(path)), str(path))


def read_svhn(path: Path | str) -> tuple[Images, Labels]:
    """Images and labels of one of SVHN's cropped-digit files.

    It holds `X` of shape (32, 32, 3, n) and `y`, in which the digit 0 is labelled 10.

    Raises:
        DataError: no MATLAB 5 file, or without `X` and `y` of these shapes.
    """
    raw = read_bytes(Path(path))
    content = _guarded(lambda: loadmat(io.BytesIO(raw), variable_names=["X", "y"]), path, "MATLAB 5 file")
    if not {"X", "y"} <= content.keys():
        raise DataError(f"{path} has no variables X and y; give SVHN's train_32x32.mat or test_32x32.mat")
    images, labels = np.asarray(content["X"]), np.asarray(content["y"]).reshape(-1)
    if images.ndim != 4 or images.dtype != np.uint8 or images.shape[3] != len(labels):
        raise DataError(
            f"{path} holds X of shape {images.shape} and {images.dtype} for {len(labels)} labels; "
            "need bytes of shape (32, 32, 3, number of labels)"
        )
    return np.ascontiguousarray(np.moveaxis(images, 3, 0)), (labels % 10).astype(np.int32)


def read_cifar_python(path: Path | str) -> tuple[Images, Labels]:
    """Images and labels of one of CIFAR-10's Python batches: a pickled dict with `data` and `labels`.

    Raises:
        DataError: no such pickle.
    """
    raw = read_bytes(Path(path))
    content = _guarded(lambda: _NumpyUnpickler(io.BytesIO(raw), encoding="bytes").load(), path, "CIFAR-10 batch")
    if not isinstance(content, dict) or not {b"data", b"labels"} <= content.keys():
        raise DataError(f"{path} has no entries data and labels; give one of CIFAR-10's python batches")
    data, labels = np.asarray(content[b"data"]), np.asarray(content[b"labels"])
    if data.dtype != np.uint8 or data.shape != (len(labels), _CIFAR_ROW - 1):
        raise DataError(
            f"{path} holds data of shape {data.shape} and {data.dtype} for {len(labels)} labels; "
            f"need bytes of shape ({len(labels)}, {_CIFAR_ROW - 1})"
        )
    return _planes_last(data), labels.astype(np.int32)


def read_cifar_binary(path: Path | str) -> tuple[Images, Labels]:
    """Images and labels of one of CIFAR-10's binary batches: per image a label byte and 3·32·32 pixels.

    Raises:
        DataError: a length that is no multiple of 3073, or a label above 9.
    """
    raw = read_bytes(Path(path))
    if not raw or len(raw) % _CIFAR_ROW:
        raise DataError(f"{path} has {len(raw)} bytes, no positive multiple of {_CIFAR_ROW}; download it again")
    rows = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _CIFAR_ROW)
    if rows[:, 0].max() > 9:
        raise DataError(f"{path} holds label {rows[:, 0].max()}, CIFAR-10's end at 9; download it again")
    return _planes_last(rows[:, 1:]), rows[:, 0].astype(np.int32)


def _planes_last(rows: npt.NDArray[np.uint8]) -> Images:
    return np.ascontiguousarray(rows.reshape(-1, *_CIFAR_SHAPE).transpose(0, 2, 3, 1))


class _NumpyUnpickler(pickle.Unpickler):
    """Unpickles NumPy arrays and plain containers only: a data file has no business naming other code."""

    _ALLOWED = frozenset(
        {("_reconstruct", "multiarray"), ("ndarray", "numpy"), ("dtype", "numpy"), ("_frombuffer", "numeric"),
         ("encode", "_codecs")}
    )  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (name, module.rsplit(".", 1)[-1]) in self._ALLOWED and module.split(".")[0] in {
            "numpy",
            "_codecs",
        }:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"names {module}.{name}")


T = TypeVar("T")


def _guarded(read: Callable[[], T], path: Path | str, kind: str) -> T:
    """`read()`, with whatever a parser raises on a damaged file turned into a DataError."""
    try:
        return read()
    except DataError:
        raise
    except Exception as error:  # scipy and pickle raise a dozen types on damaged input
        said = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is not a complete {kind} ({said}); download it again") from error
