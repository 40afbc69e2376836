"""The images of a task: left out, certified, test; and the front end, shaped by the images left out alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.sample.fingerprinting import fingerprints
from sparsebounds.bounds.sample.front_end import FrontEnd, Received
from sparsebounds.experiments.certify.tasks import Task
from sparsebounds.experiments.shared.data import load_data
from sparsebounds.nets.data.filters import cosine_patches, edge_features
from sparsebounds.nets.data.jitter import jittered


@dataclass(frozen=True, eq=False)
class Part:
    """Images of one part and their labels 0..C−1."""

    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class Parts:
    left_out: Part
    certified: Part
    test: Part


@dataclass(frozen=True, eq=False)
class Prepared:
    """What the network receives of every part, and the labels."""

    front_end: FrontEnd
    left_out: np.ndarray
    certified: Received
    test: np.ndarray
    parts: Parts
    rehearsal: Part
    """What a rehearsal is trained on: the images left out, and jittered copies of them."""

    @property
    def m(self) -> int:
        return len(self.parts.certified.y)

    def then(self, apply: Callable[[Any], Any]) -> Prepared:
        """Behind one more fixed function, some inputs at a time."""
        outputs = FrontEnd(apply).outputs
        left, test, more, values = map(outputs, (self.left_out, self.test, self.rehearsal.x, self.certified.values))
        certified = replace(self.certified, values=values)
        return Prepared(self.front_end.then(apply), left, certified, test, self.parts, Part(more, self.rehearsal.y))


def load(task: Task, data_dir: Path | None) -> Parts:
    """The images of a task; the first training images are those left out.

    Args:
        task: which classes, and how many are left out.
        data_dir: folder of the files; None: $SPARSEBOUNDS_DATA.

    Raises:
        Problem: missing or damaged files.
    """
    data = load_data(task.dataset, data_dir)
    n = task.left_out
    left_out, rest = Part(data.x_train[:n], data.y_train[:n]), Part(data.x_train[n:], data.y_train[n:])
    parts = [_of_classes(p, task.digits) for p in (left_out, rest, Part(data.x_test, data.y_test))]
    return Parts(*parts)


def _of_classes(part: Part, digits: tuple[int, ...] | None) -> Part:
    if digits is None:
        return Part(part.x, part.y.astype(np.int64))
    chosen = np.isin(part.y, digits)
    return Part(part.x[chosen], np.searchsorted(np.asarray(digits), part.y[chosen]).astype(np.int64))


def prepare(task: Task, parts: Parts) -> Prepared:
    """Features, clipped at the least and greatest value of the images left out, minus their mean.

    Args:
        task: with filters, or pixels as they are.
        parts: the images.

    Returns:
        Prepared; its front end refuses the images left out.
    """
    base = FrontEnd(_features(task), fingerprints(parts.left_out.x))
    shown = base.outputs(parts.left_out.x)
    low, high, mean = shown.min(axis=0), shown.max(axis=0), shown.mean(axis=0, dtype=np.float64).astype(np.float32)

    def centred(v: Any) -> Any:
        return jnp.clip(v, low, high) - mean

    front_end = base.then(centred)
    left_out = np.asarray(centred(shown), dtype=np.float32)
    more = [front_end.outputs(jittered(parts.left_out.x, task.copies, seed=0))] if task.copies else []
    labels = np.concatenate([parts.left_out.y] * (task.copies + 1))
    return Prepared(
        rehearsal=Part(np.concatenate([left_out, *more]), labels),
        front_end=front_end,
        left_out=left_out,
        certified=front_end.receive(parts.certified.x),
        test=front_end.outputs(parts.test.x),
        parts=parts,
    )


def _features(task: Task) -> Callable[[Any], Any]:
    if task.patches is not None:
        size, stride = task.patches
        return lambda x: cosine_patches(x, size, stride)
    if task.filters is None:
        return (lambda x: x) if task.convs else (lambda x: jnp.reshape(x, (len(x), -1)))
    filters = task.filters
    return lambda x: edge_features((x + 1.0) / 2.0, filters)  # images come as −1..1, the border is black


def energy_clip(
    inputs: np.ndarray, constant: np.ndarray, limits: np.ndarray, maps: Callable[[Any], Any]
) -> Callable[[Any], Any]:
    """v → v·min(1, min_S √((limit_S − constant_S) / Σ_j ω_Sj z_j(v)²)): no weighted energy exceeds its limit.

    Args:
        inputs: ω, (S, K), fixed without looking at the sample.
        constant: (S,).
        limits: (S,), the largest Z_S among the images left out.
        maps: z, homogeneous: what of the inputs is weighed.

    Returns:
        The map, of batches (m, …) of K values.
    """
    weights, room = jnp.asarray(inputs, jnp.float32), jnp.asarray(np.maximum(limits - constant, 0.0), jnp.float32)

    def apply(v: Any) -> Any:
        v = jnp.asarray(v)
        with jax.default_matmul_precision("highest"):  # rounding must stay far below the slack of the stated limits
            z = jnp.square(maps(v).reshape(len(v), -1)) @ weights.T
        factor = jnp.sqrt(jnp.min(room / jnp.maximum(z, jnp.float32(1e-30)), axis=1))
        return v * jnp.minimum(1.0, factor).reshape(-1, *[1] * (v.ndim - 1))

    return apply
