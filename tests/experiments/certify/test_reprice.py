"""Rows at another price: by hand, against Bernstein itself, and the committed rows."""

import json
import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsebounds.bounds.confidence.bernstein import bernstein_upper
from sparsebounds.bounds.margin.codes import Listed, Trees, WholeNumbers
from sparsebounds.bounds.margin.space import ConfigurationSpace, Field
from sparsebounds.experiments.certify.certify import form_of, task_of
from sparsebounds.experiments.certify.options import CertifyOptions
from sparsebounds.experiments.certify.reprice import reprice, repriced
from sparsebounds.experiments.certify.space import configuration
from sparsebounds.experiments.reproduce.certificates.pareto import ParetoConfig
from sparsebounds.experiments.reproduce.certificates.study import CERTIFICATES

RESULTS = Path(__file__).resolve().parents[3] / "results"
ROW = {
    "ramp": 0.1, "complexity": 0.2, "nats": 3.0, "nats: configuration": 1.0, "m": 5000, "delta": 0.001,
    "energies": 17, "energies_upper": 1.05, "repriced": 1.0, "gamma": 0.9,
}  # fmt: skip


NUMBERS = ConfigurationSpace("test", 2, (Field("one", WholeNumbers()),))


def priced(nats: float):
    """About this price: a list of as many."""
    space = ConfigurationSpace("test", 2, (Field("one", Listed(tuple(range(round(math.exp(nats)))))),))
    return space.configuration({"one": 0})


def test_by_hand() -> None:
    found = priced(math.log(1000))
    again = repriced(ROW, found)
    before, after = math.log(4 * 17 / 0.001) + 1.0, math.log(4 * 17 / 0.001) + math.log(1000)
    factor = math.sqrt((1 + 0.1025 * after / before) / 1.1025)  # U = mean + 0.1025 mean
    assert again["complexity"] == pytest.approx(0.2 * factor) and again["repriced"] == pytest.approx(factor)
    assert again["energies_upper"] == pytest.approx(1.05 * factor)
    assert again["nats"] == pytest.approx(2.0 + math.log(1000)) and again["gamma"] == 0.9
    assert again["confidence"] == pytest.approx(math.sqrt((math.log(2000) + 2.0 + math.log(1000)) / 10000))
    assert again["value"] == pytest.approx(0.1 + again["complexity"] + again["confidence"])
    assert (again["space"], again["space_version"], again["space_hash"]) == ("test", 2, found.space.hash)


def test_a_lower_price_takes_nothing_off_the_complexity() -> None:
    again = repriced(ROW, priced(0.0))
    assert again["complexity"] == 0.2 and again["nats"] == pytest.approx(2.0) and again["repriced"] == 1.0


def test_twice_is_not_less_than_once() -> None:
    once = repriced(ROW, priced(math.log(5000)))
    twice = repriced(repriced(ROW, priced(math.log(50))), priced(math.log(5000)))
    assert once["complexity"] <= twice["complexity"] < 1.01 * once["complexity"]


def test_never_below_bernstein_itself() -> None:
    """Random energies: Σ √U' computed anew is at most what the row says."""
    rng, m, delta = np.random.default_rng(0), 2000, 0.001
    for _ in range(200):
        n, z = 3, rng.uniform(size=(3, m)) ** rng.uniform(0.1, 8.0, size=(3, 1))
        limits = z.max(axis=1) * rng.uniform(1.0, 50.0, size=3)
        union, before = math.log(2 * n / delta), rng.uniform(0.0, 5.0)
        found = NUMBERS.configuration({"one": int(rng.integers(30, 300))})  # 7 to 11 nats
        old, new = (
            bernstein_upper(z.mean(axis=1), np.square(z).mean(axis=1), limits, m, union + nats)
            for nats in (before, found.nats)
        )
        row = {**ROW, "nats: configuration": before, "energies": n, "delta": delta}
        row |= {"energies_upper": math.sqrt((old / z.mean(axis=1)).max()), "complexity": np.sqrt(old).sum()}
        assert repriced(row, found)["complexity"] >= np.sqrt(new).sum() * (1 - 1e-12)


@pytest.mark.parametrize("name", ["certificates", "pareto"])
def test_committed_rows_are_of_the_present_space(name: str) -> None:
    """Whoever widens the space has to reprice them: `python -m sparsebounds.experiments.certify.reprice`."""
    rows = pd.read_csv(RESULTS / name / "rows.csv")
    described = json.loads((RESULTS / name / "config.json").read_text(encoding="utf-8"))
    config = CERTIFICATES.presets["cpu"] if name == "certificates" else ParetoConfig()
    assert [tuple(space) for space in described["config"]["spaces"]] == list(config.spaces)
    for row in rows.to_dict(orient="records"):
        options = CertifyOptions(row["task"], row["form"], described["config"]["preset"], row["seed"])
        found = configuration(task_of(options), form_of(options), options.seed)
        assert (row["space"], row["space_version"], row["space_hash"]) == (
            found.space.name, found.space.version, found.space.hash,
        )  # fmt: skip
        assert row["nats: configuration"] == pytest.approx(found.nats)
        scale = row["nats: scale/gamma on its grid"]
        assert row["nats"] == pytest.approx(scale + found.nats, abs=1e-6)
        assert row["confidence"] == pytest.approx(math.sqrt((math.log(2000) + row["nats"]) / (2 * row["m"])))


def test_a_folder_is_repriced_once(tmp_path: Path) -> None:
    for name in ("rows.csv", "config.json"):
        shutil.copy(RESULTS / "pareto" / name, tmp_path / name)
    assert reprice(tmp_path) == 0
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert rows.equals(pd.read_csv(RESULTS / "pareto" / "rows.csv"))
    narrower = Trees(10).nats(((0, 1), ((2, 3), (4, ((5, 6), (7, (8, 9)))))))
    rows["nats: configuration"] -= narrower
    rows["nats"] -= narrower
    rows["space_hash"] = "another"
    rows.to_csv(tmp_path / "rows.csv", index=False)
    assert reprice(tmp_path) == len(rows) and reprice(tmp_path) == 0
    again, committed = pd.read_csv(tmp_path / "rows.csv"), pd.read_csv(RESULTS / "pareto" / "rows.csv")
    np.testing.assert_allclose(again["nats"], committed["nats"])
    assert (again["value"] > committed["value"]).all()  # the complexity was charged for the old price already
