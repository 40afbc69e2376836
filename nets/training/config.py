"""How a network is trained: one frozen record, and the papers' settings by name."""

import math
from dataclasses import dataclass
from typing import Literal

import jax
import optax

from sparsebounds.nets.checks import check_sizes

Loss = Literal["mse", "cross_entropy"]


@dataclass(frozen=True)
class TrainConfig:
    """Settings of stochastic gradient descent.

    The step is PyTorch's SGD: g = gradient + weight_decay·w, buffer b ← momentum·b + g, w ← w − lr·b.
    Every parameter decays: v, gains and biases too.

    Args:
        epochs: passes over the sample.
        batch_size: images per step; the last batch of an epoch holds what is left.
        learning_rate: at the start.
        momentum, weight_decay: 0 switches them off.
        milestones: epochs after which the rate is multiplied by `decay`.
        decay: that factor.
        loss: "mse" (mean over samples and classes of (score − one-hot)²) or "cross_entropy".
        seed: of the order in which samples are visited.

    Raises:
        ValueError: a number outside its range, naming it.

    Example:
        >>> TrainConfig(epochs=0)
        Traceback (most recent call last):
            ...
        ValueError: epochs is 0; need an integer of at least 1
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 0.0
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    loss: Loss = "mse"
    seed: int = 0

    def __post_init__(self) -> None:
        check_sizes(epochs=self.epochs, batch_size=self.batch_size)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed!r}; need an integer from 0 to 2**32 - 1")
        limits = {"learning_rate": math.inf, "momentum": 1.0, "weight_decay": math.inf, "decay": math.inf}
        for name, limit in limits.items():
            value = getattr(self, name)
            if not 0 <= value < limit:
                raise ValueError(f"{name} is {value!r}; need a number from 0 up to {limit}, not included")
        if list(self.milestones) != sorted(set(self.milestones)) or any(m < 1 for m in self.milestones):
            raise ValueError(f"milestones is {self.milestones}; need rising epochs from 1 on")
        if self.loss not in ("mse", "cross_entropy"):
            raise ValueError(f'loss is {self.loss!r}; choose "mse" or "cross_entropy"')

    def optimizer(self, steps_per_epoch: int) -> optax.GradientTransformation:
        """The optax optimiser; milestones are counted in steps."""
        boundaries = {epoch * steps_per_epoch: self.decay for epoch in self.milestones}
        schedule = optax.piecewise_constant_schedule(self.learning_rate, boundaries)

        def rate(count: jax.Array) -> jax.Array:
            with jax.numpy_dtype_promotion("standard"):  # optax compares the int count with floats
                return schedule(count)

        sgd = optax.sgd(rate if boundaries else self.learning_rate, momentum=self.momentum or None)
        return optax.chain(optax.add_decayed_weights(self.weight_decay), sgd) if self.weight_decay else sgd


# The authors' README and settings file disagree; each is a preset. Data: "paper" normalisation, as it is.
PRESETS: dict[str, TrainConfig] = {
    "paper-readme": TrainConfig(
        epochs=500, learning_rate=0.01, momentum=0.9, weight_decay=3e-3, milestones=(60, 120, 160), decay=0.1
    ),
    "paper-settings": TrainConfig(
        epochs=510, learning_rate=0.01, momentum=0.0, weight_decay=8e-4, milestones=(60, 100, 300), decay=0.2
    ),
    "quick": TrainConfig(epochs=30, learning_rate=0.05, momentum=0.9, weight_decay=3e-3, milestones=(20,)),
}
