"""A real network, trained for a moment on digits, with everything that tables and pages show of it."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds import bounds
from sparsebounds.bounds.registry import evaluated
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.nets.data import load

WIDTH = 4


def scores(params: dict[str, Any], x: Any, activation: Any = jax.nn.relu) -> Any:
    """A 3×3 convolution, an activation, a dense layer, with biases."""
    x = jax.lax.conv_general_dilated(x, params["kernel"], (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return activation(x + params["bias"]).reshape(len(x), -1) @ params["dense"] + params["end"]


@cache
def trained(classes: int = 10, activation: Any = jax.nn.relu) -> tuple[Any, Any, Any, Any, Any]:
    """f, x, y, x_test, y_test."""
    data = load("digits")
    mine = [np.asarray(y) < classes for y in (data.y_train, data.y_test)]
    x, y = np.asarray(data.x_train)[mine[0]], np.asarray(data.y_train)[mine[0]]
    keys = jax.random.split(jax.random.key(0), 2)
    params = {
        "kernel": jax.random.normal(keys[0], (3, 3, 1, WIDTH)) / 3,
        "bias": jnp.full(WIDTH, 0.1),
        "dense": jax.random.normal(keys[1], (9 * WIDTH, classes)) / 6,
        "end": jnp.zeros(classes),
    }

    def loss(params: Any) -> Any:
        logs = jax.nn.log_softmax(scores(params, x, activation))
        return -jnp.mean(logs[jnp.arange(len(y)), y])

    step = jax.jit(lambda params: jax.tree.map(lambda p, g: p - 0.5 * g, params, jax.grad(loss)(params)))
    for _ in range(60):
        params = step(params)
    f = lambda x: scores(params, x, activation)  # noqa: E731
    return f, x, y, np.asarray(data.x_test)[mine[1]], np.asarray(data.y_test)[mine[1]]


@cache
def measured(classes: int = 10, activation: Any = jax.nn.relu) -> tuple[Any, bounds.Sample, Margins, Any]:
    """Graph, sample, held-out margins, and what `occam_quantised` takes."""
    f, x, y, x_test, y_test = trained(classes, activation)
    graph, sample = bounds.read_graph(f, x[:2]), bounds.Sample.measure(f, x, y)
    return graph, sample, Margins.measure(f, x_test, y_test), bounds.quantised(f, x, y)


def found(name: str, gamma: Any, classes: int = 10, activation: Any = jax.nn.relu) -> bounds.Bound:
    """A bound of the registry of that network."""
    graph, sample, test, quantised = measured(classes, activation)
    options = {"delta": 1e-3, "pixel_range": (-1.0, 1.0), "test": test, "quantised": quantised}
    return evaluated(bounds.BOUNDS[name], graph, sample, options | ({} if gamma is None else {"gamma": gamma}))
