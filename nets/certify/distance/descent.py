"""The one loop below: Adam with a cosine over a sample kept on the device, kept by Orbax at the ends of epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from sparsebounds.nets.certify.objective import cosine
from sparsebounds.nets.checks import check_sizes
from sparsebounds.nets.training.checkpoint import Checkpoints
from sparsebounds.nets.training.loop import Diverged
from sparsebounds.nets.training.progress import Bar
from sparsebounds.nets.training.step import State

Tree = Any
Loss = Callable[[Tree, Tree, jax.Array, jax.Array, jax.Array], tuple[jax.Array, Tree]]
"""(what is trained, what is carried along, inputs, labels, key) → loss of the batch, what is carried on."""


@dataclass(frozen=True)
class Descent:
    """How one training runs.

    Args:
        what: its name, for the bar and the folder.
        passes: epochs; the cosine ends with the last one.
        batch_size: samples per step; the last batch of an epoch is filled up with the epoch's first samples.
        rates: learning rate of every branch of what is trained, by name.
        settings: whatever else makes this training another one.

    Raises:
        ValueError: a size below 1 or a rate that is not positive.
    """

    what: str
    passes: int
    batch_size: int
    rates: dict[str, float]
    settings: dict[str, Any]

    def __post_init__(self) -> None:
        check_sizes(epochs=self.passes, batch_size=self.batch_size)
        for rate in self.rates.values():
            if not 0 < rate < float("inf"):
                raise ValueError(f"learning_rate is {rate!r}; need a positive number")

    def adam(self, steps: int) -> optax.GradientTransformation:
        """Adam with a cosine to 0 after `steps`, and a rate for every branch."""
        one = optax.adam(cosine(1.0, steps))

        def update(gradient: Tree, state: Any, params: Tree = None) -> tuple[Tree, Any]:
            updates, state = one.update(gradient, state, params)
            scaled = {
                name: jax.tree.map(lambda u, r=self.rates[name]: u * jnp.asarray(r, u.dtype), branch)
                for name, branch in updates.items()
            }
            return scaled, state

        return optax.GradientTransformation(one.init, update)


def descend(
    start: dict[str, Tree],
    loss: Loss,
    x: Any,
    y: Any,
    plan: Descent,
    *,
    key: jax.Array,
    carried: Tree = (),
    fixed: Tree = (),
    directory: str | Path | None = None,
    progress: bool = True,
) -> tuple[dict[str, Tree], Tree]:
    """Minimise the mean loss over the sample.

    One epoch is one compiled program, a scan over its batches, which are gathered on the device. What an epoch does
    depends on the key and its number alone, so that a continued training ends with the very same numbers.

    Args:
        start: branches of what is trained, each a tree of float arrays.
        loss: of a batch.
        x, y: the sample, as `checked_sample` gives it.
        plan: settings.
        key: of the order of the samples and of all noise.
        carried: statistics that the loss carries along.
        fixed: arrays that the loss closes over, so that a checkpoint of another training is told apart.
        directory: folder for checkpoints, every five seconds, when interrupted and at the end; a training found there
            is continued.
        progress: show a bar on stderr, on a terminal.

    Returns:
        (what was trained, what was carried) after the last step.

    Raises:
        Diverged: the loss is NaN or infinite.
        ValueError: the folder holds another training.
    """
    samples = len(y)
    batch = min(plan.batch_size, samples)
    steps = -(-samples // batch)
    with jax.numpy_dtype_promotion("standard"):  # optax mixes counts and floats
        tx = plan.adam(plan.passes * steps)
        state = ((start, carried), tx.init(start))
        with (
            _Kept(directory, plan, (start, fixed, x, y, jax.random.key_data(key))) as kept,
            Bar(plan.passes, enabled=progress) as bar,
        ):
            state, done = kept.restore(state)
            epoch = _epoch(loss, tx, _chunk(loss, state, x, y, batch, steps))
            for number in range(done, plan.passes):
                order, noise = jax.random.split(jax.random.fold_in(key, number))
                rows = jnp.resize(jax.random.permutation(order, samples), (steps, batch))
                state, value = epoch(state, x, y, rows, noise)
                if not np.isfinite(value):
                    raise Diverged((number + 1) * steps, number + 1, value)
                kept.save(state, number + 1, last=number + 1 == plan.passes)
                bar.update(number + 1, f"{plan.what}: epoch {number + 1}/{plan.passes}, loss {value:.4g}")
    return state[0]


def _chunk(loss: Loss, state: Any, x: jax.Array, y: jax.Array, batch: int, steps: int) -> int:
    """Steps in one program: XLA's own convolutions are ten times slower inside a loop on a CPU than outside."""
    (trained, carried), _ = state
    program = jax.make_jaxpr(loss)(trained, carried, x[:batch], y[:batch], jax.random.key(0))
    return 1 if jax.default_backend() == "cpu" and "conv_general_dilated" in str(program) else steps


def _epoch(loss: Loss, tx: optax.GradientTransformation, chunk: int) -> Callable[..., tuple[Any, float]]:
    """(state, x, y, rows, key) → state and mean loss; a scan over `chunk` steps has its loop inside the program."""

    @jax.jit
    def advance(state: Any, x: Any, y: Any, rows: jax.Array, keys: jax.Array) -> tuple[Any, jax.Array]:
        def one(state: Any, given: Any) -> tuple[Any, jax.Array]:
            (trained, carried), optimiser = state
            index, key = given
            slope = jax.value_and_grad(loss, has_aux=True)
            (value, carried), gradient = slope(trained, carried, x[index], y[index], key)
            updates, optimiser = tx.update(gradient, optimiser, trained)
            return ((optax.apply_updates(trained, updates), carried), optimiser), value

        return lax.scan(one, state, (rows, keys))

    def epoch(state: Any, x: Any, y: Any, rows: jax.Array, key: jax.Array) -> tuple[Any, float]:
        keys, values = jax.random.split(key, len(rows)), []
        for first in range(0, len(rows), chunk):
            part = slice(first, first + chunk)
            state, value = advance(state, x, y, rows[part], keys[part])
            values.append(value)
        return state, float(np.mean(np.concatenate([np.asarray(value, np.float64) for value in values])))

    return epoch


class _Kept:
    """Checkpoints of one training as the list of its arrays; nothing without a folder."""

    def __init__(self, directory: str | Path | None, plan: Descent, given: Tree) -> None:
        self._folder = None
        if directory is not None:
            self._folder = Checkpoints(directory, plan, _digest(given), sparsity=None, resume=True)

    def restore(self, state: Any) -> tuple[Any, int]:
        """The state in the folder and its epochs, or this one and 0."""
        found = None if self._folder is None else self._folder.restore(_packed(state, 0))
        if found is None:
            return state, 0
        leaves, tree = jax.tree.flatten(state)
        back = [
            jax.random.wrap_key_data(new) if _is_key(old) else jnp.asarray(new)
            for old, new in zip(leaves, found[0].params, strict=True)
        ]
        return jax.tree.unflatten(tree, back), int(found[0].step)

    def save(self, state: Any, epochs: int, *, last: bool) -> None:
        """At the end; before that now or later."""
        if self._folder is not None:
            self._folder.save(_packed(state, epochs), {}, now=last)

    def __enter__(self) -> _Kept:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.close()


def _packed(state: Any, epochs: int) -> State:
    leaves = [jax.random.key_data(leaf) if _is_key(leaf) else leaf for leaf in jax.tree.leaves(state)]
    return State(leaves, (), jnp.asarray(epochs, jnp.int32))


def _is_key(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _digest(given: Tree) -> str:
    """A short name for exactly these arrays."""
    digest = hashlib.sha256(str(jax.tree.structure(given)).encode())
    for leaf in jax.tree.leaves(given):
        digest.update(np.ascontiguousarray(np.asarray(leaf)).data)
    return digest.hexdigest()[:16]
