"""The config of a sweep and its cells: what is refused, what is counted, how a cell is named."""

import dataclasses
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.experiments.sweep.config import BUILT_IN, Sweep, load, parsed
from sparsebounds.experiments.sweep.grid import Cell, cells, count
from sparsebounds.experiments.sweep.options import SweepOptions
from sparsebounds.experiments.sweep.run import check_size


def sweep(design: str = "factorial", number: int = 0, **factors: Any) -> Sweep:
    document: dict[str, Any] = {"design": design, "factors": factors}
    return parsed(document | ({"cells": number} if number else {}), "test")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"factor": {}}, r"unknown key of a sweep 'factor': choose from cells, design, factors, name, seed, settings"),
        ({"factors": {"widht": [3]}}, "unknown hyper-parameter 'widht': choose from architecture, batch_size, "),
        ({"factors": {"width": []}}, r"width = \[\]: an empty grid; give at least one level"),
        ({"factors": {"width": [3, 3]}}, "a level came twice"),
        ({"factors": {"width": [0.5]}}, "width = 0.5: needed an integer from 1 to 100000"),
        ({"factors": {"depth": [True]}}, "depth = True: needed an integer"),
        ({"factors": {"dataset": ["minst"]}}, "dataset = 'minst': needed one of digits, mnist"),
        ({"factors": {"optimiser": ["rmsprop"]}}, "needed one of sgd, momentum, adam"),
        ({"factors": {"label_noise": [1.0]}}, "from 0 up to 1, not included"),
        ({"factors": {"sparsity": ["random@1.5"]}}, "METHOD or METHOD@DENSITY, a METHOD one of magnitude"),
        ({"factors": {"sparsity": ["random"]}}, "sparsity 'random' needs a density: write random@0.25"),
        ({"factors": {"sparsity": ["dense", "erk"], "density": [0.2]}}, "sparsity 'dense' has a density of its own"),
        ({"factors": {"sparsity": ["random", "erk"], "density": [1.0, 0.2]}}, "density 1 is one network whatever"),
        ({"factors": {"width": {"low": 1, "high": 9}}}, 'a range is for design = "sobol"'),
        ({"factors": 3}, r"factors = 3: needed a table, \[factors\]"),
        ({"design": "random"}, "unknown design 'random': choose from factorial, fraction, sobol"),
        ({"design": "sobol"}, "design 'sobol' with cells = 0"),
        ({"design": "sobol", "cells": 12}, "needed a power of 2, such as 8 or 16"),
        ({"design": "sobol", "cells": 8, "factors": {"width": {"low": 9, "high": 2}}}, "needed numbers low < high"),
        ({"cells": "all"}, "cells = 'all': needed an integer"),
        ({"settings": {"epoch": 3}}, "unknown setting 'epoch': choose from bounds, cross_entropy"),
        ({"settings": {"epochs": 0}}, "epochs = 0: needed an integer of at least 1"),
        ({"settings": {"cross_entropy": -1}}, "needed a number above 0"),
        ({"settings": {"delta": 1}}, "strictly between 0 and 1"),
        ({"settings": {"bounds": "galanti"}}, "needed a list of names"),
        ({"settings": {"halved": 1}}, "needed true or false"),
    ],
)
def test_what_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(Problem, match=said):
        parsed(document, "test")


def test_a_config_that_is_not_there_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="no sweep 'nothing': give a TOML file, or one of quick, study"):
        load("nothing")
    (tmp_path / "a.toml").write_text("factors = [")
    with pytest.raises(Problem, match="cannot be read as TOML"):
        load(str(tmp_path / "a.toml"))


def test_the_built_in_sweeps() -> None:
    assert count(load("quick")) >= 12
    study = load("study")
    assert study.design == "factorial" and count(study) == 768
    assert [name for name, levels in study.factors.items() if len(levels) > 1] == [  # type: ignore[arg-type]
        *("label_noise", "architecture", "depth", "width", "sparsity", "learning_rate", "batch_size", "seed")
    ]
    assert study.factors["train"] == (1000,) and study.factors["dataset"] == ("mnist",)
    searched = load("sharpness")  # its perceptrons, with the searches
    assert searched.settings == replace(study.settings, searches=True) and searched.factors["architecture"] == ("mlp",)
    same = ("architecture", "seed")
    assert {**searched.factors, **{name: study.factors[name] for name in same}} == study.factors
    assert set(BUILT_IN) == {"quick", "study", "sharpness"}


def test_a_factorial_has_every_cell_once() -> None:
    found = cells(sweep(depth=[1, 2], width=[8, 16, 32]), "code")
    levels = [(cell.levels["depth"], cell.levels["width"]) for cell in found]
    assert levels == list(itertools.product((1, 2), (8, 16, 32)))
    assert len({cell.name for cell in found}) == 6 == count(sweep(depth=[1, 2], width=[8, 16, 32]))


def test_a_fraction_has_pairs_that_differ_in_one() -> None:
    design = sweep("fraction", 12, depth=[1, 2, 3], width=[8, 16, 32], batch_size=[8, 16], seed=[0, 1])
    found = [tuple(cell.levels.values()) for cell in cells(design, "code")]
    assert len(set(found)) == 12 == count(design)
    differ = [sum(a != b for a, b in zip(*pair, strict=True)) for pair in itertools.combinations(found, 2)]
    assert differ.count(1) >= 6
    whole = sweep("fraction", 99, depth=[1, 2])
    assert count(whole) == 2 == len(cells(whole, "code"))


def test_a_sobol_sample_fills_ranges_and_lists() -> None:
    design = sweep(
        "sobol", 32, learning_rate={"low": 0.001, "high": 0.1, "log": True}, width={"low": 4, "high": 64}, depth=[1, 2]
    )
    found = cells(design, "code")
    rates = [float(cell.levels["learning_rate"]) for cell in found]
    assert len({cell.name for cell in found}) == 32 == count(design)
    assert all(0.001 <= rate <= 0.1 for rate in rates)
    assert sum(rate < 0.01 for rate in rates) == 16  # half of a logarithmic range
    assert all(isinstance(cell.levels["width"], int) and 4 <= cell.levels["width"] <= 64 for cell in found)
    assert [cell.levels["depth"] for cell in found].count(1) == 16
    assert [c.name for c in cells(design, "code")] == [c.name for c in found]


def test_the_name_of_a_cell_is_of_its_config_and_the_code() -> None:
    cell = cells(sweep(width=[8]), "code")[0]
    others = [
        Cell(cell.levels | {"width": 9}, cell.settings, "code"),
        Cell(cell.levels, dataclasses.replace(cell.settings, epochs=3), "code"),
        Cell(cell.levels, cell.settings, "other code"),
    ]
    assert len({cell.name, *(other.name for other in others)}) == 4
    assert cell.name == Cell(dict(reversed(cell.levels.items())), cell.settings, "code").name


def test_a_grid_of_days_has_to_be_asked_for() -> None:
    large = sweep(seed=list(range(1000)), width=list(range(1, 201)))
    with pytest.raises(Problem, match=r"200000 cells, about 11.6 days on one worker at 5 seconds each: .* say --yes"):
        check_size(count(large), SweepOptions("x"))
    check_size(count(large), SweepOptions("x", yes=True))
