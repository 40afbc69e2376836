"""The built-in tasks of distance certificates: a data set, a network, and how much is left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds import nets
from sparsebounds.experiments.certify.tasks import EDGES
from sparsebounds.experiments.shared.data import load_data
from sparsebounds.experiments.shared.user_model import Arrays
from sparsebounds.nets.data.filters import edge_features

SIZE = np.float32(30.0)
"""What the filters give is multiplied with, so that Adam's usual steps are long enough. Of the list, networks 5 and 6
were without it, and with random weights to begin with; 7 was this one, with a single factor of the scales; 3 was the
ViT at the whole factor, where the noise of its draw added a quarter to the errors."""
Front = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class DistanceTask:
    """What is certified.

    Args:
        name: of the command line.
        build: the network, as a user's `build` makes it.
        number: its place among the architectures of its data set: it is paid for.
        small: the network of the data-free form; None: the same.
        left_out: share or number of the training images.
        data_free: whether there is a data-free form.
        front: a fixed function of the images that the network reads; None: the images.
        dataset: of `nets.data.datasets`.
        share: of the factor of the scales that noise hardly harms.
    """

    name: str
    build: Callable[[nnx.Rngs], Any]
    number: int
    left_out: float = 0.5
    small: Callable[[nnx.Rngs], Any] | None = None
    front: Front | None = None
    dataset: str = "mnist"
    share: float = 1.0

    @property
    def augment(self) -> Callable[[jax.Array, jax.Array], jax.Array] | None:
        """Jittered images for the reference, where it reads images."""
        return nets.random_jitter() if self.front is None else None

    @property
    def forms(self) -> tuple[str, ...]:
        return ("distance",) if self.small is None else ("distance", "data-free")

    def built(self, form: str) -> Any:
        """The network before any training."""
        build = self.small if form == "data-free" and self.small is not None else self.build
        return build(nnx.Rngs(0))

    def arrays(self, data_dir: Path | None) -> Arrays:
        """The data set behind the front."""
        data = load_data(self.dataset, data_dir)
        front = self.front or (lambda x: x)
        return Arrays(front(data.x_train), data.y_train, front(data.x_test), data.y_test)


def _edges(x: np.ndarray) -> np.ndarray:
    parts = [
        edge_features(jnp.asarray((x[i : i + 2000] + 1.0) / 2.0, jnp.float32), EDGES) for i in range(0, len(x), 2000)
    ]
    return SIZE * np.concatenate([np.asarray(part, np.float32) for part in parts])


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _linear(features: int, *, zeros: bool = False) -> Callable[[nnx.Rngs], Any]:
    """From random weights, or from zeros: what no training image reads stays 0 then."""
    start = nnx.initializers.zeros if zeros else nnx.nn.linear.default_kernel_init
    return lambda rngs: nnx.Linear(features, 10, kernel_init=start, rngs=rngs)


TASKS = {
    task.name: task
    for task in (
        DistanceTask(
            "mnist10-cnn",
            lambda rngs: nets.PooledNet((12, 24), rngs=rngs),
            0,
            small=lambda rngs: nets.PooledNet((6, 12), pools=3, rngs=rngs),
        ),
        DistanceTask("mnist10-gelu", lambda rngs: nets.PooledNet((12, 24), activation="gelu", rngs=rngs), 1, 0.2),
        DistanceTask("mnist10-resnet", lambda rngs: nets.BatchNormResNet(rngs=rngs), 2),
        DistanceTask("mnist10-vit", lambda rngs: nets.ViT(rngs=rngs), 9, share=0.5),
        DistanceTask("mnist10-linear", _linear(784), 4, 5000, front=_flat),
        DistanceTask("mnist10-filters", _linear(1312, zeros=True), 8, 5000, front=_edges),
    )
}

NUMBERS = 1 + max(task.number for task in TASKS.values())
"""Places in the list of networks; whoever tries them all once more goes on behind it."""
