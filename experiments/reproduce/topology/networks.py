"""The network of the `topology` experiment: residual, all layers of one width, cheap enough for many trainings."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
import optax
from flax import nnx
from jax import lax

from sparsebounds.nets.losses import sample_losses
from sparsebounds.nets.masks import zeroed
from sparsebounds.nets.models.batch_norm import with_batch_norm
from sparsebounds.nets.models.functional import pure
from sparsebounds.nets.models.init import dense
from sparsebounds.nets.models.residual import Block, ChannelNormConv

Params = Any
Images = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]
Apply = Callable[[Params, jax.Array], jax.Array]
STRIDES = (1, 2, 2)


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


@functools.lru_cache(maxsize=8)
def function_of(width: int, in_shape: tuple[int, int, int], classes: int, *, batch_norm: bool = False) -> Apply:
    """Scores from parameters and images: one object per shape, so that whatever is compiled of it is compiled once."""
    model = SmallResNet(width, in_shape=in_shape, classes=classes, rngs=nnx.Rngs(0))
    return pure(with_batch_norm(model) if batch_norm else model)[1]


def train_masked(
    apply: Apply, params: Params, masks: Any, x: Images, y: Labels, index: npt.NDArray[np.int32], rate: float
) -> Params:
    """Train under a mask that stays: Adam, cosine to zero, cross entropy, one step per row of `index`.

    Masks are arguments of the compiled loop, so that one program serves them all.

    Args:
        apply: from `function_of`.
        params: at the start; whatever lies outside the masks becomes zero and stays so.
        masks: booleans of the same tree.
        x, y: samples.
        index: (steps, batch) rows of the samples.
        rate: learning rate at the start.
    """
    with jax.numpy_dtype_promotion("standard"):  # optax mixes counts and floats
        return _train(apply, params, masks, x, y, index, np.float32(rate))


@functools.partial(jax.jit, static_argnums=0)
def _train(apply: Apply, params: Params, masks: Any, x: Any, y: Any, index: Any, rate: Any) -> Params:
    adam, steps = optax.scale_by_adam(), len(index)

    def loss(params: Params, rows: jax.Array) -> jax.Array:
        return jnp.mean(sample_losses(apply(params, x[rows]), y[rows], "cross_entropy"))

    def step(i: jax.Array, carry: tuple[Params, Any]) -> tuple[Params, Any]:
        params, state = carry
        # Where the gradient has always been zero Adam's update is zero: masked weights stay zero.
        updates, state = adam.update(zeroed(jax.grad(loss)(params, index[i]), masks), state)
        scale = -rate * 0.5 * (1 + jnp.cos(jnp.pi * i / steps))
        return optax.apply_updates(params, jax.tree.map(lambda update: scale * update, updates)), state

    start = zeroed(params, masks)
    return lax.fori_loop(0, steps, step, (start, adam.init(start)))[0]


def accuracy(apply: Apply, params: Params, x: Images, y: Labels, *, batch: int = 500) -> float:
    """Share of the samples whose label has the largest score; ties are wrong. The last samples may be fewer."""
    starts = range(0, len(y), batch)
    return sum(int(_right(apply, params, x[s : s + batch], y[s : s + batch])) for s in starts) / len(y)


@functools.partial(jax.jit, static_argnums=0)
def _right(apply: Apply, params: Params, x: Any, y: Any) -> jax.Array:
    scores = apply(params, x)
    own = jnp.take_along_axis(scores, y[:, None], axis=1)
    others = jnp.where(jax.nn.one_hot(y, scores.shape[1], dtype=bool), -jnp.inf, scores)
    return jnp.sum(own[:, 0] > jnp.max(others, axis=1))
