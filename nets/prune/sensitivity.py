"""Pruning at initialisation by derivatives of the loss on one batch: SNIP, GraSP, and SNIP in rounds."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from sparsebounds.nets import masks as masking
from sparsebounds.nets.losses import sample_losses
from sparsebounds.nets.models.batch_norm import with_batch_norm
from sparsebounds.nets.models.functional import frozen
from sparsebounds.nets.prune.magnitudes import inside
from sparsebounds.nets.prune.select import best, check_density, values

Tree = Any
Batch = tuple[Any, Any]
Loss = str | Callable[[jax.Array, jax.Array], jax.Array]
TEMPERATURE = 200.0
"""What GraSP divides the scores by."""


def snip(
    model: nnx.Module,
    density: float,
    *,
    batch: Batch,
    loss: Loss = "cross_entropy",
    floor: int = 0,
    layout: masking.Given = None,
) -> Tree:
    """Keep the weights whose removal would change the loss most, to first order: |w · ∂L/∂w|.

    Args:
        model: an `nnx.Module` from images to scores, as it starts; with batch norm or dropout in evaluation mode.
        density: share of the weights kept, above 0 and at most 1.
        batch: (images, labels).
        loss: "cross_entropy", "mse", or a function (scores, labels) -> one loss per sample.
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: density outside (0, 1], a layer pruned to nothing, a loss that is no number, a kernel whose axes are
            not known, batch norm or dropout in training mode.

    Example:
        >>> from sparsebounds.nets.models.mlp import MLP
        >>> net = MLP((4, 8, 3), rngs=nnx.Rngs(0))
        >>> mask = snip(net, 0.25, batch=(jnp.ones((2, 4)), jnp.array([0, 1])))
        >>> sum(int(mask[layer]["kernel"].sum()) for layer in mask)
        14

    Source: Lee, Ajanthan, Torr, ICLR 2019.
    """
    score = _sensitivity(model, batch, loss, layout)
    layers, kernels = masking.Layers.of(model, layout), masking.applied(model, layout)
    return layers.masks(model, best(values(layers, jax.jit(score)(kernels)), density, floor=floor))


def grasp(
    model: nnx.Module,
    density: float,
    *,
    batch: Batch,
    loss: Loss = "cross_entropy",
    floor: int = 0,
    temperature: float = TEMPERATURE,
    batch_norm: bool = True,
    layout: masking.Given = None,
) -> Tree:
    """Keep the weights that the size of the gradient rests on: the largest w · (H ∇L), H the Hessian of L.

    Removing weight w changes ½‖∇L‖² by −w·(H∇L) to first order. The product is a directional derivative of the
    gradient, `jax.jvp` of `jax.grad`: the Hessian is never formed.

    The method was made for networks with batch normalisation, where a larger signal is worth nothing. Without it the
    highest scores are those of weights that make the signal larger, in networks of ReLUs nearly all positive ones, and
    under the mask the scores become a thousand times what they were. So L is by default that of
    `with_batch_norm(model)` (nets.models), which makes a difference to networks with convolutions of this package.

    Args:
        model, density, batch, loss, floor, layout: as for `snip`.
        temperature: scores are divided by it before the loss. At 1 the curvature of the softmax takes part, and with it
            weights that make predictions wrong are kept, as these raise the gradient too.
        batch_norm: False scores the network as it is.

    Returns, Raises as for `snip`; also ValueError for a temperature that is not above 0.

    Source: Wang, Zhang, Grosse, ICLR 2020; the temperature of 200 from the authors' released code.
    """
    if not 0 < temperature < math.inf:
        raise ValueError(f"temperature is {temperature!r}; need a number above 0, as in 200")
    scored = with_batch_norm(model) if batch_norm else model
    gradient = gradient_of(scored, batch, loss, temperature, layout=layout)
    layers, start = masking.Layers.of(model, layout), masking.applied(model, layout)

    def only_weights(path: Any, leaf: jax.Array) -> jax.Array:
        """The gradient's norm is that of the weights that can be pruned."""
        return leaf if masking.name(path) in layers.layouts else jnp.zeros_like(leaf)

    def score(kernels: Tree) -> Tree:
        along = jax.tree_util.tree_map_with_path(only_weights, gradient(kernels))
        product = jax.jvp(gradient, (kernels,), (along,))[1]
        return jax.tree.map(lambda w, p: jnp.real(w * p), kernels, product)

    return layers.masks(model, best(values(layers, jax.jit(score)(start)), density, floor=floor))


def iterative_snip(
    model: nnx.Module,
    density: float,
    *,
    batch: Batch,
    loss: Loss = "cross_entropy",
    floor: int = 0,
    rounds: int = 20,
    layout: masking.Given = None,
) -> Tree:
    """SNIP in rounds: prune a little, score what is left, and again; after round k of n the density is d^{k/n}.

    Weights once pruned do not come back.

    Args:
        model, density, batch, loss, floor, layout: as for `snip`.
        rounds: how often the scores are computed.

    Returns, Raises as for `snip`; also ValueError for rounds below 1.

    Source: de Jorge et al., ICLR 2021 (there: Iterative SNIP), Verdenius et al., 2020.
    """
    score, kernels = _sensitivity(model, batch, loss, layout), masking.applied(model, layout)
    return in_rounds(model, masking.Layers.of(model, layout), kernels, density, score, rounds=rounds, floor=floor)


def _sensitivity(model: nnx.Module, batch: Batch, loss: Loss, layout: masking.Given) -> Callable[[Tree], Tree]:
    """|w · ∂L/∂w| of every kernel."""
    gradient = gradient_of(model, batch, loss, layout=layout)

    def score(kernels: Tree) -> Tree:
        # Of complex weights JAX's gradient g is such that the loss changes by Re(g · dw).
        return jax.tree.map(lambda w, g: jnp.abs(jnp.real(w * g)), kernels, gradient(kernels))

    return score


def in_rounds(
    model: Any, layers: masking.Layers, kernels: Tree, density: float, score: Callable[[Tree], Tree], *, rounds: int,
    floor: int,
) -> Tree:  # fmt: skip
    """Score the kernels, prune to d^{k/n}, zero what is pruned, and score again, n times."""
    check_density(density)
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; need at least 1")
    masks: Tree = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), kernels)
    score = jax.jit(score)
    for done in range(1, rounds + 1):
        scores = inside(values(layers, score(masking.apply(kernels, masks))), layers, kernels, masks)
        masks = layers.masks(model, best(scores, density ** (done / rounds), floor=floor, tell=done == rounds))
    return masks


def gradient_of(
    model: nnx.Module, batch: Batch, loss: Loss, temperature: float = 1.0, *, layout: masking.Given = None
) -> Callable[[Tree], Tree]:
    """The gradient of the mean loss on the batch, by the entries of the kernels that the layers apply."""
    if batch is None:
        raise ValueError("no batch was given; this method scores weights on images and labels: batch=(x, y)")
    x, y = jnp.asarray(batch[0]), jnp.asarray(batch[1])
    (_, others, apply), normed = frozen(model), masking.Normed.of(model, layout)

    def value(kernels: Tree) -> jax.Array:
        scores = apply(normed.undone(kernels), others, x) / temperature
        losses = sample_losses(scores, y, loss) if isinstance(loss, str) else loss(scores, y)
        return jnp.mean(losses)

    return jax.grad(value)
