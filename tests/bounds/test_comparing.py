"""Many models side by side."""

import math
from pathlib import Path

import jax
import numpy as np
import pytest
from compilations import compilations

from sparsebounds import bounds
from sparsebounds.bounds.comparing import COLUMNS

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype(np.float32)
Y = (X[:, 1] > X[:, 0]).astype(int)
NAMES = ["galanti", "golowich", "occam"]


def net(seed):
    w1, w2 = (np.random.default_rng(seed).normal(size=s).astype(np.float32) for s in ((4, 8), (8, 2)))
    return lambda x: jax.nn.relu(x @ w1) @ w2


def test_one_row_per_model_and_quantity():
    models = {"a": net(1), "b": net(2)}
    graphs = {name: bounds.read_graph(net(seed), X[:2]) for name, seed in (("a", 11), ("b", 12))}
    rows = bounds.compare(
        *(models, X[:40], Y[:40], X[40:], Y[40:]), names=NAMES, references=graphs, logs={"a": {"training_loss": 0.5}}
    )
    assert tuple(rows.columns) == COLUMNS and rows.columns[0] == "model"
    assert len(rows) == 2 * (len(NAMES) + len([m for m in bounds.MEASURES.values() if m.needs != "search"]))
    assert not rows.duplicated(["model", "name"]).any()
    alone = bounds.table(models["b"], X[:40], Y[:40], X[40:], Y[40:], names=NAMES, gamma="percentile:10")
    mine = rows[(rows.model == "b") & rows.name.isin(NAMES)]
    for column in ("value", "capacity", "gamma", "guarantee", "gap"):
        assert mine[column].tolist() == alone[column].tolist()
    measure = rows[rows.guarantee == "measure"].set_index(["model", "name"])
    assert measure.value.isna().all() and measure.capacity["a", "l2_dist"] > 0
    assert measure.capacity["a", "training_loss"] == 0.5 and math.isnan(measure.capacity["b", "training_loss"])
    assert (rows[rows.model == "a"].test_error == rows.test_error[0]).all()


def test_checkpoints_are_built_from_their_paths(tmp_path):
    for seed in (3, 4):
        np.savez(tmp_path / f"run{seed}.ckpt", seed=seed)
        (tmp_path / f"run{seed}.ckpt.npz").rename(tmp_path / f"run{seed}.ckpt")

    def build(path: Path):
        with open(path, "rb") as file:
            return net(int(np.load(file)["seed"]))

    rows = bounds.compare(str(tmp_path / "*.ckpt"), X, Y, build=build, names=["galanti"], measured=False)
    assert rows.model.tolist() == ["run3", "run4"]
    direct = bounds.compare({"run3": net(3), "run4": net(4)}, X, Y, names=["galanti"], measured=False)
    assert rows.capacity.tolist() == direct.capacity.tolist()
    with pytest.raises(ValueError, match="weights without a program; give build="):
        bounds.compare({"a": tmp_path / "run3.ckpt"}, X, Y)


def test_a_model_that_cannot_be_read_costs_its_own_row():
    rows = bounds.compare({"bad": lambda x: x[:, 0] * np.nan, "good": net(1)}, X, Y, names=["galanti"], measured=False)
    assert rows.model.tolist() == ["bad", "good"] and rows.note[0] and rows.value[1] > 0


def test_models_of_one_architecture_are_compiled_once():
    """The weights are arguments of what is compiled: the next model of an architecture finds all of it there."""
    bounds.compare({"first": net(20)}, X, Y, names=NAMES)
    with compilations() as compiled:
        bounds.compare({str(seed): net(seed) for seed in range(21, 24)}, X, Y, names=NAMES)
    assert compiled == []


def test_what_no_model_can_have_is_refused():
    with pytest.raises(ValueError, match="unknown bound 'gallanti'"):
        bounds.compare({"a": net(1), "b": net(2)}, X, Y, names=["gallanti"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"models": {}}, "no models came"),
        ({"models": "nowhere/*.ckpt"}, "no models came"),
        ({"logs": {"c": {}}}, "logs has 'c', which no model is called"),
    ],
)
def test_bad_input(change, message):
    given = {"models": {"a": net(1)}} | change
    with pytest.raises(ValueError, match=message):
        bounds.compare(given.pop("models"), X, Y, **given)
