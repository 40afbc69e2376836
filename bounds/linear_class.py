"""Building blocks for training a linear head on fixed features by its certificate: the class, its reach, its prices.

Rows D_S of the margin form lie in ellipsoids Σ_i ‖D_{S,i}‖²/τ_{S,i}² ≤ a_S², nodes are single coordinates, and

    T = Σ_S a_S · reach_S,   reach_S = Σ_k multipliers[S, k] √(Σ_n λ_k(y_n)² Σ_i τ_{S,i}² x_ni²).

`reach_S` depends on the features alone, so that T is a fixed linear function of the radii while training. A bias is one
more feature that is 1 everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bounds.energies_upper import bernstein_upper
from bounds.margin import shares_up
from bounds.theorem3 import ClassSize
from bounds.tree_margin import MarginForm


@dataclass(frozen=True)
class Ellipsoids:
    """The features' energies in the metric of each row, for each sub-sample."""

    form: MarginForm
    tau2: np.ndarray
    """float64 (rows, features)."""
    mean: np.ndarray
    """float64 (rows, sub-samples): mean of X = λ(y)² Σ_i τ_i² x_i²."""
    mean_square: np.ndarray
    """float64 (rows, sub-samples): mean of X²."""
    m: int

    @classmethod
    def measure(cls, x: np.ndarray, y: np.ndarray, tau2: np.ndarray, form: MarginForm) -> Ellipsoids:
        """Pass once over the features.

        Args:
            x: (m, features), with a column of ones if the head has biases.
            y: (m,) labels.
            tau2: (rows, features) or (features,), fixed without looking at these samples.
            form: of the margin step, along a tree fixed without looking at these samples.

        Raises:
            ValueError: an array of another shape, or a τ² that is negative or not finite.

        Example:
            >>> from bounds.tree import Tree
            >>> from bounds.tree_margin import tree_form
            >>> form = tree_form(Tree.balanced(2), 2)
            >>> Ellipsoids.measure(np.array([[3.0], [4.0]]), np.array([0, 1]), np.ones(1), form).reach().tolist()
            [10.0]
        """
        rows, features = len(form.rows), x.shape[1]
        tau2 = np.asarray(tau2, dtype=np.float64)
        if tau2.shape not in ((features,), (rows, features)):
            raise ValueError(f"tau2 of shape {tau2.shape}; needed ({features},) or ({rows}, {features})")
        if not (np.isfinite(tau2).all() and (tau2 >= 0).all()):
            raise ValueError("tau2 must be finite and not negative")
        tau2 = np.broadcast_to(tau2, (rows, features))
        weights = form.weights[:, y]  # (sub-samples, m)
        sums, squares = np.zeros((rows, len(weights))), np.zeros((rows, len(weights)))
        for start in range(0, len(x), 4096):
            piece = np.square(np.asarray(x[start : start + 4096], dtype=np.float64)) @ tau2.T  # (batch, rows)
            part = weights[:, start : start + 4096]
            sums += (part @ piece).T
            squares += (np.square(part) @ np.square(piece)).T
        return cls(form, tau2, sums / len(x), squares / len(x), len(x))

    def reach(self) -> np.ndarray:
        """reach_S of the sample, (rows,): for the plain form."""
        return np.asarray((self.form.multipliers * np.sqrt(self.m * self.mean)).sum(axis=1))

    def reach_upper(self, largest: np.ndarray, *, delta: float, norm: float = math.inf) -> np.ndarray:
        """Upper bounds on the expected reach, all rows together w.p. ≥ 1 − δ: for the one-sided form.

        Args:
            largest: (features,) what no |x_i| exceeds, known without the sample (clip the features at it).
            delta: failure probability of all energies together; half of the certificate's own.
            norm: what no ‖x‖₂ exceeds, known without the sample.

        Returns:
            float64 (rows,); E √X ≤ √E X and empirical Bernstein for each energy that is used.

        Example:
            >>> from bounds.tree import Tree
            >>> from bounds.tree_margin import tree_form
            >>> x, y = np.ones((1000, 1)), np.arange(1000) % 2
            >>> e = Ellipsoids.measure(x, y, np.ones(1), tree_form(Tree.balanced(2), 2))
            >>> bool((e.reach_upper(np.ones(1), delta=0.01) >= e.reach()).all())
            True
        """
        box = self.tau2 @ np.square(np.broadcast_to(np.asarray(largest, dtype=np.float64), self.tau2.shape[1:]))
        ball = self.tau2.max(axis=1) * norm**2 if math.isfinite(norm) else np.full(len(box), math.inf)
        ranges = np.minimum(box, ball)[:, None] * self.form.weights.max(axis=1)
        used = self.form.multipliers > 0
        log_inverse = math.log(int(used.sum()) / delta)
        upper = np.minimum(bernstein_upper(self.mean, self.mean_square, ranges, self.m, log_inverse), ranges)
        return np.asarray((self.form.multipliers * np.sqrt(self.m * upper)).sum(axis=1))

    def radii(self, weights: np.ndarray) -> np.ndarray:
        """a_S = √(Σ_i D_{S,i}²/τ_{S,i}²) of weights (C, features): (rows,); inf where a row leaves its ellipsoid.

        Example:
            >>> from bounds.tree import Tree
            >>> from bounds.tree_margin import tree_form
            >>> e = Ellipsoids.measure(np.ones((2, 1)), np.array([0, 1]), np.ones(1), tree_form(Tree.balanced(2), 2))
            >>> e.radii(np.array([[3.0], [1.0]])).tolist()
            [1.0]
        """
        squares = np.square(self.form.rows @ weights)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = np.where(squares == 0.0, 0.0, squares / self.tau2)
        return np.asarray(np.sqrt(parts.sum(axis=1)))


def linear_size(
    radii: np.ndarray,
    reach: np.ndarray,
    *,
    ratio: float | None,
    one_sided: bool,
    prices: dict[str, float] | None = None,
) -> ClassSize:
    """The class of linear heads that contains one, for `bounds.theorem3.certify`.

    Args:
        radii: a_S, (rows,), at γ = 1; divided by first guesses from left-out samples where there are any.
        reach: (rows,), times the same guesses.
        ratio: of the grid on which each row has its own number; None: all rows share the largest.
        one_sided: whether `reach` is an upper bound on the expected one.
        prices: log(1/weight) of the choices made after looking: ratio, shared or not, plain or one-sided, weights.

    Returns:
        ClassSize; its scale over γ is one more number, paid for in `certify`.

    Raises:
        ValueError: radii that are not finite.

    Example:
        >>> size = linear_size(np.array([1.0, 0.5]), np.array([10.0, 10.0]), ratio=None, one_sided=False)
        >>> size.log_scale, size.unit
        (0.0, 20.0)

    Source: theorem 3 of the theory page, "what the class fixes".
    """
    radii, reach = (np.asarray(v, dtype=np.float64) for v in (radii, reach))
    if not np.isfinite(radii).all():
        raise ValueError(
            "a row of the head has weight where its ellipsoid has no axis; give these features a tau2 above 0"
        )
    largest = float(radii.max(initial=0.0))
    paid = dict(prices or {})
    if largest == 0.0:
        return ClassSize(-math.inf, 0.0, paid, one_sided)
    shares = np.ones(len(radii))
    if ratio is not None:
        shares, paid["numbers of the last layer"] = shares_up(radii / largest, ratio)
    return ClassSize(math.log(largest), float(shares @ reach), paid, one_sided, {"rows a_S / scale": shares.tolist()})
