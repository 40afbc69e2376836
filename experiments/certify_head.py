"""A linear head on fixed features: rehearsal on the images left out, training inside the class, certificate."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

import bounds
from bounds.ellipsoid_certificate import Energies, ellipsoid_certificate, measure_energies
from bounds.ellipsoids import Ellipsoids, EnergyWeights
from bounds.graph import Graph
from bounds.tree import Tree
from bounds.tree_margin import MarginForm, tree_form
from nets.certify import CertifyConfig, train_ellipsoids, train_taps

from .certify_data import Prepared, energy_clip
from .certify_tasks import Task

ROW_FLOOR, MOMENT_FLOOR = 0.1, 0.1
"""Shares of the mean below which neither a rehearsal weight nor a feature's size is counted."""
UNIFORM_BIAS = 0.25
"""τ of a bias where no rehearsal gives one."""
CLIPPED = 0.98
"""Inputs whose weighted energy exceeds this quantile of the images left out are shrunk: a short range is cheap."""
GUESS = 0.2
"""About how large the complexity of a trained network will be."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A trained and certified network, with what a reader should see beside the certificate."""

    bound: bounds.Bound
    scores: Any
    """Function from the network's inputs to scores."""
    graph: Graph
    sample: bounds.Sample
    received: Prepared
    ellipsoids: Ellipsoids
    energies: Energies
    rehearsal_margins: np.ndarray | None
    """Of the rehearsal network, frozen, on the certified images."""
    seconds: dict[str, float]


def tree_of(task: Task) -> Tree:
    return Tree.balanced(task.classes) if task.tree is None else Tree.given(task.tree, task.classes)


def signs_of(tree: Tree, classes: int) -> np.ndarray:
    """ε_S(r): 1 to the left of a split, −1 to its right, 0 for classes that are not under it; (C − 1, C)."""
    signs = np.zeros((len(tree.splits), classes))
    for row, split in zip(signs, tree.splits, strict=True):
        row[list(split.left)], row[list(split.right)] = 1.0, -1.0
    return signs


def class_means(values: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """Σ over the samples of a class of x_j² / m, and of 1: (C, K + 1)."""
    out = np.zeros((classes, values.shape[1] + 1))
    for start in range(0, len(values), 4096):
        part = np.square(np.asarray(values[start : start + 4096], dtype=np.float64))
        one_hot = np.equal.outer(np.arange(classes), labels[start : start + 4096]).astype(np.float64)
        out += one_hot @ np.concatenate([part, np.ones((len(part), 1))], axis=1)
    return out / len(values)


def tap_moments(form: MarginForm, means: np.ndarray) -> np.ndarray:
    """Σ_k mult_{S,k} q^k_j / √m for every row and coordinate: (R, K + 1)."""
    return np.asarray(form.multipliers @ np.sqrt(form.weights @ means))


def rehearse(task: Task, form: MarginForm, signs: np.ndarray, prepared: Prepared, seed: int) -> np.ndarray:
    """Haar coefficients (S, K + 1) of a head trained on the images left out, at the certificate's complexity."""
    y = prepared.parts.left_out.y
    moments = tap_moments(form, class_means(prepared.left_out, y, task.classes))
    config = CertifyConfig(*task.steps, batch_size=1000, strength=task.strength, seed=seed)
    weights, bias = train_taps(prepared.left_out, y, signs, 2 / np.sqrt(prepared.m) * moments, config)
    return np.concatenate([weights, bias[:, None]], axis=1)


def rehearsal_axes(form: MarginForm, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """τ_{S,i}² = (|D_{S,i}| + 0.1 mean) / (q_i + q^S_i + 0.1 mean), scaled so that the rehearsal has radius 1."""
    moments, size = tap_moments(form, means), np.abs(rows)
    above = size + ROW_FLOOR * size.mean(axis=1, keepdims=True)
    tau = np.sqrt(above / (moments + MOMENT_FLOOR * moments.mean(axis=1, keepdims=True)))
    norms = np.sqrt(np.square(rows / tau).sum(axis=1, keepdims=True))
    return np.asarray(tau * np.where(norms > 0, norms, 1.0))


def linear_class(task: Task, form_name: str, prepared: Prepared, seed: int) -> tuple[Ellipsoids, np.ndarray | None]:
    """The class of heads, fixed by the images left out; the rehearsal's coefficients where there is one."""
    tree = tree_of(task)
    form, signs = tree_form(tree, task.classes), signs_of(tree, task.classes)
    if form_name == "uniform":
        return Ellipsoids(form, uniform_axes(len(form.rows), prepared), name="uniform"), None
    rows = rehearse(task, form, signs, prepared, seed)
    means = class_means(prepared.left_out, prepared.parts.left_out.y, task.classes)
    return Ellipsoids(form, rehearsal_axes(form, rows, means), name="rehearsal"), rows


def uniform_axes(rows: int, prepared: Prepared) -> np.ndarray:
    """Equal axes, of a length at which the complexity is near GUESS if all rows have radius 1; (R, K + 1).

    The length is no more than the centre of the grid of radii; it comes from the images left out, not their labels.
    """
    axes = np.append(np.ones(prepared.left_out.shape[1]), UNIFORM_BIAS)
    size = np.append(np.sqrt(np.square(prepared.left_out).mean(axis=0, dtype=np.float64)), 1.0)
    full = 2 / np.sqrt(prepared.m) * 1.7 * rows * np.linalg.norm(axes * size)
    return np.broadcast_to(axes * (GUESS / full), (rows, len(axes)))


def fit_linear(task: Task, form_name: str, prepared: Prepared, *, seed: int, delta: float) -> Fitted:
    """Train a linear head inside a class that the images left out fixed, and certify it.

    Args:
        task: what is certified.
        form_name: "uniform" (no labels of the images left out are used) or "rehearsal".
        prepared: the data behind the front end.
        seed: of the training.
        delta: failure probability.

    Returns:
        Fitted.
    """
    watch = {"start": time.perf_counter()}
    ellipsoids, rows = linear_class(task, form_name, prepared, seed)
    weights = linear_weights(ellipsoids)
    limits = np.quantile(weights.of(prepared.left_out), CLIPPED, axis=0)
    prepared = prepared.then(energy_clip(weights.inputs, weights.constant, limits))
    watch["rehearsal"] = time.perf_counter()
    y, signs = prepared.parts.certified.y, signs_of(tree_of(task), task.classes)
    energies = measure_energies(weights, ellipsoids.form, prepared.certified.values, y, limits)
    costs = 2 / np.sqrt(prepared.m) * (ellipsoids.form.multipliers * np.sqrt(energies.means)).sum(axis=1)
    config = CertifyConfig(*task.steps, batch_size=task.batch_size, seed=seed)
    weight, bias = train_ellipsoids(
        prepared.certified.values, y, signs, ellipsoids.rows, costs, config, start=rows, tied=form_name != "uniform"
    )
    watch["training"] = time.perf_counter()
    scores = linear_scores(weight, bias, signs)
    graph = bounds.read_graph(scores, prepared.certified.values[:2])
    sample = bounds.Sample.measure(scores, prepared.certified, y, batch_size=4096)
    bound = ellipsoid_certificate(
        graph, sample, ellipsoids, energies, delta=delta,
        choices={"configuration": task.tried}, tied_only=form_name != "uniform",
    )  # fmt: skip
    watch["certificate"] = time.perf_counter()
    frozen = (
        None
        if rows is None
        else margins_of(linear_scores(rows[:, :-1], rows[:, -1], signs), prepared.certified.values, y)
    )
    return Fitted(bound, scores, graph, sample, prepared, ellipsoids, energies, frozen, laps(watch))


def linear_weights(ellipsoids: Ellipsoids) -> EnergyWeights:
    """ω of a linear network, known before it is trained; what `energy_weights` reads off its graph."""
    squares = np.square(ellipsoids.rows)
    return EnergyWeights(squares[:, :-1], squares[:, -1], 2.0)


def linear_scores(weight: np.ndarray, bias: np.ndarray, signs: np.ndarray) -> Any:
    """x ↦ (x Dᵀ + d) ε as a function of one batch, float32."""
    kernel, constant = jnp.asarray(weight.T @ signs, jnp.float32), jnp.asarray(bias @ signs, jnp.float32)
    return lambda x: x @ kernel + constant


def margins_of(scores: Any, values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Margins of a network on labelled inputs, float64 (n,)."""
    found = np.concatenate([np.asarray(scores(values[s : s + 4096]), np.float64) for s in range(0, len(values), 4096)])
    own = found[np.arange(len(labels)), labels]
    found[np.arange(len(labels)), labels] = -np.inf
    return np.asarray(own - found.max(axis=1))


def laps(watch: dict[str, float]) -> dict[str, float]:
    """Seconds between the marks of a watch."""
    marks = list(watch.items())
    return {name: round(t - before, 2) for (_, before), (name, t) in itertools.pairwise(marks)}
