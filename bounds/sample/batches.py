"""One pass over the data in batches: what the network receives and the scores it gives, checked on the way.

Everything that reads a user's arrays goes through here, so that a wrong shape, label or number is one clear
sentence, said before the pass wherever the network is not needed to see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64

from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample.one_score import OneScore


@dataclass(frozen=True)
class Batch:
    """Consecutive samples: where they stand, what the network receives, that and its scores in float64."""

    where: slice
    inputs: jax.Array
    values: Float[np.ndarray, "B ..."]
    scores: Float64[np.ndarray, "B C"]


MOST_NUMBERS = 1 << 25
"""Coordinates of a batch, unless one input has more: 256 MiB."""

SQUEEZED = "squeeze() drops the batch of one: write squeeze(-1), or [:, 0]"


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
        ValueError: scores that are not (batch, C) with C ≥ 2, nor one per input, or not finite; one per input that
            is a probability or a class.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; a whole number of at least 1 is needed")
    network, one = Network.of(f), OneScore()
    for start in range(0, x.shape[0], batch_size):
        where = slice(start, min(start + batch_size, x.shape[0]))
        received = jnp.asarray(x[where])
        with jax.default_matmul_precision("highest"):  # the function that the reader reads, on every device
            scores = _scores(network.compiled(received), where, what)
        one.add(scores)
        yield Batch(where, received, np.asarray(received).astype(np.float64), scores)
    one.check(what)


def _scores(out: Any, where: slice, what: str) -> np.ndarray:
    if isinstance(out, tuple | list | dict) or not hasattr(out, "shape"):
        raise ValueError(f"the network returned a {type(out).__name__}; one array of scores (batch, C) is needed")
    rows = where.stop - where.start
    if jnp.iscomplexobj(out):
        raise ValueError("the network returned complex numbers; real scores are needed, such as their absolute values")
    if out.shape == () and rows == 1:
        raise ValueError(f"the network returned one number without a batch axis for one input; {SQUEEZED}")
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
