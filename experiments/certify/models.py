"""The networks of `certify`, linear or convolutional: rehearsal, training inside a class, scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.certificates import Family
from sparsebounds.bounds.moments import P_GRID, contraction, khintchine
from sparsebounds.bounds.moments.margin_forms import MarginForm, tree_form
from sparsebounds.bounds.moments.tree import Tree
from sparsebounds.experiments.certify.data import Prepared
from sparsebounds.experiments.certify.tasks import Task
from sparsebounds.experiments.shared.scoring import margins
from sparsebounds.nets.certify import (
    CertifyConfig,
    Chain,
    chain_complexity,
    train_chain,
    train_taps,
)

Scores = Callable[[Any], Any]


@dataclass(frozen=True)
class Training:
    """How networks are trained inside the classes of a family."""

    share: float
    """Share of every energy that a class is charged for: 1, or less where signs are fixed."""
    linear: Callable[..., tuple[np.ndarray, np.ndarray]]
    """(values, labels, signs, family, costs, config, start) → weights and bias of a linear network."""
    chain: Callable[..., Any] | None = None
    """(chain, values, …) → parameters of one with convolutions; None where the family holds none."""


class Model(Protocol):
    """What `fit` needs of a kind of network; `params` are its own."""

    @property
    def form(self) -> MarginForm: ...

    def rehearse(self, prepared: Prepared, seed: int) -> Any: ...

    def scores(self, params: Any) -> Scores: ...

    def maps(self, params: Any) -> Scores:
        """x ↦ what the network receives and makes of it below its scores, (m, elements)."""
        ...

    def train(self, prepared: Prepared, family: Family, costs: np.ndarray, start: Any, seed: int) -> Any: ...


def model_of(task: Task, in_shape: tuple[int, ...], training: Training) -> Model:
    """Convolutions where the task names some, else a linear network."""
    if not task.convs:
        return LinearModel(task, *_tree(task), training)
    return ConvModel(task, *_tree(task), training, Chain((in_shape[0], in_shape[1], in_shape[2]), task.convs))


def tree_of(task: Task) -> Tree:
    """The task's tree over the classes."""
    return Tree.balanced(task.classes) if task.tree is None else Tree.given(task.tree, task.classes)


def _tree(task: Task) -> tuple[MarginForm, np.ndarray]:
    tree = tree_of(task)
    return tree_form(tree, task.classes), signs_of(tree, task.classes)


def signs_of(tree: Tree, classes: int) -> np.ndarray:
    """ε_S(r): 1 to the left of a split, −1 to its right, 0 for classes that are not under it; (C − 1, C).

    Example:
        >>> signs_of(Tree.balanced(3), 3).tolist()
        [[1.0, -1.0, -1.0], [0.0, 1.0, -1.0]]
    """
    signs = np.zeros((len(tree.splits), classes))
    for row, split in zip(signs, tree.splits, strict=True):
        row[list(split.left)], row[list(split.right)] = 1.0, -1.0
    return signs


def class_means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Σ over the samples of a class of x_j², and of 1, over the number of all samples: (C, K + 1)."""
    flat = values.reshape(len(values), -1)
    out = np.zeros((classes, flat.shape[1] + 1))
    for start in range(0, len(flat), 4096):
        part = np.square(np.asarray(flat[start : start + 4096], dtype=np.float64))
        one_hot = np.equal.outer(np.arange(classes), labels[start : start + 4096]).astype(np.float64)
        out += one_hot @ np.concatenate([part, np.ones((len(part), 1))], axis=1)
    return out / len(values)


def dense_scores(rows: np.ndarray, signs: np.ndarray, hidden: Scores = lambda x: x) -> Scores:
    """x ↦ (h(x) Dᵀ + d) ε: Haar coefficients (S, K + 1) put together to one dense layer, float32."""
    kernel, bias = jnp.asarray(rows[:, :-1].T @ signs, jnp.float32), jnp.asarray(rows[:, -1] @ signs, jnp.float32)
    return lambda x: hidden(x) @ kernel + bias


@dataclass(frozen=True, eq=False)
class LinearModel:
    """A dense layer on what the network receives; params: its Haar coefficients, (S, K + 1)."""

    task: Task
    form: MarginForm
    signs: np.ndarray
    training: Training

    def rehearse(self, prepared: Prepared, seed: int) -> np.ndarray:
        x, y = prepared.rehearsal.x, prepared.rehearsal.y
        means = class_means(x, y, self.task.classes) * self.training.share
        costs = 2 / np.sqrt(prepared.m) * (self.form.multipliers @ np.sqrt(self.form.weights @ means))
        task = self.task
        config = CertifyConfig(
            *task.rehearsal_steps, task.rehearsal_batch, task.rehearsal_rate, strength=task.strength, seed=seed
        )
        weights, bias = train_taps(x, y, self.signs, costs, config)
        return np.concatenate([weights, bias[:, None]], axis=1)

    def scores(self, params: Any) -> Scores:
        return dense_scores(params, self.signs)

    def maps(self, params: Any) -> Scores:
        return lambda x: x

    def train(self, prepared: Prepared, family: Family, costs: np.ndarray, start: Any, seed: int) -> np.ndarray:
        config = CertifyConfig(*self.task.steps, self.task.batch_size, strength=self.task.pull, seed=seed)
        values, y = prepared.certified.values, prepared.parts.certified.y
        weights, bias = self.training.linear(values, y, self.signs, family, costs, config, start)
        return np.concatenate([weights, bias[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class ConvModel:
    """Convolutions and a dense layer; params: kernels and rows, as `nets.certify.Chain` names them."""

    task: Task
    form: MarginForm
    signs: np.ndarray
    training: Training
    chain: Chain

    def rehearse(self, prepared: Prepared, seed: int) -> dict[str, Any]:
        """The best of several beginnings, compared on the rehearsal's own images: this costs no union."""
        x, y, task, n = prepared.rehearsal.x, prepared.rehearsal.y, self.task, len(self.chain.convs)
        means = class_means(x, y, task.classes) * self.training.share
        roots = np.sqrt(self.form.weights @ means) * 2 / np.sqrt(prepared.m)
        p = min(P_GRID, key=lambda p: float(khintchine(p) * contraction(p) ** n))  # as in the certificate
        scale, factor = (1.0, 1.0) if self.training.share < 1.0 else (float(khintchine(p)), float(contraction(p)))
        moments = (scale * roots[:, :-1]).reshape(-1, *self.chain.in_shape)
        constant = self.form.multipliers @ roots[:, -1]
        charges = (self.signs, moments, self.form.multipliers, constant, factor)
        config = CertifyConfig(
            *task.rehearsal_steps, task.rehearsal_batch, task.rehearsal_rate, strength=task.strength, seed=seed
        )
        starts = [self.chain.start(len(self.signs), seed * task.starts + k) for k in range(task.starts)]
        # From nothing the complexity wins at once and leaves nothing: begin with networks trained without it.
        normal = replace(config, anneal=task.warm, ramp=0, strength=task.warm_strength * task.strength)
        starts = train_chain(self.chain, x, y, *charges, normal, starts=starts)
        found = train_chain(self.chain, x, y, *charges, config, starts=starts)
        ramps = [float(np.clip(1 - margins(self.scores(params), x, y), 0, 1).mean()) for params in found]
        sizes = [chain_complexity(self.chain, params, *charges[1:]) for params in found]
        return found[int(np.argmin(np.add(ramps, sizes)))]

    def scores(self, params: Any) -> Scores:
        kernels = {name: jnp.asarray(value, jnp.float32) for name, value in params.items() if name != "rows"}
        rows = np.asarray(params["rows"], dtype=np.float64)
        return dense_scores(rows, self.signs, lambda x: self.chain.hidden(kernels, x))

    def maps(self, params: Any) -> Scores:
        kernels = {name: jnp.asarray(value, jnp.float32) for name, value in params.items() if name != "rows"}
        return lambda x: jnp.concatenate(self.chain.maps(kernels, x), axis=1)

    def train(self, prepared: Prepared, family: Family, costs: np.ndarray, start: Any, seed: int) -> Any:
        if self.training.chain is None:
            raise ValueError(f"no training of convolutions inside {family.name}; needed a family that holds them")
        config = CertifyConfig(*self.task.steps, self.task.batch_size, strength=self.task.pull, seed=seed)
        values, y = prepared.certified.values, prepared.parts.certified.y
        return self.training.chain(self.chain, values, y, self.signs, family, costs, config, start)
