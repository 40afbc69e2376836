"""Networks that know fair coins by heart, and a vote of the features that agree best with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Int

from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.reader.read import read_graph
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.sample.sample import Sample

SAMPLES, INPUTS, RANGE = 400, 500, (-6.0, 6.0)
REPEATED, TIMES, FEW_INPUTS = 200, 250, 240
FEATURES, PICKED = 20_000, 41
WINDOW, STRETCH, SERIES = 100, 100, 2100
TRUTH = 0.5


class Believed(Margins):
    """Margins that nobody can check, taken for measured ones: what a check that was left out would let through."""

    @property
    def unchecked(self) -> str:
        return ""


class OfAnyNetwork(Sample):
    """A sample that passes for measured on whatever network it comes with."""

    @property
    def unchecked(self) -> str:
        return ""

    def check_network(self, graph: Graph | Program) -> None:
        """It is believed."""

    @classmethod
    def of(cls, sample: Sample) -> OfAnyNetwork:
        """The same numbers."""
        return cls(**{field.name: getattr(sample, field.name) for field in fields(sample)})


@dataclass(frozen=True, eq=False)
class Learned:
    """Inputs, coins as their labels, and a network that was made from both."""

    x: Float32[np.ndarray, "m d"]
    y: Int[np.ndarray, " m"]
    network: Callable[[Any], Any]
    rng: np.random.Generator

    @cached_property
    def graph(self) -> Graph:
        return read_graph(self.network, self.x[:2])

    @cached_property
    def sample(self) -> Sample:
        return Sample.measure(self.network, self.x, self.y)


def by_heart(seed: int, m: int = SAMPLES, inputs: int = INPUTS) -> Learned:
    """A linear function of more normal inputs than samples, clipped at 6: least squares have all labels right."""
    rng = np.random.default_rng(seed)
    x = np.clip(rng.normal(size=(m, inputs)), *RANGE).astype(np.float32)
    y = rng.integers(0, 2, m)
    w = np.linalg.lstsq(x.astype(np.float64), np.eye(2)[y] - 0.5, rcond=None)[0].astype(np.float32)
    return Learned(x, y, lambda v: v @ w, rng)


def by_neighbours(seed: int) -> Learned:
    """Windows of one smooth series in any order, a coin for every stretch of it, and a vote of the first half of them:
    each votes for its label in windows that are much like it, as those beside it are."""
    rng = np.random.default_rng(seed)
    series = np.convolve(rng.normal(size=SERIES + 7), np.full(8, 8**-0.5), "valid").astype(np.float32)
    starts = rng.permutation(SERIES - WINDOW)
    x = np.stack([series[i : i + WINDOW] for i in starts])
    y = rng.integers(0, 2, SERIES // STRETCH)[(starts + WINDOW // 2) // STRETCH]
    half = len(x) // 2
    kept, votes = x[:half].T, (np.eye(2)[y[:half]] - 0.5).astype(np.float32)
    return Learned(x, y, lambda v: jnp.maximum(v @ kept - 0.6 * WINDOW, 0.0) @ votes, rng)


def _indices(best: np.ndarray) -> Callable[[Any], Any]:
    return lambda x: x[:, best]


def _columns(best: np.ndarray) -> Callable[[Any], Any]:
    return lambda x: jnp.stack([x[:, i] for i in best], axis=1)


def _mask(best: np.ndarray) -> Callable[[Any], Any]:
    mask = np.isin(np.arange(FEATURES), best)
    return lambda x: jnp.where(mask, x, 0.0)


WRITTEN = {"indices": _indices, "columns stacked": _columns, "a mask": _mask}


def voted(seed: int, written: str) -> Learned:
    """The majority of the features, of many fair coins, that agreed best with the labels.

    Args:
        seed: of the features and the labels.
        written: how the program reads them, one of `WRITTEN`.
    """
    rng = np.random.default_rng(seed)
    x = (2 * rng.integers(0, 2, (SAMPLES, FEATURES), dtype=np.int8) - 1).astype(np.float32)
    y = rng.integers(0, 2, SAMPLES)
    best = np.sort(np.argsort(-(1.0 - 2.0 * y) @ x)[:PICKED])
    read, vote = WRITTEN[written](best), np.array([[1.0, -1.0]], dtype=np.float32)
    return Learned(x, y, lambda v: read(v).sum(axis=1, keepdims=True) @ vote, rng)
