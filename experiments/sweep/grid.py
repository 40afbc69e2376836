"""The cells of a sweep: which there are, and the name of each."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from sparsebounds.experiments.shared.files import plain
from sparsebounds.experiments.sweep.config import Range, Settings, Sweep
from sparsebounds.experiments.sweep.factors import FACTORS, Level

Levels = Mapping[str, Level]


@dataclass(frozen=True)
class Cell:
    """One network of a sweep.

    Args:
        levels: hyper-parameter → its level, all of `FACTORS`.
        settings: of the sweep.
        code: version of the code that makes it.
    """

    levels: Levels
    settings: Settings
    code: str

    @property
    def name(self) -> str:
        """Hash of all that decides what the cell gives: config and code."""
        said = json.dumps(plain([dict(self.levels), self.settings, self.code]), sort_keys=True)
        return hashlib.sha256(said.encode()).hexdigest()[:20]


def count(sweep: Sweep) -> int:
    """How many cells a sweep has; nothing is listed.

    Example:
        >>> count(Sweep("a", {"depth": (1, 2), "width": (8, 16, 32)}))
        6
    """
    everything = math.prod(len(levels) for levels in sweep.factors.values() if not isinstance(levels, Range))
    return everything if sweep.design == "factorial" else _drawn(sweep, everything)


def cells(sweep: Sweep, code: str) -> list[Cell]:
    """All cells of a sweep in a fixed order.

    Args:
        sweep: the config.
        code: version of the code.
    """
    found: Sequence[Levels] = {"factorial": _factorial, "fraction": _fraction, "sobol": _sobol}[sweep.design](sweep)
    return [Cell(levels, sweep.settings, code) for levels in found]


def _drawn(sweep: Sweep, everything: int) -> int:
    return sweep.cells if sweep.design == "sobol" else min(sweep.cells, everything)


def _factorial(sweep: Sweep) -> list[Levels]:
    return [dict(zip(sweep.factors, levels, strict=True)) for levels in itertools.product(*_lists(sweep))]


def _fraction(sweep: Sweep) -> list[Levels]:
    """Stars: a random cell, and all that differ from it in one hyper-parameter; so pairs that do are sure to exist."""
    lists = _lists(sweep)
    shape = tuple(len(levels) for levels in lists)
    wanted = _drawn(sweep, math.prod(shape))
    random, taken = np.random.RandomState(sweep.seed), dict[tuple[int, ...], None]()
    for centre in random.permutation(math.prod(shape)):
        places = tuple(int(i) for i in np.unravel_index(centre, shape))
        arms = [places[:i] + (j,) + places[i + 1 :] for i, size in enumerate(shape) for j in range(size)]
        for cell in (places, *arms):
            if len(taken) < wanted:
                taken.setdefault(cell)
        if len(taken) == wanted:
            break
    return [
        {name: levels[i] for name, levels, i in zip(sweep.factors, lists, places, strict=True)}
        for places in sorted(taken)
    ]


def _sobol(sweep: Sweep) -> list[Levels]:
    moving = [name for name, levels in sweep.factors.items() if isinstance(levels, Range) or len(levels) > 1]
    sampler = qmc.Sobol(max(len(moving), 1), scramble=True, rng=np.random.default_rng(sweep.seed))
    points = sampler.random(sweep.cells)
    found: list[Levels] = []
    for point in points:
        at = dict(zip(moving, point, strict=False))
        found.append({name: _level(name, levels, at.get(name, 0.0)) for name, levels in sweep.factors.items()})
    return found


def _level(name: str, levels: Any, at: float) -> Level:
    """The level at a share of the way through a list or a range."""
    if not isinstance(levels, Range):
        return levels[min(int(at * len(levels)), len(levels) - 1)]
    if levels.log:
        value = math.exp(math.log(levels.low) + at * (math.log(levels.high) - math.log(levels.low)))
    else:
        value = levels.low + at * (levels.high - levels.low)
    value = min(max(value, levels.low), levels.high)
    return round(value) if isinstance(FACTORS[name].default, int) else value


def _lists(sweep: Sweep) -> list[tuple[Level, ...]]:
    return [levels for levels in sweep.factors.values() if not isinstance(levels, Range)]
