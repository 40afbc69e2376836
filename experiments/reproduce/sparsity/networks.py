"""The networks of the `sparsity` experiment: what is trained, under which masks, and what these masks know."""

import warnings
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds import nets
from sparsebounds.nets import masks as masking
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.models.strided import StridedNet
from sparsebounds.nets.prune import METHODS, FloorApplied
from sparsebounds.nets.training import MaskedTrainer
from sparsebounds.nets.training.step import batches

Tree = Any
DENSE = "dense"
TRAINED = ("magnitude", "magnitude_layer", "n_of_m")
"""Methods that read the weights of the trained dense network; what they keep goes on training from there."""


@dataclass(frozen=True)
class SparsityConfig:
    """What is trained. The networks have no biases, which some of the theorems do not cover.

    Args:
        dataset: name of a data set of `nets.data.datasets`.
        train: number of training images, None for all.
        widths: channels of the convolutions.
        methods: keys of `nets.prune.METHODS`.
        densities: shares of weights kept; 1 is the dense network, one for all methods.
        seeds: networks per method and density.
        floor: weights that every layer keeps at least.
        scored: training images on which the methods that look at the data score the weights.
        epochs, batch_size, learning_rate, momentum, weight_decay, milestones, decay, loss: as in `nets.TrainConfig`;
            after pruning a trained network it is trained once more in the same way.
        delta: probability that a certificate fails.
        bits: of the quantised Occam bound.
        seed: of everything random.
    """

    dataset: str = "mnist"
    train: int | None = 20000
    widths: tuple[int, ...] = (16, 32, 64)
    methods: tuple[str, ...] = ("magnitude", "random", "erk", "snip", "grasp", "synflow")
    densities: tuple[float, ...] = (1.0, 0.2, 0.1, 0.05, 0.02)
    seeds: int = 2
    floor: int = 16
    scored: int = 128
    epochs: int = 4
    batch_size: int = 64
    milestones: tuple[int, ...] = (2, 3)
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    decay: float = 0.3
    loss: nets.training.config.Loss = "cross_entropy"
    delta: float = 1e-3
    bits: int = 4
    seed: int = 0

    def training(self) -> nets.TrainConfig:
        """The settings of the training."""
        names = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "milestones", "decay", "loss")
        return nets.TrainConfig(**{name: getattr(self, name) for name in names})

    def groups(self) -> list[tuple[str, float, int]]:
        """(method, density, seed) of every network, the dense one of a seed first."""
        sparse = [(method, density) for method in self.methods for density in self.densities if density < 1]
        dense = [(DENSE, 1.0)] if 1.0 in self.densities else []
        return [(method, density, seed) for seed in range(self.seeds) for method, density in dense + sparse]


class Study:
    """Everything that the networks of one run share."""

    def __init__(self, config: SparsityConfig, data: Dataset) -> None:
        self.config, self.data = config, data
        training = config.training()
        tx = training.optimizer(-(-len(data.y_train) // training.batch_size))
        self.trainer = MaskedTrainer(pure(self.build(0))[1], tx, training.loss, data.x_train, data.y_train)
        self.dense = lru_cache(maxsize=1)(self._dense)

    def build(self, seed: int) -> StridedNet:
        """A network before training."""
        return StridedNet(
            self.config.widths,
            in_shape=self.data.in_shape,
            classes=self.data.classes,
            init="flax",
            use_bias=False,
            rngs=nnx.Rngs(1000 * self.config.seed + seed),
        )

    def _dense(self, seed: int) -> Tree:
        """The trained dense network of a seed."""
        start = masking.parameters(self.build(seed))
        return self.fit(start, jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), start), seed)

    def fit(self, params: Tree, masks: Tree, seed: int) -> Tree:
        """Parameters after training."""
        samples, order = len(self.data.y_train), 1000 * self.config.seed + seed
        visits = partial(batches, samples, self.config.batch_size, order)
        return self.trainer.fit(params, masks, visits, self.config.epochs)

    def network(self, method: str, density: float, seed: int) -> tuple[StridedNet, Tree, bool]:
        """A trained network, its masks, and whether its zeros were fixed without looking at the training sample.

        Raises:
            Diverged: the loss became no number.
            ValueError: the mask cannot be made; the message says why.
        """
        model = self.build(seed)
        if method == DENSE:
            masks = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), masking.parameters(model))
            masking.set_parameters(model, self.dense(seed))
            return model, masks, not _zeros(model)
        if method in TRAINED:
            masking.set_parameters(model, self.dense(seed))
        masks = self.masks(model, method, density, seed)
        masking.set_parameters(model, self.fit(masking.parameters(model), masks, seed))
        return model, masks, made_in_advance(method) and _zeros(model) == _zeros(masks)

    def masks(self, model: StridedNet, method: str, density: float, seed: int) -> Tree:
        """Booleans in the tree of the model's parameters."""
        count = self.config.scored
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FloorApplied)  # the weights kept per layer stand in the rows
            return METHODS[method](
                model,
                density,
                batch=(self.data.x_train[:count], self.data.y_train[:count]),
                loss=self.config.loss,
                seed=1000 * self.config.seed + seed,
                floor=self.config.floor,
            )


def made_in_advance(method: str) -> bool:
    """Whether the masks of a method depend on nothing but the start: trained weights and scores know the sample.

    Example:
        >>> [method for method in SparsityConfig().methods if made_in_advance(method)]
        ['random', 'erk', 'synflow']
    """
    return method not in TRAINED and not METHODS[method].data


def _zeros(tree: Any) -> int:
    """How many weights of a model, or entries of masks, are zero: one that became zero is not of the mask."""
    leaves = masking.leaves(masking.parameters(tree))
    return sum(leaves[path].size - int(np.count_nonzero(leaves[path])) for path in masking.kernels(tree))
