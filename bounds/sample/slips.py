"""Data that do not look like those the network was trained on: raw pixels, labels shifted, channels on another axis.

Looked for where the network errs as often as chance, raw pixels always, for with them it may do better than that; said
only if the data that were meant repair it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample.batches import batches
from sparsebounds.bounds.sample.given import Arrays
from sparsebounds.bounds.sample.margins import margins_of

TRIED = 512
"""Samples on which it is tried, spread over all."""
LEAST = 100
"""Fewer samples say nothing about chance."""
CHANCE = 0.9
"""Of the error of a guess: from there on the data are suspected."""
REPAIRED = 0.6
"""Of the error as it came: at most this is left where a change of the data is said to be the remedy."""
NOTICED = 0.05
"""By so much at least the error falls where raw pixels are suspected of a network that does better than chance."""

PIXEL = 64
"""Above it whole numbers look like bytes."""


def slips(network: Network, x: Any, y: np.ndarray, train_error: float) -> tuple[str, ...]:
    """What seems to be wrong with a sample, one sentence each.

    Args:
        network: the network.
        x: (m, …) inputs as they came.
        y: (m,) labels 0..C-1, or -1 and 1.
        train_error: the share of errors on all of them.

    Returns:
        Empty below 100 samples. Where the network does no better than the most frequent class as a constant answer, the
        change that repairs most; a mere question where none does. Where it does better, raw pixels alone.

    Example:
        >>> w = np.eye(3, dtype=np.float32)
        >>> x, y = np.repeat(w, 100, axis=0), np.repeat(np.arange(3), 100)
        >>> slips(Network(lambda x: x @ w), x, (y + 1) % 3, 1.0)[0]
        'the network errs on 100 % of 300 samples, no better than chance; with labels one lower on 0 %: ...'
    """
    y = np.maximum(y, 0)  # -1 and 1 are 0 and 1
    if len(y) < LEAST:
        return ()
    suspected = train_error >= CHANCE * (1.0 - np.bincount(y).max() / len(y))
    chosen = np.linspace(0, len(x) - 1, min(TRIED, len(x))).astype(int)
    inputs, labels = np.asarray(x[chosen]), y[chosen]
    if not suspected and not _raw(inputs):
        return ()
    now = _error(network, inputs, labels)
    if now is None:
        return ()
    changes = _changes(inputs, labels) if suspected else _scales(inputs, labels)
    most = REPAIRED * now if suspected else min(REPAIRED * now, now - NOTICED)
    tried = [(_error(network, changed, meant), what, remedy) for what, remedy, changed, meant in changes]
    found = [(other, what, remedy) for other, what, remedy in tried if other is not None and other <= most]
    chance = ", no better than chance" if suspected else ""
    if found:
        other, what, remedy = min(found)
        said = f"the network errs on {_percent(now)} of {len(labels)} samples{chance}"
        return (f"{said}; with {what} on {_percent(other)}: {remedy}",)
    if not suspected:
        return ()
    classes = len(np.unique(y))
    said = f"the network errs on {_percent(train_error)} of the training samples{chance}"
    return (f"{said} among {classes} classes: are these the data, in the form, that it was trained on?",)


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _changes(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """What may have been meant: its name, what to do, and the data."""
    classes = int(y.max()) + 1
    for shift, word in ((-1, "lower"), (1, "higher")):
        remedy = "labels count from 0 here, were they shifted?"
        yield f"labels one {word}", remedy, x, (y + shift) % max(classes, 2)
    yield from _scales(x, y)
    numbers = x.astype(np.float32)
    low, high = float(numbers.min()), float(numbers.max())
    if -1 <= low and high <= 1:
        remedy = f"they reach from {low:g} to {high:g}, was the network trained on raw numbers?"
        yield "inputs times 255", remedy, numbers * 255, y
        if low >= 0:
            yield "inputs moved to −1…1", remedy.replace("raw numbers", "−1…1"), 2 * numbers - 1, y
    if x.ndim == 4:
        yield "channels moved from the first axis to the last", _axes(x, "last"), np.moveaxis(x, 1, -1), y
        yield "channels moved from the last axis to the first", _axes(x, "first"), np.moveaxis(x, -1, 1), y
        moved = np.moveaxis(x, 1, -1)
        if moved.shape != x.shape:  # the right order of numbers in the shape that came, for networks that flatten
            yield "channels first read as channels last", _axes(x, "last"), moved.reshape(x.shape), y


def _raw(x: np.ndarray) -> bool:
    """Whether they look like pixels that nobody scaled: bytes, or whole numbers as large as those."""
    return x.dtype == np.uint8 or (x.dtype.kind == "f" and x.max() > PIXEL and not (x % 1).any())


def _scales(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[str, str, np.ndarray, np.ndarray]]:
    """Raw pixels in place of 0…1 or −1…1."""
    numbers = x.astype(np.float32)
    low, high = float(numbers.min()), float(numbers.max())
    if low >= 0 and 1 < high <= 255:
        remedy = f"they reach from {low:g} to {high:g}, hand them in as they were in training"
        yield "inputs divided by 255", remedy, numbers / 255, y
        yield "inputs moved to −1…1", remedy, numbers / 127.5 - 1, y


def _axes(x: np.ndarray, meant: str) -> str:
    return f"inputs of shape {x.shape[1:]} came, the network seems to take channels {meant}"


def _error(network: Network, x: np.ndarray, y: np.ndarray) -> float | None:
    """The share of errors; None where the network does not take such data."""
    wrong = 0
    try:
        for batch, labels in batches(network, Arrays(x, y), batch_size=256):
            wrong += int((margins_of(batch.scores, labels) <= 0).sum())
    except Exception:  # the user's function raises what it likes at inputs of another shape
        return None
    return wrong / len(y)
