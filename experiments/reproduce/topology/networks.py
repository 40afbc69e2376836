"""The networks of the `topology` experiment: residual, all layers of one width, cheap enough for many trainings."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets import prune
from sparsebounds.nets.data.datasets import Dataset
from sparsebounds.nets.models.batch_norm import with_batch_norm
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.models.init import dense
from sparsebounds.nets.models.residual import Block, ChannelNormConv
from sparsebounds.nets.training import MaskedTrainer
from sparsebounds.nets.training.step import make_error

STRIDES = (1, 2, 2)
METHODS = ("erk", "random", "snip", "grasp", "synflow", "iterative_snip")
NORMED = ("snip", "iterative_snip")
"""Methods that are scored under batch normalisation here; GraSP always is."""


class SmallResNet(nnx.Module):
    """A stem of stride 2, three residual blocks of strides 1, 2, 2 and a dense layer; every layer `width` channels.

    The graphs of a mask need many channels, not many positions: at 14×14 pixels the blocks work on 7×7, 4×4 and 2×2.

    Args:
        width: channels.
        in_shape: (height, width, channels) of an image.
        classes: number C of scores.
        rngs: source of keys.
    """

    def __init__(self, width: int, *, in_shape: tuple[int, int, int], classes: int, rngs: nnx.Rngs) -> None:
        self.in_shape = in_shape
        self.stem = ChannelNormConv(in_shape[2], width, stride=2, rngs=rngs)
        gain = len(STRIDES) ** -0.5
        for index, stride in enumerate(STRIDES, start=1):
            setattr(self, f"block{index}", Block(width, width, stride=stride, gain=gain, rngs=rngs))
        self.dense = dense(width, classes, "torch", True, rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        """Scores (batch, classes) of images (batch, height, width, channels)."""
        x = nnx.relu(self.stem(x))
        for index in range(1, len(STRIDES) + 1):
            x = getattr(self, f"block{index}")(x)
        return self.dense(jnp.mean(x, axis=(1, 2)))


def draw_masks(method: str, model: nnx.Module, density: float, batch: tuple[Any, Any], *, seed: int) -> Any:
    """A mask at initialisation, at least one weight per layer.

    The papers' networks have batch normalisation. What GraSP keeps without it does not train; SNIP and iterative SNIP
    are scored under the same conditions.

    Args:
        method: one of `METHODS`.
        model: at its start.
        density: share of all weights kept.
        batch: (images, labels), for those that look at data.
        seed: for those that draw.

    Returns:
        Tree of booleans.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", prune.FloorApplied)  # the weights kept stand in the rows
        scored = with_batch_norm(model) if method in NORMED else model
        return prune.METHODS[method](scored, density, batch=batch, seed=seed, floor=1)


class Trainings:
    """All trainings of a run: one compiled program, one network at many random starts.

    Args:
        data: what on.
        width: channels of every layer.
        steps: of every training: Adam, cosine to zero, cross entropy.
        learning_rate: at the start.
    """

    def __init__(self, data: Dataset, *, width: int, steps: int, learning_rate: float) -> None:
        self.data, self.width = data, width
        apply = pure(self.build(0))[1]
        tx = optax.adam(optax.cosine_decay_schedule(learning_rate, steps))
        self._trainer = MaskedTrainer(apply, tx, "cross_entropy", data.x_train, data.y_train)
        self._error = make_error(apply)

    def build(self, seed: int) -> SmallResNet:
        """The network before training."""
        data = self.data
        return SmallResNet(self.width, in_shape=data.in_shape, classes=data.classes, rngs=nnx.Rngs(seed))

    def accuracy(self, seed: int, masks: Any, index: np.ndarray) -> float:
        """Of the network trained under a mask that stays, one step per row of `index`: share of the test images."""
        ones = np.ones(index.shape, np.float32)
        params = self._trainer.fit(masking.parameters(self.build(seed)), masks, lambda _: (index, ones))
        tested = len(self.data.y_test)
        return (tested - round(tested * self._error(params, self.data.x_test, self.data.y_test))) / tested
