"""N:M masks: of every M consecutive weights of a node, the N largest."""

from fractions import Fraction
from typing import Any

import numpy as np

from sparsebounds.nets.masks import Given, Layers, applied, check_stored
from sparsebounds.nets.masks.layout import from_tables, tables
from sparsebounds.nets.prune.select import Keep, check_density, sizes

Tree = Any
LARGEST_M = 64


def n_of_m(model: Any, n: int, m: int, *, layout: Given = None) -> Tree:
    """Keep the N largest |w| of every M consecutive inputs of every output.

    Inputs are counted in the order the kernel stores them: rows, columns, channels of a convolution, heads and units of
    an attention's output. Where M does not divide their number, the last r < M inputs keep min(N, r).

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        n, m: 1 <= n <= m.
        layout: what the axes of parameters are that do not say so themselves, as for `nets.masks.layouts`.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: n or m outside their range, a kernel whose axes are not known.

    Example:
        >>> mask = n_of_m({"kernel": np.array([[1.0], [-3.0], [2.0], [0.5], [9.0]])}, 2, 4)
        >>> mask["kernel"].ravel().tolist()
        [False, True, True, False, True]

    Source: the patterns of sparse tensor cores; trained so by Zhou et al., ICLR 2021.
    """
    for size in (n, m):
        if isinstance(size, bool) or not isinstance(size, int):
            raise ValueError(f"n:m is {n!r}:{m!r}; need integers")
    if not 1 <= n <= m:
        raise ValueError(f"n:m is {n}:{m}; need 1 <= n <= m")
    layers = Layers.of(model, layout)
    check_stored(model, layout)
    each = layers.each
    keep: Keep = {}
    for name, leaf in sizes(layers, applied(model, layout)).items():
        pattern = _pattern(tables(leaf, each[name]), n, m)
        keep[name] = from_tables(pattern, leaf.shape, each[name])
    return layers.masks(model, keep)


def n_of_m_at(model: Any, density: float, *, layout: Given = None) -> Tree:
    """The N:M mask with the smallest M of a density; outputs with fewer than M inputs, or a rest, keep a larger share.

    Raises:
        ValueError: the density is no fraction with a denominator of at most 64.

    Example:
        >>> int(n_of_m_at({"kernel": np.arange(40.0).reshape(20, 2)}, 0.05)["kernel"].sum())
        2
    """
    check_density(density)
    near = Fraction(density).limit_denominator(LARGEST_M)
    if not near or abs(float(near) - density) > 1e-9:
        raise ValueError(f"density is {density}; need a fraction n/m with m at most {LARGEST_M}, as in 0.25 for 1:4")
    return n_of_m(model, near.numerator, near.denominator, layout=layout)


def _pattern(size: Any, n: int, m: int) -> Any:
    """Of |w| as matrices (parts, inputs, outputs)."""
    parts, inputs, outputs = size.shape
    groups = -(-inputs // m)
    # Places beyond the last input are smaller than any weight, so they are the last to be kept.
    filled = np.full((parts, groups * m, outputs), -1.0)
    filled[:, :inputs] = size
    order = np.argsort(-filled.reshape(parts, groups, m, outputs), axis=2, kind="stable")
    keep = np.zeros(order.shape, bool)
    np.put_along_axis(keep, order[:, :, :n], True, axis=2)
    return keep.reshape(parts, groups * m, outputs)[:, :inputs]
