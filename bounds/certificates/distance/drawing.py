"""One draw from the posterior: float64 normals from a seed that nobody had before the posterior was settled."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsebounds.bounds.certificates.distance.drawn import Draw
from sparsebounds.bounds.certificates.distance.leaves import Leaves, fingerprint, matched, rebuilt
from sparsebounds.bounds.certificates.distance.posterior import Posterior
from sparsebounds.bounds.certificates.distance.prior import Prior
from sparsebounds.bounds.certificates.distance.turns import Turn, checked_turns

BITS = 128
"""Of the seed."""


def draw(
    prior: Prior,
    mean: Any,
    *,
    spread: Any = None,
    nats: float | None = None,
    factor: float | Mapping[str, float] | None = None,
    turns: Mapping[str, Turn] | None = None,
    seed: int | None = None,
) -> Draw:
    """Draw one network: w = w0 + c s v, v = u + ε, u = (mean − w0)/(c s); log r = ½|u|² + u·ε and the factors' price.

    Everything about mean, spread, nats and factor may have been chosen with the certified samples and after other
    draws. This draw must be the final one: that is decided before it is made, and N draws that are looked at cost
    log N (`draws=` of the certificate). Nothing may be done to the weights afterwards.

    With spreads of its own, N(mean, spread²). With nats, the half-space: the prior given that v·û ≥ t along the
    direction û of u, t = Φ⁻¹ of 1 − e^(−R). Of all posteriors with the log ratio R or less it goes furthest along û; of
    `mean` the direction alone counts, and R pays for the factors too.

    Args:
        prior: fixed without the certified samples.
        mean: a tree like the reference.
        spread: standard deviations, the same tree or one number; None: those of the prior.
        nats: R, the constant log ratio of a half-space; None: a Gaussian.
        factor: c, one of the prior's factors; for a prior with factors of every leaf also by name. None: the only
            factor; with `spread`, where no factor is needed, the nearest.
        turns: by leaf, orthogonal (U, V) in whose coordinates v, W − w0 = U v Vᵀ, the spread is given; chosen with the
            samples at no price, since the prior of a leaf with one scale is the same in all of them.
        seed: of a draw that is to be made again; a draw with a given seed is marked as replayed and earns no
            certificate, since whoever knows the noise can choose the mean by it.

    Returns:
        Draw.

    Raises:
        ValueError: another tree, a mean or spread that is not finite, a weight with scale 0 that moved, nats that do
            not pay for the factors, a factor that is none of the prior's.

    Example:
        >>> prior = Prior({"w": np.zeros(4, np.float32)}, 0.1)
        >>> drawn = draw(prior, {"w": np.full(4, 0.1)})
        >>> drawn.params["w"].dtype, abs(drawn.log_ratio - 2.0) < 20
        (dtype('float32'), True)
        >>> draw(prior, {"w": np.full(4, 0.1)}, nats=3.0).log_ratio
        3.0

    Source: docs/theory.md, "Distance from a reference".
    """
    if not isinstance(prior, Prior):
        raise ValueError(f"prior is a {type(prior).__name__}; needed a bounds.Prior")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0):
        raise ValueError(f"seed={seed!r}; needed a whole number of at least 0")
    means, spreads = _checked_mean(prior, mean), _checked_spread(prior, spread)
    if nats is not None and spread is not None:
        raise ValueError("nats and spread were both given; a half-space has the spreads of its prior")
    if turns is not None and spread is None:
        raise ValueError("turns were given without a spread: they are the coordinates of spreads of one's own")
    turned = checked_turns(turns, prior.leaves, prior.spreads)
    chosen = _chosen(prior, means, spreads, factor)
    _check_frozen(prior, means, chosen)
    entropy = secrets.randbits(BITS) if seed is None else int(seed)
    posterior = Posterior(prior, means, spreads, chosen, turned)
    params, log_ratio, layers = posterior.drawn(entropy, nats)
    kind = "half-space" if nats is not None else "gaussian" if spread is None else "own spreads"
    return Draw(
        rebuilt(prior.reference, params), log_ratio, prior, entropy, kind, means, spreads or {}, nats, chosen,
        layers, seed is not None, fingerprint(params), turned,
    )  # fmt: skip


def _checked_mean(prior: Prior, mean: Any) -> Leaves:
    means = {name: np.array(leaf) for name, leaf in matched(mean, prior.leaves, "mean").items()}
    for name, leaf in means.items():
        if not np.isfinite(leaf.astype(np.float64)).all():
            raise ValueError(f"the leaf {name} of the mean has numbers that are not finite")
    return means


def _checked_spread(prior: Prior, spread: Any) -> Leaves | None:
    if spread is None:
        return None
    spreads = {name: np.array(leaf) for name, leaf in matched(spread, prior.leaves, "spread", scalars=True).items()}
    for name, leaf in spreads.items():
        moving = np.broadcast_to(prior.spreads[name], prior.leaves[name].shape) > 0
        own = np.broadcast_to(leaf, moving.shape)
        if not np.isfinite(own).all() or (own[moving] <= 0).any():
            raise ValueError(f"the spread of the leaf {name} is not finite and positive wherever the scale is")
    return spreads


def _chosen(
    prior: Prior, means: Leaves, spreads: Leaves | None, factor: float | Mapping[str, float] | None
) -> dict[str, float]:
    """The factor of every group."""
    if factor is None and len(prior.factors) > 1:
        if spreads is None:
            raise ValueError(
                f"neither factor nor spread was given; needed the factor that the posterior was made for, "
                f"{_listed(prior)}, or the posterior's own standard deviations, spread="
            )
        return {group: _nearest(prior, means, spreads, names) for group, names in prior.groups.items()}
    if isinstance(factor, Mapping):
        if set(factor) != set(prior.groups):
            raise ValueError(f"factors of {sorted(factor)}; needed one for each of {sorted(prior.groups)}")
        found = {group: float(factor[group]) for group in prior.groups}
    else:
        found = dict.fromkeys(prior.groups, prior.factors[0] if factor is None else float(factor))
    for one in found.values():
        if one not in prior.factors:
            raise ValueError(f"the factor {one} is none of the prior's: {_listed(prior)}")
    return found


def _listed(prior: Prior, most: int = 8) -> str:
    """The factors of a prior in words: all of a short list, the ends of a long one."""
    factors = prior.factors
    if len(factors) <= most:
        return "one of " + ", ".join(f"{factor:g}" for factor in factors)
    return f"one of the {len(factors)} from {min(factors):g} to {max(factors):g} in prior.factors"


def _nearest(prior: Prior, means: Leaves, spreads: Leaves, names: tuple[str, ...]) -> float:
    """The factor nearest to the root of the mean of ((mean − w0)² + t²)/s²; any one would do."""
    total, count = 0.0, 0
    for name in names:
        scale = np.broadcast_to(prior.spreads[name], means[name].shape).astype(np.float64)
        where = scale > 0
        step = means[name].astype(np.float64) - prior.leaves[name].astype(np.float64)
        own = np.broadcast_to(spreads[name], scale.shape).astype(np.float64)
        total += float(np.sum((step[where] ** 2 + own[where] ** 2) / scale[where] ** 2))
        count += int(where.sum())
    wanted = 0.5 * math.log(total / count)
    return min((f for f in prior.factors if f > 0.0), key=lambda f: abs(math.log(f) - wanted))


def _check_frozen(prior: Prior, means: Leaves, chosen: dict[str, float]) -> None:
    """A weight that moved where the prior has no scale has an infinite ratio."""
    still = {name for group, names in prior.groups.items() if chosen[group] == 0.0 for name in names}
    for name, leaf in prior.leaves.items():
        frozen = np.broadcast_to(prior.spreads[name] == 0, leaf.shape) | (name in still)
        if (means[name] != leaf)[frozen].any():
            raise ValueError(
                f"weights of the leaf {name} moved where the scale is 0: their log ratio is infinite; give them a "
                "positive scale, or leave them at the reference"
            )
