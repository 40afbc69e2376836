"""The hyper-parameters of a sweep: what each may be, and what it is where a config is silent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.nets.data.datasets import NAMES
from sparsebounds.nets.prune import METHODS

Level = str | int | float
DENSE = "dense"
ARCHITECTURES = ("mlp", "strided", "conv")
OPTIMISERS = ("sgd", "momentum", "adam")


@dataclass(frozen=True)
class Factor:
    """One hyper-parameter.

    Args:
        default: its level where a config does not name it.
        need: what a level has to be, in words.
        fits: whether a level is that.
    """

    default: Level
    need: str
    fits: Callable[[Any], bool]


def _words(default: str, known: tuple[str, ...]) -> Factor:
    return Factor(default, f"one of {', '.join(known)}", lambda level: level in known)


def _count(default: int, least: int, most: int) -> Factor:
    return Factor(
        default,
        f"an integer from {least} to {most}",
        lambda level: isinstance(level, int) and not isinstance(level, bool) and least <= level <= most,
    )


def _number(default: float, need: str, fits: Callable[[float], bool]) -> Factor:
    def number(level: Any) -> bool:
        return isinstance(level, int | float) and not isinstance(level, bool) and fits(level)

    return Factor(default, need, number)


FACTORS: dict[str, Factor] = {
    "dataset": _words("digits", NAMES),
    "train": _count(1000, 10, 10**7),
    "label_noise": _number(0.0, "a number from 0 up to 1, not included", lambda v: 0 <= v < 1),
    "architecture": _words("mlp", ARCHITECTURES),
    "depth": _count(2, 1, 32),
    "width": _count(64, 1, 10**5),
    "sparsity": Factor(
        DENSE,
        f"{DENSE}, METHOD or METHOD@DENSITY, a METHOD one of {', '.join(METHODS)}",
        lambda level: isinstance(level, str) and _is_sparsity(level),
    ),
    "density": _number(1.0, "a number above 0, at most 1", lambda v: 0 < v <= 1),
    "optimiser": _words("momentum", OPTIMISERS),
    "learning_rate": _number(0.05, "a number above 0", lambda v: 0 < v < float("inf")),
    "weight_decay": _number(0.0, "a number of at least 0", lambda v: 0 <= v < float("inf")),
    "batch_size": _count(32, 1, 10**6),
    "dropout": _number(0.0, "a number from 0 up to 1, not included", lambda v: 0 <= v < 1),
    "seed": _count(0, 0, 2**31 - 1),
}
"""Name → hyper-parameter. Their order is that of the columns."""


def check_level(name: str, level: Any) -> None:
    """Whether a hyper-parameter may have this level.

    Raises:
        Problem: it may not.

    Example:
        >>> check_level("depth", 0)
        Traceback (most recent call last):
            ...
        sparsebounds.experiments.shared.problems.Problem: depth = 0: needed an integer from 1 to 32
    """
    factor = FACTORS[name]
    if not factor.fits(level):
        raise Problem(f"{name} = {level!r}: needed {factor.need}")


def method_and_density(sparsity: str, density: float) -> tuple[str, float]:
    """How a mask is made and how much it keeps, from the levels of both.

    Example:
        >>> method_and_density("random@0.25", 1.0), method_and_density("erk", 0.1), method_and_density("dense", 1.0)
        (('random', 0.25), ('erk', 0.1), ('dense', 1.0))
    """
    method, at, own = sparsity.partition("@")
    return method, float(own) if at else density


def _is_sparsity(level: str) -> bool:
    method, at, own = level.partition("@")
    if level == DENSE or (method in METHODS and not at):
        return True
    try:
        return method in METHODS and 0 < float(own) < 1
    except ValueError:
        return False
