"""A network from an ONNX file, with the data in its order and its scores compared with those of onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.user_model import Arrays
from sparsebounds.nets import onnx


@dataclass(frozen=True, eq=False)
class FromFile:
    """What an ONNX file gives.

    Args:
        f: the network, of images a function with their channels last: their pixels are then its first nodes.
        arrays: the data in its order.
        words: what was compared and turned, for people.
        terms: the largest difference between its scores and those of onnxruntime, for every row of a table.
    """

    f: onnx.OnnxNetwork
    arrays: Arrays
    words: str
    terms: dict[str, float]


def load_onnx(target: str, arrays: Arrays, shape: str | None = None) -> FromFile:
    """The network of a file, and its data.

    Args:
        target: path of the file.
        arrays: images in the order of the file or with their channels last.
        shape: "3,32,32", of one input, where the file leaves it open.

    Raises:
        Problem: the file cannot be read, the inputs are of another shape, or the scores are not onnxruntime's.
    """
    try:
        f = onnx.load(target, _numbers(shape))
        f, turned, note = _in_order(f, target, arrays)
        compared = onnx.compare(f, Path(target), turned.x_train)
    except onnx.OnnxError as error:
        raise Problem(one_line(error)) from error
    words = "; ".join(filter(None, [f"ONNX: {compared}", note, *f.notes]))
    return FromFile(f, turned, words, {"largest difference from onnxruntime": compared.difference})


def _numbers(shape: str | None) -> tuple[int, ...] | None:
    if shape is None:
        return None
    try:
        found = tuple(int(number) for number in shape.split(","))
    except ValueError as error:
        raise Problem(f"--shape {shape}: write the numbers of one input with commas, such as 3,32,32") from error
    if any(n < 1 for n in found):
        raise Problem(f"--shape {shape}: needed whole numbers from 1 on, such as 3,32,32")
    return found


def _in_order(f: onnx.OnnxNetwork, target: str, arrays: Arrays) -> tuple[onnx.OnnxNetwork, Arrays, str]:
    """Images with their channels last, whatever they came as; anything else as the file takes it."""
    given, own = arrays.x_train.shape[1:], f.shape
    last = (*own[1:], own[0])
    if given != own and not (f.images and given == last):
        also = f", or {last} with the channels last" if f.images else ""
        raise Problem(f"the inputs have shape {given}, and one input of {target} has shape {own}{also}: save them so")
    if np.issubdtype(f.program.kind, np.floating) != np.issubdtype(arrays.x_train.dtype, np.floating):
        raise Problem(
            f"the inputs are {arrays.x_train.dtype}, and {target} takes {f.program.kind}: save them as the network "
            "receives them, scaled and converted"
        )
    if not f.images:
        return f, arrays, ""
    if given == last and given != own:
        return f.channels_last(), arrays, f"the inputs came with their channels last and are turned for {target}"
    moved = replace(
        arrays, x_train=np.moveaxis(arrays.x_train, 1, -1),
        x_test=None if arrays.x_test is None else np.moveaxis(arrays.x_test, 1, -1),
    )  # fmt: skip
    return f.channels_last(), moved, ""
