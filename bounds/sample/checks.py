"""Arrays and labels as a user hands them over, checked before any work is done."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int64

from sparsebounds.bounds.sample.pieces import starts

ONE_LABEL = "bounds here speak of 0/1 errors alone, whether the largest score is that of the one label of a sample"


def check_sample(x: Any, y: Any, *, what: str = "sample", first: int = 0) -> tuple[Any, np.ndarray]:
    """Check everything about a labelled sample that can be seen without its network.

    Args:
        x: (m, …) inputs, any array with a shape.
        y: (m,) integer labels 0..C-1, or −1 and 1.
        what: the sample's name in messages ("test sample").
        first: number of the first of them, where they are a part of the sample.

    Returns:
        x as an array (memory-mapped arrays are not copied) and y as int64, −1 still −1 (see `check_classes`).

    Raises:
        ValueError: an empty sample, different lengths, labels that are not one integer ≥ 0 per sample, or an
            input that is not finite; the message says which and what to do.

    Example:
        >>> check_sample([[0.0], [1.0]], [0, 1])[1]
        array([0, 1])
    """
    for given, kind in ((x, "inputs"), (y, "labels")):
        if np.ma.is_masked(given):
            raise ValueError(f"some {kind} of the {what} are masked; leave these samples out, or fill them in")
    x = np.asarray(x) if isinstance(x, np.ma.MaskedArray) else x
    x = x if hasattr(x, "shape") and hasattr(x, "dtype") else np.asarray(x)
    labels = _labels(y, what)
    if x.ndim < 2:
        raise ValueError(f"the inputs of the {what} have shape {x.shape}; (samples, …) with two or more axes is needed")
    if x.shape[0] == 0 or labels.shape[0] == 0:
        raise ValueError(f"the {what} is empty; at least one sample is needed")
    if x.shape[0] != labels.shape[0]:
        raise ValueError(
            f"the {what} has {x.shape[0]} inputs and {labels.shape[0]} labels; "
            "give one label per input, in the same order"
        )
    if (labels < 0).any() and not (np.abs(labels) == 1).all():
        bad = int(np.flatnonzero(labels < 0)[0])
        raise ValueError(
            f"label {labels[bad]} of sample {first + bad} of the {what} is negative; labels are 0..C-1, or -1 and 1"
        )
    _check_inputs(x, what, first)
    return x, labels


def _labels(y: Any, what: str) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.dtype.kind in "biuf" and (labels.sum(axis=1) > 1).any():
        many = bool(np.isin(labels, (0, 1)).all())
        raise ValueError(
            f"the labels of the {what} have shape {labels.shape} and look like "
            f"{'several labels for one sample' if many else 'the targets of a regression'}; {ONE_LABEL}"
        )
    if labels.ndim == 2:
        hint = "take y.argmax(axis=1)" if labels.shape[1] > 1 else "take y[:, 0]"
        kind = "look one-hot" if labels.shape[1] > 1 else "are a column"
        raise ValueError(f"the labels of the {what} have shape {labels.shape} and {kind}; {hint}")
    if labels.ndim != 1:
        raise ValueError(f"the labels of the {what} have shape {labels.shape}; one integer per sample is needed")
    if labels.dtype.kind not in "iu":
        named = labels.dtype.kind not in "fb"
        raise ValueError(
            f"the labels of the {what} are {'text or objects' if named else labels.dtype}; integers 0..C-1 are needed, "
            "in the order of the network's scores: "
            + ("np.unique(y, return_inverse=True)[1] if that is alphabetical" if named else "y.astype(int)")
            + (f"; these are no whole numbers, as in a regression: {ONE_LABEL}" if _fractions(labels) else "")
        )
    return labels.astype(np.int64)


def _fractions(labels: np.ndarray) -> bool:
    return labels.dtype.kind == "f" and bool((labels % 1 != 0).any())


def _check_inputs(x: Any, what: str, first: int) -> None:
    if np.dtype(x.dtype).kind not in "fiub" and not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"the inputs of the {what} are {x.dtype}; real numbers are needed")
    for where in starts(x):
        part = np.asarray(x[where])
        with np.errstate(over="ignore"):
            narrow = part.astype(np.float32, copy=False)
        finite = np.isfinite(narrow).reshape(part.shape[0], -1).all(axis=1)
        if not finite.all():
            bad = first + where.start + int(np.flatnonzero(~finite)[0])
            raise ValueError(
                f"sample {bad} of the {what} has an input that is not finite in float32; remove or repair it"
            )


def check_classes(
    labels: Int64[np.ndarray, " m"], classes: int, what: str = "sample", first: int = 0
) -> Int64[np.ndarray, " m"]:
    """The labels as 0..C-1, where −1 is the first of two classes; ValueError when one names none of the scores.

    Example:
        >>> check_classes(np.array([-1, 1]), 2)
        array([0, 1])
        >>> check_classes(np.array([0, 3]), 3)
        Traceback (most recent call last):
        ...
        ValueError: label 3 of sample 1 of the sample is outside 0..2: the network returns 3 scores
    """
    if classes == 2:
        labels = np.maximum(labels, 0)
    elif (labels < 0).any():
        raise ValueError(f"the labels -1 and 1 of the {what} name two classes; the network returns {classes} scores")
    if (labels >= classes).any():
        bad = int(np.flatnonzero(labels >= classes)[0])
        raise ValueError(
            f"label {labels[bad]} of sample {first + bad} of the {what} is outside 0..{classes - 1}: "
            f"the network returns {classes} scores"
        )
    return labels
