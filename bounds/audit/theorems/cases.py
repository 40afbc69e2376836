"""Where the search looks: an architecture, inputs, signs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Shaped

from sparsebounds.bounds.audit.search.architectures import Architecture, convolutional, dense, everything, unshared
from sparsebounds.bounds.audit.search.ascent import half_signs, some_signs
from sparsebounds.bounds.audit.search.inputs import KINDS, inputs, sign_patterns
from sparsebounds.bounds.audit.search.maxima import maxout, sigmoids

Preset = Literal["quick", "full"]
SMOOTH = ("tanh", "ELU")


@dataclass(frozen=True, eq=False)
class Case:
    """One place to look for a violation."""

    name: str
    architecture: Architecture
    x: Shaped[np.ndarray, "m ..."]
    signs: Shaped[np.ndarray, "... m C"]
    every: bool
    """Whether the signs are all there are: then the mean has no error."""
    steps: int = 60
    restarts: int = 4
    worst: bool = False
    """Whether the inputs are searched too; `x` is where they start."""


def _one(name: str, architecture: Architecture, x: np.ndarray, classes: int = 1, **options: Any) -> Case:
    """A case with every sign matrix up to ξ → −ξ, under which each class here is symmetric."""
    return Case(name, architecture, x, half_signs(len(x), classes), True, **options)


@cache
def chain_cases(preset: Preset) -> tuple[Case, ...]:
    """Dense chains and convolutions, for norms of whole layers."""
    return (*_linear(), *_dense(preset), *_convolutional(preset))


def _linear() -> Iterator[Case]:
    """No hidden layer: nothing to search, the supremum is exact."""
    for kind in ("one-hot", "constant"):
        for classes in (1, 2):
            yield _one(f"linear, {kind}, C={classes}", dense((5,)), inputs(kind, 5, (5,)), classes)
    signs = some_signs(400, 256, 100)
    yield Case("linear, constant, C=100", dense((1,)), np.ones((256, 1)), signs, False)
    yield _one("linear, all sign patterns", dense((128,)), sign_patterns(8))


def _dense(preset: Preset) -> Iterator[Case]:
    for kind in KINDS:
        yield _one(f"two layers, {kind}", dense((6, 4)), inputs(kind, 6, (6,)))
    yield _one("one unit, all sign patterns", dense((16, 1)), sign_patterns(5))
    yield _one("two layers, inputs searched", dense((6, 4)), inputs("random", 6, (6,)), worst=True)
    for kind in ("constant", "one-hot", "random"):
        yield _one(f"two layers with biases, {kind}", dense((4, 4), True), inputs(kind, 5, (4,)))
    if preset == "quick":
        return
    for kind in ("constant", "one-hot", "random"):
        yield _one(f"two layers, {kind}, C=2", dense((4, 4)), inputs(kind, 4, (4,)), 2)
        yield _one(f"three layers, {kind}", dense((6, 4, 4)), inputs(kind, 6, (6,)), steps=100)
    yield _one("two layers, eight one-hot inputs", dense((8, 6)), inputs("one-hot", 8, (8,)), restarts=6)
    yield _one("three layers, inputs searched", dense((6, 4, 4)), inputs("random", 6, (6,)), worst=True, steps=100)
    signs = some_signs(60, 64, 100)
    yield Case("two layers, constant, C=100", dense((4, 2)), inputs("constant", 64, (4,)), signs, False)


def _convolutional(preset: Preset) -> Iterator[Case]:
    one = convolutional((4, 4, 1), ((2, 2, 1, 2),))
    for kind in ("constant", "random"):
        yield _one(f"convolution, {kind}", one, inputs(kind, 5, (4, 4, 1)))
    padded = convolutional((3, 3, 1), ((2, 2, 1, 2),), True)
    yield _one("convolution with padding, constant", padded, inputs("constant", 5, (3, 3, 1)))
    if preset == "quick":
        return
    yield _one("convolution with padding, one-hot", padded, inputs("one-hot", 5, (3, 3, 1)))
    two = convolutional((4, 4, 1), ((2, 2, 1, 2), (2, 2, 2, 2)))
    for kind in ("constant", "random"):
        yield _one(f"two convolutions, {kind}", two, inputs(kind, 5, (4, 4, 1)))


@cache
def node_cases(preset: Preset) -> tuple[Case, ...]:
    """For norms of single nodes: also many positions, unshared weights, biases everywhere."""
    pixels = np.random.default_rng(0).choice([-1.0, 1.0], size=(200, 20, 20, 1))
    many = convolutional((20, 20, 1), ((1, 1, 1, 1),))
    found = [
        Case("one channel on 400 pixels", many, pixels, some_signs(30, 200), False, steps=1, restarts=8),
        Case("one channel on 400 pixels, constant", many, np.ones_like(pixels), some_signs(200, 200), False, 1, 8),
    ]
    hundred = convolutional((6, 6, 1), ((2, 2, 1, 1),))
    ones = np.ones((8, 6, 6, 1))
    found.append(Case("convolution, constant, C=100", hundred, ones, some_signs(30, 8, 100), False, steps=30))
    chain = unshared((4, 3, 2), 2)
    for kind in ("constant", "random") if preset == "full" else ("constant",):
        found.append(_one(f"unshared nodes with biases, {kind}", chain, inputs(kind, 5, (4, 2))))
    return (*chain_cases(preset), *found)


@cache
def single_cases(preset: Preset) -> tuple[Case, ...]:
    """Those of `node_cases` with one score and no biases, all signs."""
    return tuple(c for c in node_cases(preset) if c.every and c.signs.shape[2] == 1 and "bias" not in c.name)


@cache
def dag_cases(preset: Preset, max_pool: str) -> tuple[Case, ...]:
    """A network with a skip, biases and max pooling."""
    kinds = KINDS if preset == "full" else ("constant", "one-hot")
    found = [_one(f"skip, biases, max pool, {k}", everything(5, max_pool), inputs(k, 5, (5,))) for k in kinds]
    patterns = sign_patterns(5)
    return (
        *found,
        _one("skip, biases, max pool, all sign patterns", everything(patterns.shape[1], max_pool), patterns),
    )


@cache
def maxout_cases(preset: Preset, order: int) -> tuple[Case, ...]:
    """The maximum of as many linear maps as there are one-hot inputs: each map may light one of them."""
    counts = (8, 64) if preset == "full" else (64,)
    return tuple(
        Case(
            f"{n} maps on {n} one-hot inputs",
            maxout(n, n, order),
            np.eye(n),
            some_signs(12, n),
            False,
            restarts=1,
            steps=150,
        )
        for n in counts
    )


@cache
def sigmoid_cases(preset: Preset) -> tuple[Case, ...]:
    """Inputs so small that ½ is all there is, and others."""
    sizes = (0.01, 1.0) if preset == "full" else (0.01,)
    return tuple(_one(f"sigmoid, inputs of size {s}", sigmoids(3, 2), s * inputs("random", 5, (3,))) for s in sizes)


def unit_energy(x: Any) -> Any:
    """Inputs with ‖X‖_F = 1."""
    return x / jnp.sqrt(jnp.sum(x**2) + 1e-300)


def unit_columns(x: Any) -> Any:
    """Inputs with Σ_i x_ij² = 1 for every coordinate j."""
    return x / jnp.sqrt(jnp.sum(x**2, axis=0, keepdims=True) + 1e-300)


NORMALISE: dict[str, Callable[[Any], Any]] = {"frobenius": unit_energy, "nodes": unit_energy, "l1": unit_columns}
NORMALISE["path"] = unit_columns
"""The data factor of the theorems that fix a norm, for the search over inputs."""


@cache
def smooth_cases(preset: Preset) -> tuple[Case, ...]:
    """Activations that are not homogeneous, below rows of ℓ1 norm 1: every gain is 1, so that scales are fixed."""
    found = []
    for name in SMOOTH:
        found.append(_one(f"one unit of {name}, all sign patterns", dense((16, 1), False, name), sign_patterns(5)))
        if preset == "full":
            found.append(_one(f"three layers of {name}", dense((6, 4, 3), False, name), inputs("random", 5, (6,))))
    return tuple(found)


@cache
def unit_cases(preset: Preset) -> tuple[Case, ...]:
    """One hidden unit: what the hulls of two-layer networks are made of."""
    found = [_one(f"one unit, {kind}", dense((6, 1)), inputs(kind, 6, (6,))) for kind in KINDS]
    found.append(_one("one unit, inputs searched", dense((6, 1)), inputs("random", 6, (6,)), worst=True))
    found += [_one(f"one unit, {k}, C=2", dense((4, 1)), inputs(k, 4, (4,)), 2) for k in ("constant", "one-hot")]
    found.append(_one("one unit, inputs searched, C=2", dense((4, 1)), inputs("constant", 4, (4,)), 2, worst=True))
    signs = some_signs(30, 12, 100)
    return (*found, Case("one unit, one-hot, C=100", dense((12, 1)), inputs("one-hot", 12, (12,)), signs, False))
