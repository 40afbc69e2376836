"""The weights of a network at some epochs of its training, so that what was not measured then can be measured later."""

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from sparsebounds.experiments.shared.files import plain, prepare_folder, write_files
from sparsebounds.nets import masks

_ABOUT = "about"


class Weights:
    """One .npz file per epoch in a folder of their own.

    Args:
        folder: where; made when something is stored.

    Example:
        >>> import tempfile
        >>> net = nnx.Linear(2, 3, rngs=nnx.Rngs(0))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     kept = Weights(Path(folder))
        ...     kept.store(4, net, {"loss": 0.5})
        ...     kept.epochs(), kept.restore(4, net)
        ({4}, {'loss': 0.5})
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def epochs(self) -> set[int]:
        """The epochs that are stored."""
        names = (re.fullmatch(r"(\d+)\.npz", path.name) for path in self.folder.glob("*.npz"))
        return {int(name[1]) for name in names if name}

    def store(self, epoch: int, model: nnx.Module, about: Mapping[str, Any]) -> None:
        """Keep the parameters of a model, and what is known of the epoch in JSON's types.

        Raises:
            Problem: the folder cannot be written.
        """
        prepare_folder(self.folder)
        leaves = {str(i): np.asarray(leaf) for i, leaf in enumerate(jax.tree.leaves(masks.parameters(model)))}
        buffer = io.BytesIO()
        np.savez(buffer, **{_ABOUT: np.array(json.dumps(plain(about)))}, **leaves)  # type: ignore[arg-type]
        write_files(self.folder, {f"{epoch}.npz": buffer.getvalue()})

    def restore(self, epoch: int, model: nnx.Module) -> dict[str, Any]:
        """Give the model the parameters of an epoch.

        Args:
            epoch: one of `epochs()`.
            model: of the same architecture.

        Returns:
            What was known of the epoch.
        """
        with np.load(self.folder / f"{epoch}.npz", allow_pickle=False) as found:
            like = masks.parameters(model)
            leaves = [found[str(i)] for i in range(len(jax.tree.leaves(like)))]
            about: dict[str, Any] = json.loads(str(found[_ABOUT]))
        masks.set_parameters(model, jax.tree.unflatten(jax.tree.structure(like), leaves))
        return about
