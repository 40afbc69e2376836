"""A sweep's config: read from TOML, every key and level checked by name."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sparsebounds.experiments.shared.problems import Problem, unknown
from sparsebounds.experiments.sweep.factors import DENSE, FACTORS, Level, check_level

BUILT_IN = ("quick", "study", "sharpness")
DESIGNS = ("factorial", "fraction", "sobol")


@dataclass(frozen=True)
class Range:
    """Levels of a Sobol sample: numbers between two ends, spread evenly on a logarithmic scale if `log`."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Settings:
    """What all cells share.

    Args:
        halved: images at half the resolution, means over 2×2 pixels.
        test: test images; 0 takes all.
        subset: seed of the draw of training and test images, and of the labels that noise changes.
        cross_entropy: training stops at the first epoch after which the mean loss on the training set is at most this.
        epochs: and after so many at the latest; such a cell is kept and marked.
        floor: weights that a mask leaves every layer at least.
        gamma: of all bounds alike, as in `bounds.table`.
        delta: allowed probability of failure of every certificate.
        bounds, measures: names, all if empty; measures = ["none"] leaves them out.
        searches: also the measures that search for a perturbation.
        scalar_nodes: bounds that are also computed with single units as nodes, where they see which weights are zero.
    """

    halved: bool = False
    test: int = 0
    subset: int = 0
    cross_entropy: float = 0.01
    epochs: int = 200
    floor: int = 1
    gamma: float | str = "percentile:10"
    delta: float = 1e-3
    bounds: tuple[str, ...] = ()
    measures: tuple[str, ...] = ()
    searches: bool = False
    scalar_nodes: tuple[str, ...] = ("galanti", "peeling")


@dataclass(frozen=True)
class Sweep:
    """A sweep as its config says it.

    Args:
        name: of the sweep.
        factors: hyper-parameter → its levels; a range in a Sobol sample.
        settings: what all cells share.
        design: "factorial"; "fraction": random cells and all that differ from them in one hyper-parameter, until there
            are `cells`; "sobol": `cells` points of a scrambled sequence.
        cells: how many, of a fraction or a Sobol sample.
        seed: of the design.
    """

    name: str
    factors: Mapping[str, tuple[Level, ...] | Range]
    settings: Settings = field(default_factory=Settings)
    design: str = "factorial"
    cells: int = 0
    seed: int = 0


def load(target: str) -> Sweep:
    """The built-in sweep of a name, or the config in a file.

    Raises:
        Problem: neither, or a config that cannot be read.

    Example:
        >>> load("quick").design
        'factorial'
    """
    path = Path(__file__).parent / f"{target}.toml" if target in BUILT_IN else Path(target)
    if not path.is_file():
        raise Problem(f"no sweep {target!r}: give a TOML file, or one of {', '.join(BUILT_IN)}")
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise Problem(f"{path} cannot be read as TOML ({' '.join(str(error).split())}): see docs/sweeps.md") from error
    return parsed(document, path.stem)


def parsed(document: Mapping[str, Any], name: str) -> Sweep:
    """A sweep from the tables of a TOML document.

    Raises:
        Problem: an unknown key or level, an empty grid.
    """
    known = ("name", "design", "cells", "seed", "factors", "settings")
    for key in document:
        if key not in known:
            raise unknown("key of a sweep", key, known)
    design = document.get("design", "factorial")
    if design not in DESIGNS:
        raise unknown("design", str(design), DESIGNS)
    sweep = Sweep(
        name=str(document.get("name", name)),
        factors=_factors(_table(document, "factors"), design),
        settings=_settings(_table(document, "settings")),
        design=design,
        cells=_integer(document, "cells", 0),
        seed=_integer(document, "seed", 0),
    )
    if (design == "factorial") != (sweep.cells == 0) or sweep.cells < 0:
        raise Problem(f"design {design!r} with cells = {sweep.cells}: a factorial has no cells, the others at least 1")
    if design == "sobol" and sweep.cells & (sweep.cells - 1):
        below = 2 ** int(math.log2(sweep.cells))
        raise Problem(f"cells = {sweep.cells} of a Sobol sample: needed a power of 2, such as {below} or {2 * below}")
    return sweep


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, Mapping):
        raise Problem(f"{name} = {found!r}: needed a table, [{name}], see docs/sweeps.md")
    return found


def _integer(document: Mapping[str, Any], name: str, default: int) -> int:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem(f"{name} = {value!r}: needed an integer")
    return value


def _factors(table: Mapping[str, Any], design: str) -> dict[str, tuple[Level, ...] | Range]:
    found: dict[str, tuple[Level, ...] | Range] = {}
    for name, said in table.items():
        if name not in FACTORS:
            raise unknown("hyper-parameter", name, FACTORS)
        found[name] = _range(name, said, design) if isinstance(said, Mapping) else _levels(name, said)
    _check_sparsity(found)
    return {name: found.get(name, (factor.default,)) for name, factor in FACTORS.items()}


def _levels(name: str, said: Any) -> tuple[Level, ...]:
    levels = tuple(said) if isinstance(said, list) else (said,)
    if not levels:
        raise Problem(f"{name} = []: an empty grid; give at least one level, or leave {name} out")
    for level in levels:
        check_level(name, level)
    if len(set(levels)) < len(levels):
        raise Problem(f"{name} = {list(levels)}: a level came twice; name each once")
    return levels


def _range(name: str, said: Mapping[str, Any], design: str) -> Range:
    if design != "sobol":
        raise Problem(f'{name} = {dict(said)}: a range is for design = "sobol"; give a list of levels')
    for key in said:
        if key not in ("low", "high", "log"):
            raise unknown(f"key of the range of {name}", key, ("low", "high", "log"))
    try:
        found = Range(**said)
        words = isinstance(FACTORS[name].default, str)
        if words or not found.low < found.high or (found.log and found.low <= 0):
            raise TypeError
    except TypeError:
        raise Problem(f"{name} = {dict(said)}: needed numbers low < high, above 0 where log = true") from None
    for end in (found.low, found.high):
        check_level(name, end)
    return found


def _check_sparsity(factors: Mapping[str, Any]) -> None:
    """Density is a hyper-parameter of methods without one of their own; at 1 all methods give one network."""
    methods = factors.get("sparsity", (DENSE,))
    densities = factors.get("density")
    own = [level for level in methods if level == DENSE or "@" in level]
    if densities is not None and own:
        raise Problem(
            f"sparsity {own[0]!r} has a density of its own, and density = {densities} was given too: name methods "
            f'alone, or write every level as METHOD@DENSITY, as in ["{DENSE}", "random@0.25"]'
        )
    if densities is None and len(own) < len(methods):
        bare = next(level for level in methods if level not in own)
        raise Problem(f"sparsity {bare!r} needs a density: write {bare}@0.25, or give density = [0.25]")
    if len(methods) > 1 and isinstance(densities, tuple) and 1 in densities:
        raise Problem(
            f"density 1 is one network whatever the method: write the levels as METHOD@DENSITY, {DENSE!r} among them"
        )


def _settings(table: Mapping[str, Any]) -> Settings:
    known = {f.name: f.default for f in fields(Settings)}
    given: dict[str, Any] = {}
    for name, value in table.items():
        if name not in known:
            raise unknown("setting", name, known)
        given[name] = _setting(name, value, known[name])
    return Settings(**given)


def _setting(name: str, value: Any, default: Any) -> Any:
    """A value of the kind of the default."""
    if isinstance(default, tuple):
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        value, need = tuple(value) if fits else value, "a list of names"
    elif isinstance(default, bool):
        fits, need = isinstance(value, bool), "true or false"
    elif name == "gamma":
        fits, need = isinstance(value, str) or _is_number(value, 0), 'a number above 0, "best" or "percentile:10"'
    elif isinstance(default, int):
        least = 1 if name == "epochs" else 0
        fits, need = isinstance(value, int) and _is_number(value, least - 1), f"an integer of at least {least}"
    elif name == "delta":
        fits, need = _is_number(value, 0) and value < 1, "a number strictly between 0 and 1"
    else:
        fits, need = _is_number(value, 0), "a number above 0"
    if not fits:
        raise Problem(f"{name} = {value!r}: needed {need}")
    return value


def _is_number(value: Any, above: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and above < value < math.inf
