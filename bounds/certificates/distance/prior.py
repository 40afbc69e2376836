"""What is fixed before the certified samples are looked at: a Gaussian around a reference, or a mixture of such."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import jax
import numpy as np
from jaxtyping import UInt64

from sparsebounds.bounds.certificates.distance.leaves import FLOATS, Leaves, matched, named_leaves, rebuilt
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints

GRID = tuple(2.0 ** (j / 8) for j in range(-64, 64))
"""Scales of data-free priors: 128 points, log 128 = 4.9 nats an array."""

CENTRES = ("reference", "zero", "initialisation")


@dataclass(frozen=True, eq=False)
class Prior:
    """N(w0, (c s)²) weight by weight, c one of `factors`: a mixture with equal weights.

    Everything in it must be fixed without the certified samples: a reference that was trained on images left out, and
    scales that were; or zeros and a grid of scales written down (`Prior.data_free`).

    Args:
        reference: w0, a tree of float32 or float64 arrays; leaves of whole numbers are frozen.
        scales: s ≥ 0, the same tree of arrays, of numbers, or one number. 0 is frozen: the mean must be equal there.
        factors: c, all different and not negative, written down in advance; which one is taken after a look is paid
            with log #factors. The factor 0 is the reference itself.
        each: a factor for every leaf instead of one for all: L log #factors. With factors (0, 1): which layers move.
        shaped_by: fingerprints (`bounds.sample.fingerprints`) of the samples that shaped reference and scales: none of
            the certified may be among them. None: nothing can be checked.
        saw: what they saw, in words, for the note.
        own_errors: errors of the reference on samples of its own, and how many these were.
        own_unused: whether the reference was neither trained nor selected on them: then they count for it in the
            excess form, beside the certified ones.
        centre: what the reference is: "reference", or "zero" or "initialisation" where nothing is left out.

    Raises:
        ValueError: a reference of half precision or not finite, scales that are negative, not finite or of another
            tree, factors that are none or equal.

    Example:
        >>> prior = Prior({"w": np.zeros(3, np.float32)}, 0.1, factors=(0.5, 1.0))
        >>> round(prior.nats, 4)
        0.6931
    """

    reference: Any = field(repr=False)
    scales: Any = field(repr=False)
    factors: tuple[float, ...] = (1.0,)
    each: bool = False
    shaped_by: UInt64[np.ndarray, " n"] | None = field(default=None, repr=False)
    saw: str = "images left out"
    own_errors: tuple[int, int] | None = None
    own_unused: bool = False
    centre: str = "reference"
    leaves: Leaves = field(init=False, repr=False)
    spreads: Leaves = field(init=False, repr=False)

    def __post_init__(self) -> None:
        reference = _frozen_copy(named_leaves(self.reference, "reference"))
        _check_reference(reference)
        spreads = _frozen_copy(matched(self.scales, reference, "scales", scalars=True))
        for name, scale in spreads.items():
            if scale.dtype.kind not in "fiu" or not np.isfinite(scale).all() or (scale < 0).any():
                if scale.dtype.kind not in "fiu":
                    raise ValueError(f"the scales of the leaf {name} are {scale.dtype}; needed float32")
                raise ValueError(
                    f"the scales of the leaf {name} are not all finite and at least 0; 0 freezes a weight, a positive "
                    "scale lets it move"
                )
            if reference[name].dtype.kind != "f" and (scale > 0).any():
                raise ValueError(f"the leaf {name} of the reference has whole numbers; give it the scale 0")
        object.__setattr__(self, "leaves", reference)
        object.__setattr__(self, "spreads", spreads)
        object.__setattr__(self, "reference", rebuilt(self.reference, reference))
        object.__setattr__(self, "scales", rebuilt(self.reference, spreads))
        object.__setattr__(self, "factors", _checked_factors(self.factors))
        if self.own_unused and self.own_errors is None:
            raise ValueError("own_unused was given without own_errors; needed errors and how many samples")
        if self.own_errors is not None:
            _check_own(self.own_errors)
        if self.centre not in CENTRES or (self.centre == "zero" and any(leaf.any() for leaf in reference.values())):
            raise ValueError(
                f"centre={self.centre!r}; it says what the reference is, {', '.join(map(repr, CENTRES))}: zero is 0 "
                "everywhere"
            )
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))

    @classmethod
    def data_free(cls, like: Any, *, grid: tuple[float, ...] = GRID, center: Any = None) -> Self:
        """N(0, σ²) or N(center, σ²), σ from a grid for every array: nothing is left out.

        Args:
            like: a tree with the shapes of the network's weights; its values are not used.
            grid: of σ, written down in advance; log #grid nats an array.
            center: the initialisation, fixed without the sample; None: 0.

        Example:
            >>> prior = Prior.data_free({"w": np.ones(3, np.float32), "b": np.ones(1, np.float32)})
            >>> round(prior.nats / math.log(128), 6), prior.leaves["w"].tolist()
            (2.0, [0.0, 0.0, 0.0])
        """
        for name, leaf in named_leaves(like, "network").items():
            if leaf.dtype.kind != "f":
                raise ValueError(f"the leaf {name} of the network is {leaf.dtype}; needed float32 weights alone")
        if center is None:
            zeros = jax.tree.map(lambda leaf: np.zeros(np.shape(leaf), np.float32), like)
            return cls(zeros, 1.0, factors=grid, each=True, saw="nothing", centre="zero")
        matched(center, named_leaves(like, "network"), "center")
        return cls(center, 1.0, factors=grid, each=True, saw="nothing", centre="initialisation")

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """Leaves that share a factor, by a name; those without a moving weight are in none."""
        moving = tuple(name for name, scale in self.spreads.items() if scale.size and (scale > 0).any())
        return {name: (name,) for name in moving} if self.each else {"all": moving} if moving else {}

    @property
    def nats(self) -> float:
        """What the choice of factors costs at most."""
        return len(self.groups) * math.log(len(self.factors))


def _frozen_copy(leaves: Leaves) -> Leaves:
    found = {}
    for name, leaf in leaves.items():
        found[name] = np.array(leaf)
        found[name].flags.writeable = False
    return found


def _check_reference(leaves: Leaves) -> None:
    for name, leaf in leaves.items():
        if leaf.dtype.kind == "V" or (leaf.dtype.kind == "f" and leaf.dtype.type not in FLOATS):
            raise ValueError(
                f"the leaf {name} of the reference is {leaf.dtype}; needed float32 (cast it, then evaluate)"
            )
        if leaf.dtype.kind == "f" and not np.isfinite(leaf).all():
            raise ValueError(f"the leaf {name} of the reference has numbers that are not finite")


def _check_own(given: Any) -> None:
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    whole = all(isinstance(one, int | np.integer) and not isinstance(one, bool) for one in pair)
    if len(pair) != 2 or not whole or not 0 <= pair[0] <= pair[1] > 0:
        raise ValueError(f"own_errors={given!r}; needed errors and how many samples, (k, n) with 0 ≤ k ≤ n")


def _checked_factors(factors: Any) -> tuple[float, ...]:
    given = factors if isinstance(factors, Iterable) and not isinstance(factors, str) else (math.nan,)
    found = tuple(float(factor) if isinstance(factor, int | float | np.number) else math.nan for factor in given)
    if not found or not all(0.0 <= factor < math.inf for factor in found) or len(set(found)) < len(found):
        raise ValueError(f"factors={factors!r}; needed different finite numbers, none negative, at least one")
    return found
