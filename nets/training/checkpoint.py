"""Checkpoints of a training: written beside and then renamed, so that a kill leaves the last whole one."""

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp

from sparsebounds.nets.training.step import State

KEPT = 2
BETWEEN_S = 5.0
"""Between two checkpoints that are not asked for now."""


class Checkpoints:
    """The checkpoints of one training in one folder, named by step.

    Args:
        folder: where; made if it does not exist.
        config: of the training, a record.
        data: fingerprint of the training tensors.
        sparsity: the masks it started from and how they change, in JSON's types; None without masks.
        resume: whether a training found there is to be continued.

    Raises:
        ValueError: a training is there and `resume` is false, or it was made with other settings, tensors or masks.
        OSError: the folder cannot be written.
    """

    def __init__(
        self, folder: str | Path, config: Any, data: str, *, sparsity: dict[str, Any] | None, resume: bool
    ) -> None:
        self.folder = Path(folder).absolute()
        self._identity = {**json.loads(json.dumps(asdict(config))), "data": data, "sparsity": sparsity}
        options = ocp.CheckpointManagerOptions(max_to_keep=KEPT, enable_async_checkpointing=False)
        self._manager = ocp.CheckpointManager(self.folder, options=options)
        self._waits: tuple[State, dict[str, Any]] | None = None
        self._written = time.monotonic()
        if self._manager.latest_step() is not None and not resume:
            raise ValueError(f"{self.folder} holds a training already; resume it or name another folder")

    def save(self, state: State, where: dict[str, Any], *, now: bool = True) -> None:
        """Keep `state`, and `where`: what else a continuation needs, in JSON's types.

        Args:
            state, where: as they are; nobody may change their arrays afterwards.
            now: whether it must be on the disk; otherwise it waits until the last one is BETWEEN_S seconds old, or for
                `close`: of a few samples an epoch takes no longer than a checkpoint.
        """
        self._waits = state, where
        if now or time.monotonic() - self._written >= BETWEEN_S:
            self._write()

    def _write(self) -> None:
        if self._waits is None:
            return
        (state, where), self._waits = self._waits, None
        about = {"identity": self._identity, "where": where}
        self._manager.save(
            int(state.step),
            args=ocp.args.Composite(state=ocp.args.StandardSave(state._asdict()), about=ocp.args.JsonSave(about)),
        )
        self._written = time.monotonic()

    def restore(self, like: State) -> tuple[State, dict[str, Any]] | None:
        """The latest (state, where), or None if there is none.

        Args:
            like: a state of the same shapes.

        Raises:
            ValueError: the training there had other settings, tensors or shapes.
        """
        step = self._manager.latest_step()
        if step is None:
            return None
        about = self._manager.restore(step, args=ocp.args.Composite(about=ocp.args.JsonRestore())).about
        self._check(about["identity"])
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, like._asdict())
        try:
            wanted = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
            found = self._manager.restore(step, args=wanted).state
        except (KeyError, ValueError) as error:
            raise ValueError(f"{self.folder} holds a training of another network; name another folder") from error
        return State(**found), about["where"]

    def close(self) -> None:
        """Write what waits, and release the folder."""
        try:
            self._write()
        finally:
            self._manager.close()

    def _check(self, found: dict[str, Any]) -> None:
        for name, value in self._identity.items():
            # A training may be prolonged: the number of epochs is no part of what the steps so far were.
            if name != "epochs" and found.get(name) != value:
                raise ValueError(f"{self.folder} was trained with {name} = {found.get(name)}, not {value}; "
                                 "give the same settings or name another folder")  # fmt: skip
