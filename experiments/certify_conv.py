"""Networks whose every layer is learned: convolutions and a dense layer, in a class fixed by a rehearsal."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

import bounds
from bounds.ellipsoid_certificate import ellipsoid_certificate, measure_energies
from bounds.ellipsoid_rehearsal import rehearsal_ellipsoids
from bounds.ellipsoids import Ellipsoids, energy_weights
from bounds.moments import P_GRID, contraction, khintchine
from bounds.tree_margin import MarginForm, tree_form
from nets.certify import CertifyConfig, Chain, train_chain, train_chain_ellipsoids

from .certify_data import Prepared, energy_clip
from .certify_head import CLIPPED, Fitted, class_means, laps, margins_of, signs_of, tree_of
from .certify_tasks import Task


WARM = 200
"""Steps of the normal training before."""


def fit_conv(task: Task, prepared: Prepared, *, seed: int, delta: float) -> Fitted:
    """Train convolutions inside a class that the images left out fixed, and certify the network.

    Args:
        task: with `convs`.
        prepared: the data behind the front end, as images.
        seed: of the training.
        delta: failure probability.

    Returns:
        Fitted.
    """
    watch = {"start": time.perf_counter()}
    tree = tree_of(task)
    form, signs = tree_form(tree, task.classes), signs_of(tree, task.classes)
    chain = Chain(prepared.left_out.shape[1:], task.convs)
    rehearsal = _rehearse(task, chain, form, signs, prepared, seed)
    frozen = chain_scores(chain, rehearsal, signs)
    graph = bounds.read_graph(frozen, prepared.left_out[:2])
    flat = prepared.left_out.reshape(len(prepared.left_out), -1)
    ellipsoids = rehearsal_ellipsoids(graph, form, class_means(flat, prepared.parts.left_out.y, task.classes))
    weights = energy_weights(graph, ellipsoids)
    limits = np.quantile(weights.of(prepared.left_out), CLIPPED, axis=0)
    prepared = prepared.then(energy_clip(weights.inputs, weights.constant, limits))
    watch["rehearsal"] = time.perf_counter()
    y = prepared.parts.certified.y
    energies = measure_energies(weights, form, prepared.certified.values, y, limits)
    costs = 2 / np.sqrt(prepared.m) * (form.multipliers * np.sqrt(energies.means)).sum(axis=1)
    config = CertifyConfig(*task.steps, batch_size=task.batch_size, seed=seed)
    axes = chain_axes(chain, ellipsoids)
    params = train_chain_ellipsoids(chain, prepared.certified.values, y, signs, axes, costs, config, start=rehearsal)
    watch["training"] = time.perf_counter()
    scores = chain_scores(chain, params, signs)
    graph = bounds.read_graph(scores, prepared.certified.values[:2])
    sample = bounds.Sample.measure(scores, prepared.certified, y, batch_size=2048)
    bound = ellipsoid_certificate(
        graph, sample, ellipsoids, energies, delta=delta, choices={"configuration": task.tried}, tied_only=True
    )
    watch["certificate"] = time.perf_counter()
    margins = margins_of(frozen, prepared.certified.values, y)
    return Fitted(bound, scores, graph, sample, prepared, ellipsoids, energies, margins, laps(watch))


def _rehearse(
    task: Task, chain: Chain, form: MarginForm, signs: np.ndarray, prepared: Prepared, seed: int
) -> dict[str, Any]:
    """The same network trained on the images left out, at the complexity that the certificate will charge."""
    y, classes = prepared.parts.left_out.y, task.classes
    means = class_means(prepared.left_out.reshape(len(y), -1), y, classes)
    roots = np.sqrt(form.weights @ means) * 2 / np.sqrt(prepared.m)
    n = len(chain.convs)
    p = min(P_GRID, key=lambda p: float(khintchine(p) * contraction(p) ** n))  # as in the certificate
    moments = (float(khintchine(p)) * roots[:, :-1]).reshape(-1, *chain.in_shape)
    constant = form.multipliers @ roots[:, -1]
    charges = (signs, moments, form.multipliers, constant, float(contraction(p)))
    config = CertifyConfig(
        *task.rehearsal_steps, batch_size=1000, learning_rate=0.03, strength=task.strength, seed=seed
    )
    # From nothing the complexity wins at once and leaves nothing: begin with a network trained almost without it.
    normal = replace(config, anneal=WARM, ramp=0, strength=0.02 * task.strength)
    start = train_chain(chain, prepared.left_out, y, *charges, normal)
    return train_chain(chain, prepared.left_out, y, *charges, config, start=start)


def chain_scores(chain: Chain, params: dict[str, Any], signs: np.ndarray) -> Any:
    """A trained chain as a function of one batch, the rows put together to one dense layer."""
    hidden = {name: jnp.asarray(value, jnp.float32) for name, value in params.items() if name != "rows"}
    rows = np.asarray(params["rows"], dtype=np.float64)
    kernel, bias = jnp.asarray(rows[:, :-1].T @ signs, jnp.float32), jnp.asarray(rows[:, -1] @ signs, jnp.float32)
    return lambda x: chain.hidden(hidden, x) @ kernel + bias


def chain_axes(chain: Chain, ellipsoids: Ellipsoids) -> dict[str, np.ndarray]:
    """τ of the kernels, of their shapes, and of the rows."""
    axes = {f"conv{i}": ellipsoids.hidden[i + 1][0, :-1].reshape(shape) for i, shape in enumerate(chain.kernels)}
    return {**axes, "rows": ellipsoids.rows}
