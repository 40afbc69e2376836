"""One pass over the data in batches: what the network receives and the scores it gives, checked on the way.

Everything that reads a user's arrays goes through here, so that a wrong shape, label or number is one clear
sentence, said before the pass wherever the network is not needed to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

_SINGLE_OUTPUT = (
    "this is a single-output network; margins need two scores: return (0, f), "
    "for instance jnp.stack([jnp.zeros_like(f), f], axis=-1)"
)


@dataclass(frozen=True)
class Batch:
    """Consecutive samples: where they stand, what the network receives, that and its scores in float64."""

    where: slice
    inputs: jax.Array
    values: np.ndarray
    scores: np.ndarray


def check_sample(x: Any, y: Any, *, what: str = "sample") -> tuple[Any, np.ndarray]:
    """Check everything about a labelled sample that can be seen without its network.

    Args:
        x: (m, …) inputs, any array with a shape.
        y: (m,) integer labels 0..C-1.
        what: the sample's name in messages ("test sample").

    Returns:
        x as an array (memory-mapped arrays are not copied) and y as int64.

    Raises:
        ValueError: an empty sample, different lengths, labels that are not one integer ≥ 0 per sample, or an
            input that is not finite; the message says which and what to do.

    Example:
        >>> check_sample([[0.0], [1.0]], [0, 1])[1]
        array([0, 1])
    """
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
    if (labels < 0).any():
        first = int(np.flatnonzero(labels < 0)[0])
        raise ValueError(f"label {labels[first]} of sample {first} of the {what} is negative; labels are 0..C-1")
    _check_inputs(x, what)
    return x, labels


def _labels(y: Any, what: str) -> np.ndarray:
    labels = np.asarray(y)
    if labels.ndim == 2:
        hint = "take y.argmax(axis=1)" if labels.shape[1] > 1 else "take y[:, 0]"
        kind = "look one-hot" if labels.shape[1] > 1 else "are a column"
        raise ValueError(f"the labels of the {what} have shape {labels.shape} and {kind}; {hint}")
    if labels.ndim != 1:
        raise ValueError(f"the labels of the {what} have shape {labels.shape}; one integer per sample is needed")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"the labels of the {what} are {labels.dtype}; integers 0..C-1 are needed (y.astype(int))")
    return labels.astype(np.int64)


def _check_inputs(x: Any, what: str, rows: int = 4096) -> None:
    if np.dtype(x.dtype).kind not in "fiub" and not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"the inputs of the {what} are {x.dtype}; real numbers are needed")
    for start in range(0, x.shape[0], rows):
        part = np.asarray(x[start : start + rows])
        with np.errstate(over="ignore"):
            narrow = part.astype(np.float32, copy=False)
        finite = np.isfinite(narrow).reshape(part.shape[0], -1).all(axis=1)
        if not finite.all():
            bad = start + int(np.flatnonzero(~finite)[0])
            raise ValueError(
                f"sample {bad} of the {what} has an input that is not finite in float32; remove or repair it"
            )


def check_classes(labels: np.ndarray, classes: int, what: str = "sample") -> None:
    """Raise ValueError when a label does not name one of the network's `classes` scores.

    Example:
        >>> check_classes(np.array([0, 3]), 3)
        Traceback (most recent call last):
        ...
        ValueError: label 3 of sample 1 of the sample is outside 0..2: the network returns 3 scores
    """
    if (labels >= classes).any():
        first = int(np.flatnonzero(labels >= classes)[0])
        raise ValueError(
            f"label {labels[first]} of sample {first} of the {what} is outside 0..{classes - 1}: "
            f"the network returns {classes} scores"
        )


def batches(f: Any, x: Any, *, batch_size: int, what: str = "sample") -> Iterator[Batch]:
    """Run `f` once over `x`, batch by batch, compiled where it can be.

    Args:
        f: function of one batched input, or a Flax NNX module (which is left as it was).
        x: (m, …) inputs.
        batch_size: samples per call.
        what: the sample's name in messages.

    Yields:
        Batch, in order; inputs as the network receives them (JAX may narrow float64 to float32).

    Raises:
        ValueError: scores that are not (batch, C) with C ≥ 2, or not finite.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; a whole number of at least 1 is needed")
    call = _Caller(f)
    for start in range(0, x.shape[0], batch_size):
        where = slice(start, min(start + batch_size, x.shape[0]))
        received = jnp.asarray(x[where])
        scores = _scores(call(received), where, what)
        yield Batch(where, received, np.asarray(received).astype(np.float64), scores)


class _Caller:
    """Calls f compiled; falls back to f itself when it cannot be traced (its own errors then surface)."""

    def __init__(self, f: Any) -> None:
        if isinstance(f, nnx.Module):
            definition, state = nnx.split(f)
            if _hashable(definition):
                # The weights are arguments: other weights of the same architecture do not compile again.
                self.plain, self.compiled = _of_module(definition, state, _run), _of_module(definition, state, _RUN)
                self.jittable: bool | None = None
                return
            f = _of_module(definition, state, _run)
        if not callable(f):
            raise ValueError(f"the network is a {type(f).__name__}; a function of one batched input is needed")
        self.plain, self.compiled = f, jax.jit(f)
        self.jittable = None

    def __call__(self, x: jax.Array) -> Any:
        if self.jittable is None:
            try:
                out = jax.block_until_ready(self.compiled(x))
                self.jittable = True
                return out
            except Exception:  # whatever stopped the compilation, the plain call decides what the user is told
                self.jittable = False
        return self.compiled(x) if self.jittable else self.plain(x)


def _run(definition: Any, state: Any, x: jax.Array) -> Any:
    return nnx.merge(definition, state, copy=True)(x)  # a copy: batch norm in training mode writes to itself


_RUN = jax.jit(_run, static_argnums=0)


def _of_module(definition: Any, state: Any, run: Callable[..., Any]) -> Callable[[jax.Array], Any]:
    return lambda x: run(definition, state, x)


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _scores(out: Any, where: slice, what: str) -> np.ndarray:
    if isinstance(out, tuple | list | dict) or not hasattr(out, "shape"):
        raise ValueError(f"the network returned a {type(out).__name__}; one array of scores (batch, C) is needed")
    rows = where.stop - where.start
    if out.shape == (rows,) or out.shape == (rows, 1):
        raise ValueError(f"the network returned scores of shape {out.shape}: {_SINGLE_OUTPUT}")
    if out.ndim != 2 or out.shape[0] != rows:
        raise ValueError(
            f"the network returned shape {tuple(out.shape)} for {rows} inputs; "
            f"({rows}, C) is needed: one score per class"
        )
    scores = np.asarray(out).astype(np.float64)
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        bad = where.start + int(np.flatnonzero(~finite)[0])
        raise ValueError(f"the network's scores for sample {bad} of the {what} are not finite; no margin can be taken")
    return scores


def margins_of(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Margin f_y − max_{r≠y} f_r of every row.

    Args:
        scores: (B, C) float64, C ≥ 2.
        labels: (B,) integers 0..C-1.

    Returns:
        (B,) float64.

    Example:
        >>> margins_of(np.array([[1.0, 3.0, 2.0]]), np.array([1]))
        array([1.])
    """
    rows = np.arange(len(labels))
    others = scores.copy()
    others[rows, labels] = -np.inf
    return scores[rows, labels] - others.max(axis=1)
