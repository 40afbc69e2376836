"""One pass over the data in batches: what the network receives and the scores it gives, checked on the way.

Everything that reads a user's arrays goes through here, so that a wrong shape, label or number is one clear
sentence, said before the pass wherever the network is not needed to see it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from sparsebounds.bounds.network import Network
from sparsebounds.bounds.sample.batch import Batch
from sparsebounds.bounds.sample.checks import check_classes
from sparsebounds.bounds.sample.given import Given
from sparsebounds.bounds.sample.one_score import OneScore

Progress = Callable[[str, int, int | None], None]
"""What is being done, how many are done, of how many; None where nobody knows."""


MOST_NUMBERS = 1 << 22
"""Coordinates of a batch, unless one input has more: 32 MiB, and what the network makes of them."""

SQUEEZED = "squeeze() drops the batch of one: write squeeze(-1), or [:, 0]"


def batches(
    f: Any, given: Given, *, batch_size: int, progress: Progress | None = None
) -> Iterator[tuple[Batch, Int[np.ndarray, " B"]]]:
    """Run `f` once over a sample, batch by batch, compiled where it can be; on several devices at once.

    Args:
        f: function of one batched input, or a Flax NNX module (which is left as it was).
        given: the sample.
        batch_size: samples per call.
        progress: told of every batch.

    Yields:
        Batch and its labels, in order; inputs as the network receives them (JAX may narrow float64 to float32).

    Raises:
        ValueError: scores that are not (batch, C) with C ≥ 2, nor one per input, or not finite; one per input that
            is a probability or a class.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; a whole number of at least 1 is needed")
    network, one, what = Network.of(f), OneScore(), given.what
    most = max(1, MOST_NUMBERS // max(1, int(np.prod(given.example.shape[1:]))))
    for where, x, labels in given.parts(min(batch_size, most)):
        received = on_devices(jnp.asarray(x))
        with jax.default_matmul_precision("highest"):  # the function that the reader reads, on every device
            scores = _scores(network.compiled(received), where, what)
        if not where.start:
            given.check_classes(scores.shape[1])
        one.add(scores)
        classed = check_classes(labels, scores.shape[1], what, where.start)
        yield Batch(where, received, np.asarray(received).astype(np.float64), scores), classed
        if progress is not None:
            progress(what, where.stop, given.total)
    one.check(what)


def on_devices(received: jax.Array) -> jax.Array:
    """A batch in equal shares on all devices, where it can be divided; the scores of an input need no other input."""
    devices = jax.local_devices()
    if len(devices) == 1 or len(received) % len(devices) or jax.config.values["jax_default_device"] is not None:
        return received
    return jax.device_put(received, NamedSharding(Mesh(np.array(devices), ("batch",)), PartitionSpec("batch")))


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
