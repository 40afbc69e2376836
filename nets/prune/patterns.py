"""N:M masks: of every M consecutive weights of a node, the N largest."""

from fractions import Fraction
from typing import Any

import numpy as np

from sparsebounds.nets.prune.magnitudes import applied
from sparsebounds.nets.prune.select import Keep, as_masks, check_density, weights

Tree = Any
LARGEST_M = 64


def n_of_m(model: Any, n: int, m: int) -> Tree:
    """Keep the N largest |w| of every M consecutive inputs of every output.

    Inputs are counted in the order the kernel stores them: rows, columns, channels of a convolution. Where M does
    not divide their number, the last r < M inputs keep min(N, r).

    Args:
        model: an `nnx.Module`, `nnx.State` or dict of parameters.
        n, m: 1 <= n <= m.

    Returns:
        Nested dict of boolean arrays; biases and gains are kept.

    Raises:
        ValueError: n or m outside their range.

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
    keep: Keep = {path: _pattern(np.abs(leaf), n, m) for path, leaf in weights(applied(model)).items()}
    return as_masks(model, keep)


def n_of_m_at(model: Any, density: float) -> Tree:
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
    return n_of_m(model, near.numerator, near.denominator)


def _pattern(size: Any, n: int, m: int) -> Any:
    flat = size.reshape(-1, size.shape[-1])
    groups = -(-len(flat) // m)
    # Places beyond the last input are smaller than any weight, so they are the last to be kept.
    filled = np.full((groups * m, flat.shape[1]), -1.0)
    filled[: len(flat)] = flat
    order = np.argsort(-filled.reshape(groups, m, -1), axis=1, kind="stable")
    keep = np.zeros(order.shape, bool)
    np.put_along_axis(keep, order[:, :n], True, axis=1)
    return keep.reshape(groups * m, -1)[: len(flat)].reshape(size.shape)
