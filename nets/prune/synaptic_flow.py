"""SynFlow: pruning at initialisation without data, by the flow of a network with absolute weights."""

import math
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets.models.functional import frozen
from sparsebounds.nets.prune.linearised import linearised, positive, positive_rest
from sparsebounds.nets.prune.select import values
from sparsebounds.nets.prune.sensitivity import in_rounds

Tree = Any
TOLERANCE = 1e-3
"""How far f(2x) may be from 2·f(x) without a warning."""

ROUNDING = 1e-3
"""Share of negative scores from which on they are nothing but rounding."""


class NotConserved(UserWarning):
    """The network does not quite scale with its input, so SynFlow's scores of its layers do not sum to the same."""


def synflow(
    model: nnx.Module,
    density: float,
    *,
    in_shape: tuple[int, ...] | None = None,
    rounds: int = 100,
    floor: int = 0,
    layout: masking.Given = None,
) -> Tree:
    """Keep the largest |w| · ∂R/∂|w|, R = 1ᵀ f_{|w|}(1), in 100 rounds.

    R is the sum of the scores of the network with absolute weights and without biases on an image of ones. In a
    chain of layers the scores of every layer sum to R, and those into a hidden unit equal those out of it, so no
    layer is emptied while others are full. That takes a network that scales with its input: shifts (biases, running
    means, positions, learned tokens) count as zero, Flax's layer, RMS, group and instance norms as their gains,
    frozen weights as absolute. Activations that scale roughly (GELU) are told by a warning, `NotConserved`; where
    twice the image does not give twice the scores within a factor 1.5 (tanh, norms of one's own) there is no mask.

    Args:
        model: an `nnx.Module` from images to scores, as it starts; with batch norm or dropout in evaluation mode.
        density: share of the weights kept, above 0 and at most 1.
        in_shape: of one image; default `model.in_shape` where the model has it.
        rounds: after round k of n the density is d^{k/n}.
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: density outside (0, 1], rounds below 1, a layer pruned to nothing, no in_shape, a kernel whose axes
            are not known, that is normalised by a module around its layer or that no flow goes through, as queries and
            keys of an attention; batch norm or dropout in training mode, a network that does not scale with its input.

    Example:
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> mask = synflow(MLP((4, 8, 3), rngs=nnx.Rngs(0)), 0.25, in_shape=(4,))
        >>> sum(int(mask[layer]["kernel"].sum()) for layer in mask)
        14

    Source: Tanaka, Kunin, Yamins, Ganguli, NeurIPS 2020.
    """
    shape = _shape(model, in_shape)
    # R is a product over layers: float32 overflows or underflows in deep networks.
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        flow = _Flow(model, shape, layout)
        flow.check()
        return in_rounds(model, flow.layers, flow.kernels, density, flow.scores, rounds=rounds, floor=floor)


def synflow_scores(
    model: nnx.Module, *, in_shape: tuple[int, ...] | None = None, layout: masking.Given = None
) -> dict[str, np.ndarray]:
    """|w| · ∂R/∂|w| of every weight, by path, in float64: see `synflow`.

    Example:
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> scores = synflow_scores(MLP((4, 8, 3), rngs=nnx.Rngs(0)), in_shape=(4,))
        >>> bool(np.isclose(scores["dense1.kernel"].sum(), scores["dense2.kernel"].sum()))
        True
    """
    shape = _shape(model, in_shape)
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        flow = _Flow(model, shape, layout)
        flow.check()
        return flow.layers.whole(values(flow.layers, jax.jit(flow.scores)(flow.kernels)))


def _shape(model: Any, in_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    found = in_shape if in_shape is not None else getattr(model, "in_shape", None)
    if found is None:
        raise ValueError(f"{type(model).__name__} does not say what an image is; give in_shape, as in (28, 28, 1)")
    return tuple(found)


def _flows(score: np.ndarray) -> bool:
    """Whether scores, none of which is negative where a flow can be, are more than rounding."""
    size = float(np.abs(score).sum())
    return size > 0 and size - float(score.sum()) < ROUNDING * size


class _Flow:
    """R of a network as a function of its kernels, and the scores.

    Args:
        model, in_shape, layout: as for `synflow`.
    """

    def __init__(self, model: nnx.Module, in_shape: tuple[int, ...], layout: masking.Given) -> None:
        masking.check_stored(model, layout)
        self.layers, self.kernels = masking.Layers.of(model, layout), masking.applied(model, layout)
        self.known, self.normed = masking.layouts(model, layout), masking.Normed.of(model, layout)
        _, self.others, self.apply = frozen(linearised(model))
        self.in_shape = in_shape

    def total(self, absolute: Tree, times: float = 1.0) -> jax.Array:
        """R on an image of equal numbers."""
        image = jnp.full((1, *self.in_shape), times, jnp.float64)
        return jnp.sum(self.apply(self.normed.undone(absolute), positive_rest(self.others), image))

    def scores(self, kernels: Tree) -> Tree:
        """|w| · ∂R/∂|w|."""
        absolute = positive(kernels, self.known)
        return jax.tree.map(jnp.multiply, absolute, jax.grad(self.total)(absolute))

    def check(self) -> None:
        """Twice the image gives twice the flow, and nothing flows backwards: what makes scores comparable."""
        absolute = positive(self.kernels, self.known)
        once, twice = (float(jax.jit(self.total)(absolute, times)) for times in (1.0, 2.0))
        if not once > 0 or not math.isfinite(twice):
            raise ValueError(
                f"the scores of the network with absolute weights sum to {once:.3g}; need a number above 0"
            )
        found = values(self.layers, jax.jit(self.scores)(self.kernels))
        sums = {name: float(score.sum()) for name, score in found.items()}
        least, ratio = min(sums, key=lambda name: sums[name]), twice / (2 * once)
        where = f"the scores of {least} sum to {sums[least]:.3g}, where R is {once:.3g}"
        if not 2 / 3 <= ratio <= 3 / 2 or min(float(score.min()) for score in found.values()) < -1e-6 * once:
            raise ValueError(
                f"SynFlow says nothing of this network: {where}. With absolute weights and no biases twice the image "
                f"gives {ratio:.3g} times twice the scores: something saturates, normalises or is added, as tanh, "
                "softmax, or a norm or shift of your own. Use ReLU and the norms of flax.nnx, declare what is added as "
                "'bias' (layout=), or prune by snip"
            )
        if idle := [name for name, score in found.items() if not _flows(score)]:
            raise ValueError(
                f"no flow goes through {', '.join(idle)}, so their scores are 0 or rounding: queries and keys do "
                "not matter where all tokens are alike, nor does a layer that is zero or has one behind it. "
                f"Leave them whole, layout={{'{idle[0]}': 'gain', …}}, or prune by snip"
            )
        if abs(ratio - 1) > TOLERANCE:
            said = f"SynFlow's scores are not conserved here: {where}; its activations do not scale as ReLU does"
            warnings.warn(said, NotConserved, stacklevel=3)
