"""A labelled sample as it is handed in: arrays, or batches that go by, with what only all of it together shows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from sparsebounds.bounds.sample.checks import check_classes, check_sample
from sparsebounds.bounds.sample.lattice import Lattice
from sparsebounds.bounds.sample.normalised import APPARENT, Coordinates, looks_normalised
from sparsebounds.bounds.sample.probes import PassingProbes, Probing
from sparsebounds.bounds.sample.repetitions import input_space
from sparsebounds.bounds.sample.window_stream import Overlapping
from sparsebounds.bounds.sample.windows import overlapping

PAIRS = "needed batches (x, y), arrays of inputs and of their labels"


class Arrays:
    """All inputs and labels, in memory or mapped from a file; checked before any pass.

    Args:
        x: (m, …) inputs.
        y: (m,) labels.
        what: the sample's name in messages.
    """

    def __init__(self, x: Any, y: Any, what: str = "sample") -> None:
        self.x, self.labels = check_sample(x, y, what=what)
        self.what = what

    @property
    def example(self) -> np.ndarray:
        """One or two inputs."""
        return np.asarray(self.x[:2])

    @property
    def total(self) -> int | None:
        """How many samples there are; None where nobody knows before the pass."""
        return len(self.labels)

    def probing(self, size: int) -> Probing:
        """What keeps probes of inputs of this size."""
        return Probing(self.labels, size)

    def parts(self, rows: int) -> Iterator[tuple[slice, Any, np.ndarray]]:
        """Where they stand, inputs and labels, at most so many at a time."""
        for start in range(0, len(self.labels), rows):
            where = slice(start, min(start + rows, len(self.labels)))
            yield where, self.x[where], self.labels[where]

    def check_classes(self, classes: int) -> None:
        """Raise ValueError where a label names none of the scores."""
        check_classes(self.labels, classes, self.what)

    def believed(self, preprocessing: str, *, numbers: bool = True) -> str:
        """What is said of the constants of the normalisation, "apparent" where "fixed" is not believed."""
        return APPARENT if preprocessing == "fixed" and numbers and looks_normalised(self.x) else preprocessing

    @cached_property
    def input_space(self) -> float:
        """See `bounds.sample.repetitions`."""
        return input_space(self.x)

    @cached_property
    def overlapping(self) -> float:
        """See `bounds.sample.windows`."""
        return overlapping(self.x)


class Batched:
    """Batches (x, y) that are read one after the other; what all of them show is known after the pass.

    Every batch is checked as it comes. The checks of the whole sample are those of `Arrays`, made on the way.

    Args:
        batches: an iterator, or an iterable that can be gone over again.
        what: the sample's name in messages.

    Raises:
        ValueError: no batch, or a first one that is no pair (x, y) of a sample.

    Example:
        >>> given = Batched([(np.zeros((2, 3)), [0, 1]), (np.ones((1, 3)), [1])])
        >>> [(part.start, len(x), y.tolist()) for part, x, y in given.parts(2)], given.input_space
        ([(0, 2, [0, 1]), (2, 1, [1])], 8.0)
    """

    def __init__(self, batches: Iterable[Any], what: str = "sample") -> None:
        iterator = iter(batches)
        self.what, self._again = what, iterator is not batches
        self._least, self._zero = 0, False
        try:
            first = next(iterator)
        except StopIteration:
            raise ValueError(f"the {what} is empty; {PAIRS}") from None
        x, _ = self._checked(first, 0)
        self.example = x[:2].copy()  # a view would keep the whole batch
        self.total: int | None = None
        self._batches: Iterable[Any] = batches if self._again else _put_back([first], iterator)
        self._spent = False
        self._begin()

    def _begin(self) -> None:
        self._lattice, self._coordinates, self._overlapping = Lattice(), Coordinates(), Overlapping()

    def probing(self, size: int) -> Probing:
        """What keeps probes of inputs of this size."""
        return PassingProbes(size)

    def parts(self, rows: int) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Where they stand, inputs and labels, at most so many at a time.

        Raises:
            ValueError: a batch that does not fit, or a second pass over what can be read once.
        """
        if self._spent and not self._again:
            raise ValueError(f"the {self.what} came from an iterator, which is read once; give a list or an iterable")
        self._spent, start = True, 0
        self._begin()
        for batch in self._batches:
            x, labels = self._checked(batch, start)
            for first in range(0, len(labels), rows):
                part = slice(first, first + rows)
                for whole in (self._lattice, self._coordinates, self._overlapping):
                    whole.add(x[part])
                yield slice(start + first, start + first + len(labels[part])), x[part], labels[part]
            start += len(labels)
        self.total = start

    def _checked(self, batch: Any, start: int) -> tuple[np.ndarray, np.ndarray]:
        if not (isinstance(batch, tuple | list) and len(batch) == 2):
            raise ValueError(f"the {self.what} gave a {type(batch).__name__} at sample {start}; {PAIRS}")
        x, labels = check_sample(np.asarray(batch[0]), batch[1], what=self.what, first=start)
        if start:
            self._check_alike(x, start)
        self._least = min(self._least, int(labels.min()))
        zero = self._zero = self._zero or bool((labels == 0).any())
        if self._least < 0 and zero:
            raise ValueError(
                f"the labels of the {self.what} are -1 in some batches and 0 in others; needed 0..C-1, or -1 and 1"
            )
        return x, labels

    def _check_alike(self, x: np.ndarray, start: int) -> None:
        shape, kind = self.example.shape[1:], self.example.dtype
        if x.shape[1:] != shape or x.dtype != kind:
            raise ValueError(
                f"the batch at sample {start} of the {self.what} has inputs {x.dtype} of shape {x.shape[1:]}, and the "
                f"first batch {kind} of shape {shape}; needed the same in all"
            )

    def check_classes(self, classes: int) -> None:
        """Nothing: labels are checked batch by batch."""

    def believed(self, preprocessing: str, *, numbers: bool = True) -> str:
        """As in `Arrays`, after the pass."""
        apparent = preprocessing == "fixed" and numbers and self._coordinates.normalised()
        return APPARENT if apparent else preprocessing

    @property
    def input_space(self) -> float:
        """See `bounds.sample.repetitions`; after the pass."""
        return self._lattice.size()

    @property
    def overlapping(self) -> float:
        """See `bounds.sample.windows`; after the pass."""
        return self._overlapping.share()


def _put_back(taken: list[Any], iterator: Iterator[Any]) -> Iterator[Any]:
    """What was taken, then the rest; nothing is held on to."""
    yield taken.pop()
    yield from iterator


Given = Arrays | Batched


def handed(x: Any, y: Any, what: str = "sample") -> Given:
    """Arrays x and y, or, without y, an iterable of batches (x, y).

    Raises:
        ValueError: a sample that does not fit, or inputs without labels.

    Example:
        >>> handed(np.eye(2), None)
        Traceback (most recent call last):
        ...
        ValueError: the sample has inputs of shape (2, 2) and no labels; needed one label per input, or batches (x, y)
    """
    if isinstance(x, Arrays | Batched):
        return x
    if y is not None:
        return Arrays(x, y, what)
    if hasattr(x, "shape"):
        raise ValueError(
            f"the {what} has inputs of shape {tuple(x.shape)} and no labels; needed one label per input, or batches "
            "(x, y)"
        )
    if not isinstance(x, Iterable) or isinstance(x, str | bytes | dict):
        raise ValueError(f"the {what} is a {type(x).__name__}; {PAIRS}, or x and y")
    return Batched(x, what)
