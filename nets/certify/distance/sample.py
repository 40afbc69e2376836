"""What is given to the trainings below, checked: samples, networks, trees of weights, strengths."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

Tree = Any
Apply = Callable[[Tree, jax.Array], jax.Array]
"""(parameters, inputs) → scores (B, C)."""
SampleLoss = Callable[[jax.Array, jax.Array], jax.Array]
"""(scores (B, C), labels (B,)) → loss of every sample (B,)."""


def cross_entropy(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """−log p_y of every sample, (B,).

    Example:
        >>> cross_entropy(jnp.array([[8.0, -8.0]]), jnp.array([1])).tolist()
        [16.0]
    """
    return optax.softmax_cross_entropy_with_integer_labels(scores, labels)


def misjudged(scores: jax.Array, labels: jax.Array) -> jax.Array:
    """1 − p_y of every sample, (B,): the error, made smooth.

    Example:
        >>> misjudged(jnp.zeros((1, 2)), jnp.array([0])).round(4).tolist()
        [0.5]
    """
    return 1.0 - jnp.exp(-cross_entropy(scores, labels))


def checked_sample(f: Apply, params: Tree, x: Any, y: Any) -> tuple[jax.Array, jax.Array]:
    """Inputs as float32 and labels as int32 on the device.

    Raises:
        ValueError: numbers of inputs and labels that differ, none, labels that f has no score for, inputs or weights
            that are not finite, or an f that does not give one row of scores for each input.
    """
    inputs, labels = np.asarray(x), np.asarray(y)
    if labels.ndim != 1 or not len(labels) or inputs.ndim < 2 or len(inputs) != len(labels):
        raise ValueError(f"x has shape {inputs.shape} and y {labels.shape}; need (m, …) and (m,) with m of at least 1")
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"y holds {labels.dtype} numbers; need integers, the labels from 0 on")
    if not np.isfinite(np.asarray(inputs, np.float32)).all():
        raise ValueError("x holds numbers that are not finite; need finite inputs")
    checked_weights(params, "the parameters")
    found = jnp.asarray(inputs, jnp.float32), jnp.asarray(labels, jnp.int32)
    scores = jax.eval_shape(f, params, found[0][: min(2, len(labels))])
    if scores.ndim != 2 or len(scores) != min(2, len(labels)):
        raise ValueError(
            f"f gives an array of shape {scores.shape} for {min(2, len(labels))} inputs; need (m, C) scores"
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(f"y holds labels {labels.min()}..{labels.max()}; f has scores for 0..{scores.shape[1] - 1}")
    return found


def checked_weights(tree: Tree, what: str) -> None:
    """A ValueError unless all leaves are finite floats, and there are some."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    if not leaves:
        raise ValueError(f"{what} hold no array; need a tree of weights")
    for path, leaf in leaves:
        array = jnp.asarray(leaf)
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise ValueError(f"{what}: {named(path)} holds {array.dtype} numbers; need floats")
        if not bool(jnp.isfinite(array).all()):
            raise ValueError(f"{what}: {named(path)} holds numbers that are not finite")


def checked_scales(scales: Tree, reference: Tree) -> Tree:
    """Scales as float32 arrays of the shapes of the weights.

    Raises:
        ValueError: another tree, shapes that do not fit, or a scale that is negative or not finite.
    """
    if not same_tree(scales, reference):
        raise ValueError("the scales are another tree than the reference; need a scale, or an array of them, per leaf")
    checked_weights(scales, "the scales")
    for (path, scale), leaf in zip(
        jax.tree_util.tree_leaves_with_path(scales), jax.tree.leaves(reference), strict=True
    ):
        if np.shape(scale) not in ((), np.shape(leaf)):
            raise ValueError(f"the scales: {named(path)} has shape {np.shape(scale)}; need () or {np.shape(leaf)}")
        if np.min(np.asarray(scale), initial=0.0) < 0:
            raise ValueError(f"the scales: {named(path)} is negative somewhere; need numbers of at least 0")
    return jax.tree.map(lambda s, w: jnp.broadcast_to(jnp.asarray(s, jnp.float32), jnp.shape(w)), scales, reference)


def same_tree(one: Tree, other: Tree) -> bool:
    """Whether two trees have the same branches.

    Example:
        >>> same_tree({"a": 1.0}, {"a": jnp.ones(3)}), same_tree([1.0], {"a": 1.0})
        (True, False)
    """
    structures: tuple[Any, Any] = jax.tree.structure(one), jax.tree.structure(other)
    return bool(structures[0] == structures[1])


def positive(**numbers: float) -> None:
    """A ValueError that names the first number that is not positive and finite."""
    for name, value in numbers.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name} is {value!r}; need a positive number")


def named(path: tuple[Any, ...]) -> str:
    """A path in a tree as words with dots.

    Example:
        >>> [named(path) for path, _ in jax.tree_util.tree_leaves_with_path({"a": {"w": 1}, "b": [2]})]
        ['a.w', 'b.0']
    """
    return ".".join(str(getattr(entry, "key", getattr(entry, "idx", getattr(entry, "name", entry)))) for entry in path)


def as_weights(tree: Tree) -> Tree:
    """Weights on the device, floats of their own type."""
    return jax.tree.map(jnp.asarray, tree)


def normals(tree: Tree, key: jax.Array) -> Tree:
    """Independent standard normal numbers of the shapes of a tree, float32."""
    leaves, structure = jax.tree.flatten(tree)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.normal(k, jnp.shape(leaf), jnp.float32) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def moved(reference: Tree, scales: Tree, steps: Tree) -> Tree:
    """w0 + s·v leaf by leaf, in the types of w0; exactly w0 where s is 0."""
    return jax.tree.map(lambda w, s, v: w + (s * v).astype(w.dtype), reference, scales, steps)
