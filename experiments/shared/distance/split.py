"""Which samples shape the reference and which are certified: decided without a look at a label or an input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.user_model import Arrays

ORDER = 0
"""Seed of the order of the samples, the same for everybody: no split can be picked by it."""
VALIDATION = 0.1
"""Share of the samples left out on which the scales are settled, and the reference is not trained."""


@dataclass(frozen=True, eq=False)
class Split:
    """Samples by what they may do.

    Args:
        x, y: all of them.
        reference: indices of those that the reference is trained on.
        validation: of those left out that it is not trained on; the factor of the scales is settled there.
        certified: of those that the certificate speaks of.
        x_test, y_test: of no part in anything; (0, …) without them.
        classes: C.
    """

    x: np.ndarray
    y: np.ndarray
    reference: np.ndarray
    validation: np.ndarray
    certified: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: int

    @property
    def left_out(self) -> np.ndarray:
        """Indices of all that shape the prior."""
        return np.concatenate([self.reference, self.validation])

    def training_on(self, which: np.ndarray) -> Split:
        """With other samples for the reference: all certified ones for a training that belongs to the posterior."""
        return replace(self, reference=which)

    def part(self, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x and y of some indices."""
        return self.x[which], self.y[which]


def split(arrays: Arrays, left_out: float, *, saw: np.ndarray | None = None) -> Split:
    """The samples in a fixed random order, the first ones left out.

    Args:
        arrays: the data.
        left_out: share of the training samples, or from 1 on their number; 0: none.
        saw: indices of samples that a given reference was trained on: left out in any case, and those of `left_out`
            beside them.

    Raises:
        Problem: inputs or labels that are none, a class without certified or without left-out samples, too few samples.
    """
    x, y = _inputs(arrays.x_train, "x"), _labels(arrays.y_train, len(arrays.x_train), "y")
    test = (x[:0], y[:0])
    if arrays.x_test is not None and len(arrays.x_test):
        test = (_inputs(arrays.x_test, "x_test", x), _labels(arrays.y_test, len(arrays.x_test), "y_test"))
    order = np.random.default_rng(ORDER).permutation(len(y))
    seen = np.zeros(len(y), dtype=bool)
    seen[[] if saw is None else saw] = True
    fresh = order[~seen[order]]
    n = round(left_out * len(fresh)) if left_out < 1 else int(left_out)
    left, certified = fresh[:n], fresh[n:]
    held = left[: max(round(VALIDATION * n), 1)] if saw is None else left
    trained = np.concatenate([np.flatnonzero(seen), left[len(held) :]])
    classes = int(max(y.max(), test[1].max(initial=0))) + 1
    _check_labels(y, classes)
    found = Split(x, y, trained, held, certified, *test, classes)
    _check_classes(found, n)
    return found


def read_ids(said: str, samples: int) -> np.ndarray:
    """What `--reference-saw` names: the numbers of the samples that a reference was trained on.

    Args:
        said: "none", or the path of an .npy file.
        samples: how many there are.

    Raises:
        Problem: no such file, or other numbers than indices of samples.
    """
    if said == "none":
        return np.zeros(0, dtype=np.int64)
    path = Path(said)
    if not path.is_file():
        raise Problem(f"--reference-saw {said}: no such file; give none, or an .npy file with numbers of samples")
    try:
        ids = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Problem(f"{path} cannot be read as .npy ({one_line(error)}): save it with numpy.save") from error
    if not isinstance(ids, np.ndarray):
        raise Problem(f"{path} is an .npz archive: save the one array with numpy.save, as .npy")
    if ids.dtype.kind not in "iu" or ids.ndim != 1 or (ids.size and not 0 <= ids.min() <= ids.max() < samples):
        raise Problem(
            f"{path} holds {ids.dtype} of shape {ids.shape}: it needs whole numbers from 0 to {samples - 1}, those of "
            "the samples that the reference was trained, tuned or chosen on"
        )
    return np.unique(ids).astype(np.int64)


def _labels(y: np.ndarray | None, samples: int, name: str) -> np.ndarray:
    found = np.asarray(y)
    if found.shape != (samples,):
        raise Problem(f"{name} has shape {found.shape} for {samples} samples: it needs one label for each")
    if not samples:
        raise Problem(f"{name} is empty: there is nothing to certify")
    if found.dtype.kind not in "iub" or found.min() < 0 or found.max() > np.iinfo(np.int32).max:
        given = f", from {found.min()} to {found.max()}" if found.dtype.kind in "iubf" else ""
        raise Problem(f"{name} is {found.dtype}{given}: it needs whole numbers 0..C-1, a class each")
    return found.astype(np.int32)


def _inputs(given: np.ndarray, name: str, like: np.ndarray | None = None) -> np.ndarray:
    """Finite numbers; whole ones become float32 here, since trainings and certificate must see the same inputs."""
    x = np.asarray(given)
    if x.dtype.kind not in "fiub" or x.ndim < 2:
        raise Problem(f"{name} is {x.dtype} of shape {x.shape}: it needs real numbers of shape (m, …), a row for each")
    if like is not None and x.shape[1:] != like.shape[1:]:
        raise Problem(f"{name} has inputs of shape {x.shape[1:]}, x has {like.shape[1:]}: they need the same")
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    with np.errstate(over="ignore"):
        bad = next((i for i, one in enumerate(x) if not np.isfinite(one.astype(np.float32)).all()), None)
    if bad is not None:
        raise Problem(f"{name} holds numbers in sample {bad} that are not finite: repair it, or leave it out")
    return x


def _check_labels(y: np.ndarray, classes: int) -> None:
    """Labels that no choice of --left-out could put right."""
    if classes > len(y):
        raise Problem(f"labels reach {classes - 1}, with {len(y)} samples: y needs whole numbers 0..C-1, a class each")
    absent = np.flatnonzero(np.bincount(y, minlength=classes) == 0)
    if len(absent):
        raise Problem(
            f"no sample of class {absent[0]} is there, and labels reach {classes - 1}: number the classes 0..C-1, each "
            "with samples"
        )


def _check_classes(found: Split, count: int) -> None:
    for name, part in (("certified", found.certified), ("left out", found.left_out)):
        if name == "left out" and not count:
            continue
        missing = np.flatnonzero(np.bincount(found.y[part], minlength=found.classes) == 0)
        if len(missing):
            raise Problem(
                f"no sample of class {missing[0]} is {name} ({len(part)} samples): choose another --left-out, or give "
                "more samples"
            )
