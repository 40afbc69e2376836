"""`sparsebounds report` on a data set that repeats inputs."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from command_line import run

from sparsebounds.experiments.report import report
from sparsebounds.experiments.report.architectures import ARCHITECTURES, Size
from sparsebounds.experiments.report.certified import certified_row
from sparsebounds.experiments.report.follow import Network
from sparsebounds.experiments.shared.distance.recipe import RECIPES, Recipe

TINY = (
    "--arch",
    "mlp",
    "--width",
    "2",
    "--no-tree",
    "--train",
    "48",
    "--epochs",
    "1",
    "--batch-size",
    "16",
    "--no-certificate",
)
load_data = report.load_data


def twice(*arguments, **options):
    """Every image of the data set two times."""
    data = load_data(*arguments, **options)
    tiled = {name: np.concatenate([getattr(data, name)] * 2) for name in ("x_train", "y_train", "x_test", "y_test")}
    return dataclasses.replace(data, **tiled, _raw=None)


@pytest.mark.parametrize(("stated", "certified"), [((), False), (("--repetitions", "natural"), True)])
def test_repeated_samples_are_no_certificate_unless_stated(stated, certified, monkeypatch, tmp_path):
    monkeypatch.setattr(report, "load_data", twice)
    assert run("report", *TINY, *stated, "--out", str(tmp_path / "out")) == 0
    rows = pd.read_csv(tmp_path / "out" / "rows.csv")
    last = rows[rows["epoch"] == 1].dropna(subset="value")
    assert len(last) > 10 and ("certificate" in set(last["guarantee"])) == certified
    held_out = last[last["bound"] == "held_out"]
    assert held_out["guarantee"].tolist() == ["certificate" if certified else "published"]


def test_an_unknown_rule_is_one_line(capsys, tmp_path):
    assert run("report", *TINY, "--repetitions", "some", "--out", str(tmp_path / "out")) == 2
    said = capsys.readouterr().err
    assert "counted" in said and "natural" in said and len(said.splitlines()) == 1 and not (tmp_path / "out").exists()


def test_a_draw_is_never_made_anew(monkeypatch, tmp_path):
    """Another report in the same folder has a draw of its own, and leaves that of the first where it is."""
    monkeypatch.setitem(RECIPES, "report", Recipe(1, 1, 1, (1, 1), (20, 10, 10, 10), (1.0,), 1))
    data = load_data("digits", None)

    def row(width, seed=0, **options):
        model = ARCHITECTURES["mlp"].build(data, Size(1, width, "flax", 0))
        given = {"delta": 0.05, "seed": seed, "repetitions": "counted"} | options
        found, bound = certified_row(Network("mlp", model), 0, data, tmp_path, **given)
        assert bound is not None, found["note"]
        return bound

    first, other, seeded = row(2), row(3), row(2, seed=1)
    again, looser = row(2), row(2, delta=0.1)
    drawn = [one.terms["fingerprint of the weights"] for one in (first, other, seeded, again, looser)]
    assert drawn[0] == drawn[3] == drawn[4] and len(set(drawn)) == 3
    assert first.value == again.value and first.terms["configuration"] != seeded.terms["configuration"]
