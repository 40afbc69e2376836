"""Random masks: the same density in every layer, or the Erdős–Rényi-kernel densities."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsebounds.nets.masks import Given, Layers
from sparsebounds.nets.prune.select import Keep, check_density, lifted, top, values

Tree = Any


def erk_densities(
    shapes: Mapping[str, tuple[int, ...]], density: float, *, groups: Mapping[str, int] | None = None
) -> dict[str, float]:
    """Density of every layer: p_l = ε · Σ shape_l / Π shape_l, with ε such that Σ p_l·n_l = density · Σ n_l.

    Layers with p_l > 1 are dense, and ε is solved again for the others until none exceeds 1.

    Args:
        shapes: path → shape of the weights, as in (3, 3, n_in, n_out): the window, inputs, outputs.
        density: share of all weights, above 0 and at most 1.
        groups: path → how many such arrays, of units of their own, make up the layer; 1 where nothing is said.

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
    copies = {path: (groups or {}).get(path, 1) for path in shapes}
    sizes = {path: copies[path] * int(np.prod(shape)) for path, shape in shapes.items()}
    sums = {path: copies[path] * sum(shape) for path, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        # ε · Σ_l (Σ shape_l) over the others is what the dense layers leave of the budget.
        rest = density * sum(sizes.values()) - sum(sizes[path] for path in dense)
        total = sum(sums[path] for path in shapes if path not in dense)
        epsilon = rest / total if total else 0.0
        found = {path: 1.0 if path in dense else epsilon * sums[path] / sizes[path] for path in shapes}
        # All that exceed 1 join at once: with a smaller ε afterwards, no dense layer would have fallen below 1.
        if not (over := {path for path, p in found.items() if p > 1 and path not in dense}):
            return found
        dense |= over


def erk(model: Any, density: float, *, seed: int = 0, floor: int = 0, layout: Given = None) -> Tree:
    """A random mask with the densities of `erk_densities`: small layers keep more.

    The shape of a layer is its window, the number of units it reads and the number it writes, several axes of either
    taken together; a stack of layers has one for each. Of a grouped or depthwise convolution it is the kernel's own,
    whose n_in is channels/groups, as RigL's code reads kernels; depthwise ones mostly come out dense.

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        density: share of all weights kept; the total is met exactly (without a floor).
        seed: of the draw, which uses nothing else.
        floor: weights that every layer keeps at least; 0 refuses to empty a layer.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays.

    Raises:
        ValueError: density outside (0, 1], a layer pruned to nothing, a kernel whose axes are not known.

    Example:
        >>> mask = erk({"a": {"kernel": np.ones((2, 2))}, "b": {"kernel": np.ones((10, 10))}}, 0.5)
        >>> int(mask["a"]["kernel"].sum()), int(mask["b"]["kernel"].sum())
        (4, 48)
    """
    layers = Layers.of(model, layout)
    leaves, each = values(layers, model), layers.each
    shapes = {name: each[name].sizes(leaf.shape) for name, leaf in leaves.items()}
    groups = {name: leaf.size // int(np.prod(shapes[name])) for name, leaf in leaves.items()}
    target = erk_densities(shapes, density, groups=groups)
    exact = {path: target[path] * leaf.size for path, leaf in leaves.items()}
    counts = {path: int(value + 1e-9) for path, value in exact.items()}
    missing = round(density * sum(leaf.size for leaf in leaves.values())) - sum(counts.values())
    # The largest fractions are rounded up, so that the layers add up to the density asked for.
    for path in sorted(exact, key=lambda p: counts[p] - exact[p])[: max(missing, 0)]:
        counts[path] += 1
    return layers.masks(model, _drawn(leaves, counts, seed, floor))


def random(model: Any, density: float, *, seed: int = 0, floor: int = 0, layout: Given = None) -> Tree:
    """A random mask with the same density in every layer.

    Args, Returns, Raises as for `erk`.

    Example:
        >>> mask = random({"a": {"kernel": np.ones((2, 2))}, "b": {"kernel": np.ones((10, 10))}}, 0.5)
        >>> int(mask["a"]["kernel"].sum()), int(mask["b"]["kernel"].sum())
        (2, 50)
    """
    check_density(density)
    layers = Layers.of(model, layout)
    leaves = values(layers, model)
    counts = {path: round(density * leaf.size) for path, leaf in leaves.items()}
    return layers.masks(model, _drawn(leaves, counts, seed, floor))


def _drawn(leaves: Mapping[str, Any], counts: Mapping[str, int], seed: int, floor: int) -> Keep:
    rng = np.random.default_rng(seed)
    draws = {path: rng.random(leaf.shape) for path, leaf in leaves.items()}
    return top(draws, lifted(draws, counts, floor))
