"""The six masks of the `topology` experiment: those of `nets.prune`, with network and batch as arguments.

`nets.prune` compiles its scores anew for every network and batch, which is right for one mask and not for a hundred.
The rounds are the same, and the tests hold both against each other.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.experiments.reproduce.topology.networks import Apply, Params
from sparsebounds.nets import prune
from sparsebounds.nets.losses import sample_losses
from sparsebounds.nets.masks import kernels as kernels_of
from sparsebounds.nets.masks import leaves, name, with_leaves, zeroed
from sparsebounds.nets.models import weight_norm
from sparsebounds.nets.prune.sensitivity import TEMPERATURE

ROUNDS = {"snip": 1, "grasp": 1, "iterative_snip": 20, "synflow": 100}
"""Method → how often it scores and prunes, from density 1 to d in equal steps of the logarithm."""
METHODS = ("erk", "random", "snip", "grasp", "synflow", "iterative_snip")
BY_BATCH = ("snip", "grasp", "iterative_snip")
"""Methods whose scores look at images."""
Score = Callable[[Params], Params]


def draw_masks(
    method: str, apply: Apply, params: Params, density: float, batch: tuple[Any, Any], *, seed: int, floor: int = 1
) -> Params:
    """A mask at initialisation.

    Args:
        method: one of `METHODS`.
        apply: scores from parameters and images; for those `BY_BATCH` of the network with batch normalisation.
        params: at the start, as `nets.models.functional.pure` gives them.
        density: share of all weights kept.
        batch: (images, labels), for those that look at data.
        seed: for those that draw.
        floor: weights that every layer keeps at least.

    Returns:
        Tree of booleans.
    """
    if method not in ROUNDS:
        return prune.METHODS[method](params, density, seed=seed, floor=floor)
    kernels = jax.tree.map(jnp.asarray, weight_norm.applied(params))
    if method != "synflow":
        by_batch = _of_hessian if method == "grasp" else _sensitivity
        return _in_rounds(lambda k: by_batch(apply, k, *batch), kernels, density, ROUNDS[method], floor)
    ones = np.ones((1, *batch[0].shape[1:]))
    with jax.enable_x64(True), jax.numpy_dtype_promotion("standard"):
        return _in_rounds(lambda k: _flow(apply, k, ones), kernels, density, ROUNDS[method], floor)


def _in_rounds(score: Score, kernels: Params, density: float, rounds: int, floor: int) -> Params:
    """Score, keep the share d^{k/n} with the best scores among those kept so far, and again, n times."""
    keep = {path: np.ones(leaf.shape, bool) for path, leaf in leaves(kernels).items()}
    for done in range(1, rounds + 1):
        found = leaves(score(zeroed(kernels, with_leaves(kernels, keep))))
        scores = {path: np.where(keep[path], np.asarray(found[path]), -np.inf) for path in kernels_of(kernels)}
        keep |= _kept(scores, density ** (done / rounds), floor if done == rounds else 0)
    return jax.tree.map(jnp.asarray, with_leaves(kernels, keep))


def _kept(scores: dict[str, np.ndarray], density: float, floor: int) -> dict[str, np.ndarray]:
    """The best of all layers together; before the last round without sorting, as layers may still be empty or full."""
    if floor:
        return dict(prune.best(scores, density, floor=floor, tell=False))
    flat = np.concatenate([leaf.ravel() for leaf in scores.values()])
    count = round(density * flat.size)
    least = np.partition(flat, flat.size - count)[flat.size - count]
    return {path: (leaf >= least) & (leaf > -np.inf) for path, leaf in scores.items()}


def _loss(apply: Apply, kernels: Params, x: Any, y: Any, temperature: float = 1.0) -> jax.Array:
    return jnp.mean(sample_losses(apply(weight_norm.undone(kernels), x) / temperature, y, "cross_entropy"))


@functools.partial(jax.jit, static_argnums=0)
def _sensitivity(apply: Apply, kernels: Params, x: Any, y: Any) -> Params:
    """|w · ∂L/∂w|."""
    gradient = jax.grad(functools.partial(_loss, apply))(kernels, x, y)
    return jax.tree.map(lambda w, g: jnp.abs(w * g), kernels, gradient)


@functools.partial(jax.jit, static_argnums=0)
def _of_hessian(apply: Apply, kernels: Params, x: Any, y: Any) -> Params:
    """w · (H∇L), ∇ by the weights that can be pruned, L the loss of scores/200."""

    def gradient(values: Params) -> Params:
        return jax.grad(functools.partial(_loss, apply))(values, x, y, TEMPERATURE)

    def only_weights(path: Any, leaf: jax.Array) -> jax.Array:
        return leaf if name(path) in weights else jnp.zeros_like(leaf)

    weights = kernels_of(kernels)
    along = jax.tree_util.tree_map_with_path(only_weights, gradient(kernels))
    return jax.tree.map(jnp.multiply, kernels, jax.jvp(gradient, (kernels,), (along,))[1])


@functools.partial(jax.jit, static_argnums=0)
def _flow(apply: Apply, kernels: Params, ones: Any) -> Params:
    """|w| · ∂R/∂|w|, R the sum of the scores of the network with absolute weights and no biases, in float64."""

    def positive(path: Any, leaf: jax.Array) -> jax.Array:
        wide = leaf.astype(jnp.float64)
        return jnp.zeros_like(wide) if name(path).rsplit(".", 1)[-1] == "bias" else jnp.abs(wide)

    absolute = jax.tree_util.tree_map_with_path(positive, kernels)
    slope = jax.grad(lambda values: jnp.sum(apply(weight_norm.undone(values), ones)))(absolute)
    return jax.tree.map(jnp.multiply, absolute, slope)
