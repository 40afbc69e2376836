"""What all classes of boxes have in common: they are charged first moments of what they weigh, row by row."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, UInt64

from sparsebounds.bounds.certificates.boxes.moments import (
    check_range,
    check_shapes,
    counted_pairs,
    first_moments,
    pair_weights,
)
from sparsebounds.bounds.certificates.energies import EnergyWeights, Features
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.moments.margin_forms import MarginForm
from sparsebounds.bounds.sample.fingerprinting import as_fingerprints
from sparsebounds.bounds.sample.sample import Sample


def frozen(value: Any) -> Any:
    """A copy that nobody can write to, of an array, of arrays by layer, or of a margin form; anything else as it is.

    A class is fixed: what it was charged for must be what its members are compared with.
    """
    if isinstance(value, np.ndarray):
        value = value.copy()
        value.setflags(write=False)
    elif isinstance(value, Mapping):
        value = MappingProxyType({key: frozen(one) for key, one in value.items()})
    elif isinstance(value, MarginForm):
        value = replace(value, **{one.name: frozen(getattr(value, one.name)) for one in fields(value)})
    return value


class BoxClass(ABC):
    """The part of a `Family` of boxes that does not depend on where its boxes lie.

    Its energies are of N quantities, fixed functions of the input: the inputs or the values of a rehearsal; the
    constant 1 is the last of them.
    """

    form: MarginForm
    sizes: Float64[np.ndarray, "pairs N"]
    largest: Float64[np.ndarray, " N"]
    """What no |quantity| exceeds; 1 for the constant."""
    shaped_by: UInt64[np.ndarray, " n"] | None
    features: Features | None = None
    """Which functions of the inputs are weighed; None: they themselves."""
    share = 1.0
    """Of a first moment that a class is charged: about half where all signs are fixed."""

    @property
    @abstractmethod
    def charges(self) -> Float64[np.ndarray, "R N"]:
        """What stands before the first moment of every quantity, at radius 1."""

    def __post_init__(self) -> None:
        if self.shaped_by is not None:
            object.__setattr__(self, "shaped_by", as_fingerprints(self.shaped_by))
        for one in fields(self):  # type: ignore[arg-type]  # every class of boxes is a dataclass
            object.__setattr__(self, one.name, frozen(getattr(self, one.name)))
        check_shapes(self.form, self.charges, self.sizes, self.largest)

    @property
    def counted(self) -> Bool[np.ndarray, "pairs K"]:
        """bool (pairs, K): the sub-sample of each pair."""
        return counted_pairs(self.form)

    @property
    def weights(self) -> EnergyWeights:
        """Z of every pair: Σ_i (charge_i/κ_i) z_i², the constant among the i."""
        return replace(pair_weights(self.form, self.charges, self.sizes), features=self.features)

    def reach(self, energies: Float64[np.ndarray, "pairs K"], m: int) -> Float64[np.ndarray, " R"]:
        """What a radius of 1 adds to T, (R,), from the energies of every pair, (pairs, K), divided by m."""
        return self.share * first_moments(self.form, self.charges, self.sizes, self.largest, energies, m)

    def scales(self, graph: Graph) -> Float64[np.ndarray, " elements"]:
        """Ones: no hidden row is rescaled."""
        return np.ones(int(graph.offsets[-1]))

    def most(self, graph: Graph) -> float:
        """No limit: a box of a larger radius holds the smaller ones."""
        return math.inf

    def check(self, sample: Sample) -> None:
        """Raise ValueError unless all inputs of the sample are known to lie within their range."""
        check_range(sample, self.largest)
