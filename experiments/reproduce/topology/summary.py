"""How far topology scores rank pruned networks by accuracy: pooled rank correlations, and what they can decide."""

import itertools
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sparsebounds.nets.topology.network import SCORES

Array = npt.NDArray[np.float64]
ALL_SCORES = (*SCORES, "full_spectrum")
RESAMPLES = 2000
PAPER = {
    "imdb_normalised": {0.01: 0.94, 0.05: 1.00, 0.1: 0.89, 0.2: 0.60, 0.4: 0.83},
    "ramanujan_gap": {0.01: -0.03, 0.05: -0.26, 0.1: -0.14, 0.2: 0.26, 0.4: 0.60},
}
"""Spearman's correlation with accuracy over the six methods per density: ResNet-34, CIFAR-10, three seeds, computed
from the released table of Hoang et al., ICLR 2023."""


def centred_ranks(values: Array, known: npt.NDArray[np.bool_]) -> Array:
    """Ranks along the last axis among the known entries, ties averaged, minus their mean; 0 where unknown.

    Example:
        >>> centred_ranks(np.array([5.0, 1.0, 9.0]), np.array([True, True, False])).tolist()
        [0.5, -0.5, 0.0]
    """
    mine, other = values[..., :, None], values[..., None, :]
    both = known[..., :, None] & known[..., None, :]
    # (number below − number above)/2 is the centred rank: no tables of ties are needed.
    return np.asarray(0.5 * (((other < mine) & both).sum(-1) - ((other > mine) & both).sum(-1)), np.float64)


def pooled(accuracy: Array, score: Array) -> tuple[Array, Array, Array]:
    """Per cell the sums Σ a·s, Σ a², Σ s² of centred ranks over the methods whose score is defined.

    Args:
        accuracy, score: (…, methods); scores may be NaN.

    Returns:
        Three arrays of the leading shape.
    """
    known = ~np.isnan(score) & ~np.isnan(accuracy)
    a, s = centred_ranks(accuracy, known), centred_ranks(score, known)
    return (a * s).sum(-1), (a * a).sum(-1), (s * s).sum(-1)


def ratio(sums: tuple[Array, ...], axis: Any) -> Array:
    """Σ a·s / √(Σ a² Σ s²) over some axes; NaN where nothing varies."""
    product, first, second = (part.sum(axis=axis) for part in sums)
    size = np.sqrt(first * second)
    return np.asarray(np.where(size > 0, product / np.where(size > 0, size, 1.0), np.nan), np.float64)


def correlation(accuracy: Array, score: Array, seed: int = 0) -> dict[str, Any]:
    """Correlation of within-cell ranks, with a bootstrap over seeds and a permutation test over methods.

    Methods are ranked within every density and seed, so that neither moves the result, and the ranks are pooled.
    The bootstrap draws whole seeds; with few of them its interval is too narrow rather than too wide, and it says
    nothing about other methods. The test permutes which score belongs to which method, the same way in all cells.

    Args:
        accuracy, score: (densities, seeds, methods).
        seed: of the bootstrap.

    Returns:
        `correlation`, `low` and `high` (95 %), `p` (share of permutations with at least its size, itself included),
        `defined` (share of cells and methods with a score), `verdict`: "positive" or "negative" if the interval
        excludes 0 and p ≤ 0.05, else "undecided".
    """
    sums = pooled(accuracy, score)
    value = float(ratio(sums, (0, 1)))
    draws = np.random.default_rng(seed).integers(0, accuracy.shape[1], (RESAMPLES, accuracy.shape[1]))
    spread = ratio(tuple(part[:, draws] for part in sums), (0, 2))
    usable = spread[~np.isnan(spread)]
    low, high = np.quantile(usable, [0.025, 0.975]) if usable.size else (math.nan, math.nan)
    orders = np.array(list(itertools.permutations(range(accuracy.shape[2]))))
    permuted = ratio(pooled(accuracy[:, :, None], score[..., orders]), (0, 1))
    p = math.nan if math.isnan(value) else float(np.mean(np.abs(permuted) >= abs(value) - 1e-12))
    sure = p <= 0.05 and (low > 0 or high < 0)
    verdict = ("positive" if value > 0 else "negative") if sure else "undecided"
    return {
        "correlation": value, "low": float(low), "high": float(high), "p": p,
        "defined": float(np.mean(~np.isnan(score))), "verdict": verdict,
    }  # fmt: skip


def cube(rows: pd.DataFrame, name: str) -> Array:
    """(densities, seeds, methods) of a column, in the order of their first appearance."""
    axes = [list(dict.fromkeys(rows[axis])) for axis in ("density", "seed", "method")]
    table = rows.set_index(["density", "seed", "method"])[name]
    return table.reindex(pd.MultiIndex.from_product(axes)).to_numpy(float).reshape([len(axis) for axis in axes])


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Every score's correlation with accuracy, beside the paper's, and what the accuracies themselves can tell.

    Args:
        rows: rows.csv.

    Returns:
        `scores`: name → as of `correlation`, `by_density` (of means over seeds) and `layers` (share of the layers where
        it is defined; NaN where what is not defined counts as 0); `accuracies`: per density mean and
        standard error over seeds per method, `spread` (standard deviation of the means between methods), `noise` (root
        mean square of their standard errors) and `told_apart` (spread > 2 · noise); `paper`.
    """
    accuracy = cube(rows, "accuracy")
    densities = [float(density) for density in dict.fromkeys(rows["density"])]
    scores = {}
    for name in ALL_SCORES:
        score = cube(rows, name)
        means = pooled(np.nanmean(accuracy, axis=1), _mean(score))
        by_density = dict(zip(map(str, densities), map(float, ratio(means, ())), strict=True))
        layers = float(rows[f"{name}_defined"].mean()) if f"{name}_defined" in rows else math.nan
        scores[name] = correlation(accuracy, score) | {"by_density": by_density, "layers": layers}
    return {
        "scores": scores,
        "accuracies": _accuracies(rows),
        "paper": {name: {str(d): r for d, r in found.items()} for name, found in PAPER.items()},
        "seeds": int(accuracy.shape[1]),
        "methods": int(accuracy.shape[2]),
    }


def _mean(score: Array) -> Array:
    """Over seeds; NaN for a method that lacks it at some seed, as its mean would be one of other masks."""
    return np.asarray(score.mean(axis=1))


def _accuracies(rows: pd.DataFrame) -> list[dict[str, Any]]:
    found = []
    for density, part in rows.groupby("density", sort=False):
        by = part.groupby("method", sort=False)["accuracy"]
        mean, error = by.mean(), by.std(ddof=1) / np.sqrt(by.count())
        spread, noise = float(mean.std(ddof=1)), float(np.sqrt((error**2).mean()))
        found.append({
            "density": float(density),
            "mean": {str(k): float(v) for k, v in mean.items()},
            "standard_error": {str(k): float(v) for k, v in error.items()},
            "spread": spread,
            "noise": noise,
            "told_apart": bool(spread > 2 * noise),
        })  # fmt: skip
    return found
