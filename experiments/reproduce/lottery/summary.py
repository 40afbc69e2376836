"""The laws of the `lottery` experiment, fitted to its rows."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from scipy.optimize import brentq
from scipy.stats import linregress

from sparsebounds.experiments.shared.tables import grid, number

EXPECTED = {"slope": 6.66, "intercept": -5.5}
"""N50 against r as measured elsewhere with the same settings."""


def half_point(samples: npt.NDArray[np.float64], shares: npt.NDArray[np.float64]) -> float:
    """N50: the N at which a rising logistic curve through the shares is one half.

    The curve maximises the likelihood with a faint pull of its width towards 3 % of N, which only matters where no N
    has a share strictly between 0 and 1: the middle of the jump is then the answer.

    Args:
        samples: N, rising.
        shares: share of successes at each.

    Returns:
        N50; NaN unless some share is below and some at least one half.

    Example:
        >>> n = np.arange(10.0, 100.0, 10.0)
        >>> round(half_point(n, (n > 42) * 1.0), 2), half_point(n, 0 * n)
        (45.0, nan)
    """
    if not (shares < 0.5).any() or not (shares >= 0.5).any():
        return math.nan
    centre = 0.03 * float(np.median(samples))
    best, answer = -math.inf, math.nan
    for width in centre * np.geomspace(1 / 8, 8, 25):
        middle = _best_middle(samples, shares, width)
        fit = _log_likelihood(samples, shares, middle, width) - 0.01 * math.log(width / centre) ** 2
        if fit > best:
            best, answer = fit, middle
    return answer


def _best_middle(samples: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], width: float) -> float:
    """Where the score of the likelihood in the middle vanishes: Σ (share − curve) = 0, which falls in the middle."""

    def excess(middle: float) -> float:
        return float(np.sum(shares - _curve(samples, middle, width)))

    reach = 50 * width
    return float(brentq(excess, samples.min() - reach, samples.max() + reach))


def _log_likelihood(
    samples: npt.NDArray[np.float64], shares: npt.NDArray[np.float64], middle: float, width: float
) -> float:
    curve = np.clip(_curve(samples, middle, width), 1e-12, 1 - 1e-12)
    return float(np.sum(shares * np.log(curve) + (1 - shares) * np.log(1 - curve)))


def _curve(samples: npt.NDArray[np.float64], middle: float, width: float) -> npt.NDArray[np.float64]:
    return np.asarray(0.5 * (1 + np.tanh((samples - middle) / (2 * width))))


def n50(rows: pd.DataFrame) -> pd.DataFrame:
    """Columns r, n50, r_tilde from the rows of the part "samples"."""
    part = rows[rows["part"] == "samples"].sort_values(["r", "samples"])
    found = [
        {"r": r, "n50": half_point(*group[["samples", "value"]].to_numpy(float).T), "r_tilde": group["r_tilde"].iloc[0]}
        for r, group in part.groupby("r")
    ]
    return pd.DataFrame(found, columns=["r", "n50", "r_tilde"])


def line(x: Any, y: Any) -> dict[str, float]:
    """Least squares y = slope·x + intercept, over the finite points: slope, its standard error, intercept, r2, points.

    Example:
        >>> line([1, 2, 3], [2.0, 4.0, 6.0])["slope"]
        2.0
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 2 or np.ptp(x[fine]) == 0:
        return dict.fromkeys(("slope", "slope_se", "intercept", "r2"), math.nan) | {"points": int(fine.sum())}
    fit = linregress(x[fine], y[fine])
    return {
        "slope": float(fit.slope),
        "slope_se": float(fit.stderr),
        "intercept": float(fit.intercept),
        "r2": float(fit.rvalue**2),
        "points": int(fine.sum()),
    }


def summary(rows: pd.DataFrame) -> dict[str, Any]:
    """Every law with its fit: `slope`, `intercept` and `r2` are those of N50 against r.

    Args:
        rows: rows.csv.

    Returns:
        slope, slope_se, intercept, r2 and n50 (per r); rate (1 − ν against √r), noise (error against √(r/N)) and mask
        (error against the cut share of the teacher), each a fit as of `line`.
    """
    halves = n50(rows)
    fit = line(halves["r"], halves["n50"])
    rate, noise, mask = (rows[rows["part"] == part] for part in ("rate", "noise", "mask"))
    return {
        **fit,
        "expected": EXPECTED,
        "n50": {str(int(r)): value for r, value in zip(halves["r"], halves["n50"], strict=True)},
        "rate": line(np.sqrt(rate["r"]), rate["value"]),
        "noise": line(np.sqrt(noise["r"] / noise["samples"]), noise["value"]),
        "mask": line(mask["cut_norm"], mask["value"]),
    }


def show_laws(console: Console, found: Mapping[str, Any]) -> None:
    """The four laws, one line each."""
    named = {
        "N50 against r": found,
        "1 − ν against √r (β = 0)": found["rate"],
        "noisy error against √(r/N)": found["noise"],
        "error against the cut share": found["mask"],
    }
    cells = [
        [name] + [number(fit[key]) for key in ("slope", "slope_se", "intercept", "r2", "points")]
        for name, fit in named.items()
    ]
    console.print(grid("Laws of a sparse student", ("law", "slope", "±", "intercept", "R²", "points"), cells, gap=2))
    expected = found["expected"]
    console.print(
        f"expected: N50 = {expected['slope']} r {expected['intercept']:+}; found: N50 = {found['slope']:.3f} r "
        f"{found['intercept']:+.2f}, R² = {found['r2']:.4f}",
        highlight=False,
    )
