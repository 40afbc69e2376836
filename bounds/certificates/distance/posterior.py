"""The law of a draw: steps from the reference in float64, and the log ratio of what was drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sparsebounds.bounds.certificates.distance.densities import LeafSums, gaussian_sums, half_square, mixture
from sparsebounds.bounds.certificates.distance.half_space import along
from sparsebounds.bounds.certificates.distance.leaves import Leaves
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.certificates.distance.turns import Turns, coordinates, weights

NEARER = "needed a nearer mean, or a prior with larger scales"


@dataclass(frozen=True)
class Posterior:
    """What is drawn from.

    Args:
        prior: fixed without the certified samples.
        means: by leaf.
        spreads: standard deviations by leaf; None: those of the prior.
        chosen: the factor of every group.
        turns: orthogonal coordinates in which the spreads are given, by leaf.
    """

    prior: Prior
    means: Leaves
    spreads: Leaves | None
    chosen: dict[str, float]
    turns: Turns = field(default_factory=dict)

    def drawn(self, seed: int, nats: float | None) -> tuple[Leaves, float, dict[str, LeafSums]]:
        """The weights that are handed out, log dQ/dP where they were drawn, and sums by leaf.

        Args:
            seed: of the noise.
            nats: the constant log ratio of a half-space; None: a Gaussian.

        Raises:
            ValueError: nats that do not pay for the factors, or a step so long that its ratio is not finite.
        """
        if nats is None:
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused below
                steps, layers = self.gaussian(seed)
                log_ratio = self.mixed(layers)
        else:
            steps, layers = self.half_space(seed, nats)
            log_ratio = float(nats)
        if not math.isfinite(log_ratio):
            raise ValueError(f"the log ratio of this draw is {log_ratio}; {NEARER}")
        params = {
            name: np.asarray(leaf + steps[name] if name in steps else leaf, dtype=_handed_out(leaf))
            for name, leaf in self.prior.leaves.items()
        }
        return params, log_ratio, layers

    def scale(self, name: str) -> np.ndarray:
        """c s, (…) float64, of a leaf."""
        factor = next(self.chosen[group] for group, leaves in self.prior.groups.items() if name in leaves)
        return factor * np.broadcast_to(self.prior.spreads[name], self.means[name].shape).astype(np.float64)

    def moving(self) -> list[str]:
        """Leaves in which something is drawn."""
        return [name for group, names in self.prior.groups.items() if self.chosen[group] > 0.0 for name in names]

    def u(self, name: str, scale: np.ndarray, where: np.ndarray) -> np.ndarray:
        """(mean − w0)/(c s) of the moving weights."""
        step = self.means[name].astype(np.float64) - self.prior.leaves[name].astype(np.float64)
        if name in self.turns:
            step = coordinates(step, self.turns[name])
        with np.errstate(over="ignore"):
            u = np.asarray(step[where] / scale[where])
            if not math.isfinite(half_square(u)):
                raise ValueError(
                    f"the mean of the leaf {name} is too many scales away for a finite log ratio; {NEARER}"
                )
        return u

    def gaussian(self, seed: int) -> tuple[Leaves, dict[str, LeafSums]]:
        """What is added to the reference, in float64, and the sums."""
        rng, steps, layers = np.random.default_rng(seed), {}, {}
        for name in self.moving():
            scale = self.scale(name)
            where = scale > 0.0
            u, noise = self.u(name, scale, where), rng.standard_normal(int(where.sum()))
            t = None
            if self.spreads is not None:
                t = np.broadcast_to(self.spreads[name], scale.shape)[where].astype(np.float64) / scale[where]
            layers[name] = gaussian_sums(u, noise, t)
            v = u + (noise if t is None else t * noise)
            steps[name] = _placed(scale, where, v)
            if name in self.turns:
                steps[name] = weights(steps[name], self.turns[name])
        return steps, layers

    def half_space(self, seed: int, nats: float) -> tuple[Leaves, dict[str, LeafSums]]:
        """As `gaussian`, of the half-space."""
        left = nats - self.prior.nats
        if not 0.0 < left < math.inf:
            raise ValueError(
                f"nats={nats}; needed a finite number above {self.prior.nats:.4g}, which the choice of factors costs"
            )
        rng = np.random.default_rng(seed)
        moved = along(left, 1.0 - rng.random())
        scales = {name: self.scale(name) for name in self.moving()}
        u = {name: self.u(name, scale, scale > 0.0) for name, scale in scales.items()}
        noise = {name: rng.standard_normal(one.size) for name, one in u.items()}
        length = math.sqrt(2.0 * math.fsum(half_square(one) for one in u.values()))
        if length == 0.0:
            raise ValueError("the mean is the reference itself and names no direction; draw it without nats")
        inside = math.fsum(float(np.sum(u[name] * noise[name])) for name in u) / length
        steps, layers = {}, {}
        for name, scale in scales.items():
            v = noise[name] + (moved - inside) * (u[name] / length)
            share = 2.0 * half_square(u[name]) / length**2
            layers[name] = LeafSums(v.size, nats * share, half_square(v), nats * share)
            steps[name] = _placed(scale, scale > 0.0, v)
        return steps, layers

    def mixed(self, layers: dict[str, LeafSums]) -> float:
        """log r over all groups."""
        return math.fsum(
            mixture([layers[n] for n in names if n in layers], self.prior.factors, self.chosen[group]).log_ratio
            for group, names in self.prior.groups.items()
        )


def _placed(scale: np.ndarray, where: np.ndarray, v: np.ndarray) -> np.ndarray:
    step = np.zeros(scale.shape)
    step[where] = scale[where] * v
    return step


def _handed_out(leaf: np.ndarray) -> Any:
    return np.float32 if leaf.dtype.kind == "f" else leaf.dtype
