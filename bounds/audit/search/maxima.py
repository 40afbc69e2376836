"""Architectures with one hidden layer that is no ReLU: a maximum of linear maps, sigmoids."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp

from sparsebounds.bounds.audit.search.architectures import TINY, Architecture, scaled_to


@cache
def maxout(inputs: int, pieces: int, order: int) -> Architecture:
    """The maximum of linear maps a_t, whose gain is their number times the largest ‖a_t‖.

    Args:
        inputs: coordinates.
        pieces: maps.
        order: of the norm of a map, 1 or 2.
    """

    def features(weights: Any, x: Any) -> Any:
        return jnp.max(x @ weights[0].T, axis=1, keepdims=True)

    def paths(weights: Any) -> Any:
        sums = jnp.sum(jnp.abs(weights[0]) ** order, axis=1)
        return pieces * jnp.max((sums + TINY) ** (1.0 / order), keepdims=True)

    return Architecture((inputs,), ((pieces, inputs),), features, {}, paths=paths)


@cache
def sigmoids(inputs: int, units: int) -> Architecture:
    """One layer of sigmoids without biases; rows of ℓ1 norm 1."""

    def features(weights: Any, x: Any) -> Any:
        return jax.nn.sigmoid(x @ weights[0].T)

    norms = {"l1": scaled_to(lambda w: jnp.sum(jnp.abs(w), axis=1, keepdims=True))}
    return Architecture((inputs,), ((units, inputs),), features, norms)
