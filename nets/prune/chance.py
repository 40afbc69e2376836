"""Random masks: the same density in every layer, or the Erdős–Rényi-kernel densities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsebounds.nets.prune.select import Keep, as_masks, check_density, lifted, top, weights

Tree = Any


def erk_densities(shapes: Mapping[str, tuple[int, ...]], density: float) -> dict[str, float]:
    """Density of every layer: p_l = ε · Σ shape_l / Π shape_l, with ε such that Σ p_l·n_l = density · Σ n_l.

    Layers with p_l > 1 are dense, and ε is solved again for the others until none exceeds 1.

    Args:
        shapes: path → shape of the weights, as in (3, 3, n_in, n_out).
        density: share of all weights, above 0 and at most 1.

    Returns:
        path → density; exact up to rounding.

    Raises:
        ValueError: density outside (0, 1].

    Example:
        >>> {path: round(p, 4) for path, p in erk_densities({"a": (2, 2), "b": (10, 10)}, 0.5).items()}
        {'a': 1.0, 'b': 0.48}

    Source: Evci et al., ICML 2020, with the kernel's sizes among the dimensions; as in Chase's released code.
    """
    check_density(density)
    sizes = {path: int(np.prod(shape)) for path, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        # ε · Σ_l (Σ shape_l) over the others is what the dense layers leave of the budget.
        rest = density * sum(sizes.values()) - sum(sizes[path] for path in dense)
        total = sum(sum(shape) for path, shape in shapes.items() if path not in dense)
        epsilon = rest / total if total else 0.0
        found = {path: 1.0 if path in dense else epsilon * sum(shape) / sizes[path] for path, shape in shapes.items()}
        # All that exceed 1 join at once: with a smaller ε afterwards, no dense layer would have fallen below 1.
        if not (over := {path for path, p in found.items() if p > 1 and path not in dense}):
            return found
        dense |= over


def erk(model: Any, density: float, *, seed: int = 0, floor: int = 0) -> Tree:
    """A random mask with the densities of `erk_densities`: small layers keep more.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        density: share of all weights kept; the total is met exactly (without a floor).
        seed: of the draw, which uses nothing else.
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.

    Returns:
        Nested dict of boolean arrays.

    Raises:
        ValueError: density outside (0, 1], a layer pruned to nothing.

    Example:
        >>> mask = erk({"a": {"kernel": np.ones((2, 2))}, "b": {"kernel": np.ones((10, 10))}}, 0.5)
        >>> int(mask["a"]["kernel"].sum()), int(mask["b"]["kernel"].sum())
        (4, 48)
    """
    leaves = weights(model)
    target = erk_densities({path: leaf.shape for path, leaf in leaves.items()}, density)
    exact = {path: target[path] * leaf.size for path, leaf in leaves.items()}
    counts = {path: int(value + 1e-9) for path, value in exact.items()}
    missing = round(density * sum(leaf.size for leaf in leaves.values())) - sum(counts.values())
    # The largest fractions are rounded up, so that the layers add up to the density asked for.
    for path in sorted(exact, key=lambda p: counts[p] - exact[p])[: max(missing, 0)]:
        counts[path] += 1
    return as_masks(model, _drawn(leaves, counts, seed, floor))


def random(model: Any, density: float, *, seed: int = 0, floor: int = 0) -> Tree:
    """A random mask with the same density in every layer.

    Args, Returns, Raises as for `erk`.

    Example:
        >>> mask = random({"a": {"kernel": np.ones((2, 2))}, "b": {"kernel": np.ones((10, 10))}}, 0.5)
        >>> int(mask["a"]["kernel"].sum()), int(mask["b"]["kernel"].sum())
        (2, 50)
    """
    check_density(density)
    leaves = weights(model)
    counts = {path: round(density * leaf.size) for path, leaf in leaves.items()}
    return as_masks(model, _drawn(leaves, counts, seed, floor))


def _drawn(leaves: Mapping[str, Any], counts: Mapping[str, int], seed: int, floor: int) -> Keep:
    rng = np.random.default_rng(seed)
    draws = {path: rng.random(leaf.shape) for path, leaf in leaves.items()}
    return top(draws, lifted(draws, counts, floor))
