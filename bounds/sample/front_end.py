"""Front ends: layers fixed without looking at the sample, whose output is the input of the network that is certified.

A filter bank, a normalisation, a pooling, a centring by images that are left out: all this may stand before a network
at no cost, because the theorems hold for whatever the network receives. What must not happen is that an image of the
sample had a part in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, UInt64

from sparsebounds.bounds.sample.fingerprinting import as_fingerprints, fingerprints
from sparsebounds.bounds.sample.repetitions import input_space
from sparsebounds.bounds.sample.windows import overlapping


@dataclass(frozen=True, eq=False)
class Received:
    """What a network behind a front end receives, and the fingerprints of the inputs that it came from."""

    values: Float32[np.ndarray, "m ..."]
    fingerprints: UInt64[np.ndarray, " m"]
    input_space: float | None = None
    """How many of those inputs are possible, see `bounds.sample.repetitions`; None: unknown."""
    overlapping: float | None = None
    """The share of those inputs that look like windows of one series, see `bounds.sample.windows`; None: unknown."""

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.values.shape)

    def __len__(self) -> int:
        return len(self.values)

    def then(self, apply: Callable[[Any], Any]) -> Received:
        """The same after another fixed function, as behind `FrontEnd.then`."""
        return replace(self, values=np.asarray(apply(self.values), dtype=np.float32))


@dataclass(frozen=True, eq=False)
class FrontEnd:
    """A fixed function of a batch of inputs, and the fingerprints of the inputs that shaped it.

    Args:
        apply: batched function; of constants written down in advance, or computed from the inputs in `shaped_by` alone.
        shaped_by: uint64 (n,), `bounds.sample.fingerprints` of the inputs left out of every sample; none by default.

    Example:
        >>> from sparsebounds import bounds
        >>> left_out, x = np.array([[4.0, 2.0], [6.0, 2.0]]), np.array([[5.0, 3.0], [7.0, 2.0]])
        >>> centred = FrontEnd(lambda x: x - np.array([5.0, 2.0], np.float32), fingerprints(left_out))
        >>> bounds.Sample.measure(lambda v: v, centred.receive(x), np.array([1, 0])).margins.tolist()
        [1.0, 2.0]
        >>> bounds.read_graph(lambda v: v @ np.eye(2, dtype=np.float32), x, front_end=centred).classes
        2
        >>> centred.receive(left_out[:1])
        Traceback (most recent call last):
        ...
        ValueError: 1 of these 1 inputs shaped the front end; needed inputs that had no part in it
    """

    apply: Callable[[Any], Any]
    shaped_by: UInt64[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))

    def __post_init__(self) -> None:
        object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))

    def __call__(self, x: Any) -> jax.Array:
        return self.apply(x)

    def receive(self, x: Any, *, batch_size: int = 1000) -> Received:
        """Pass inputs through, once, in batches.

        Args:
            x: (m, …) inputs as they are before the front end.
            batch_size: inputs at a time.

        Returns:
            What the network receives, float32, for `read_graph`, for training and for `Sample.measure`.

        Raises:
            ValueError: an input that shaped the front end is among them, or an output that is not finite.
        """
        x = np.asarray(x)
        marks = fingerprints(x)
        shared = int(np.isin(marks, self.shaped_by).sum())
        if shared:
            raise ValueError(
                f"{shared} of these {len(x)} inputs shaped the front end; needed inputs that had no part in it"
            )
        return Received(self.outputs(x, batch_size=batch_size), marks, input_space(x), overlapping(x))

    def outputs(self, x: Any, *, batch_size: int = 1000) -> Float32[np.ndarray, "m ..."]:
        """The outputs alone, of any inputs, also of those left out: float32 (m, …)."""
        x, run = np.asarray(x), jax.jit(self.apply)
        starts = range(0, len(x), batch_size)
        parts = [np.asarray(run(x[s : s + batch_size]), dtype=np.float32) for s in starts]
        values = np.concatenate(parts)
        if not np.isfinite(values).all():
            raise ValueError("the front end gives values that are not finite; check it on these inputs")
        return values

    def then(self, apply: Callable[[Any], Any]) -> FrontEnd:
        """This front end followed by another fixed function."""
        return FrontEnd(lambda x: apply(self.apply(x)), self.shaped_by)
