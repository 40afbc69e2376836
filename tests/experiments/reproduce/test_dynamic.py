"""The study of dynamic sparse training: chance worked out by enumeration, settings, rows, removal, resumption."""

import dataclasses
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flax import nnx
from reproduced import reproduced

from sparsebounds import nets
from sparsebounds.experiments.reproduce.dynamic import study as dynamic
from sparsebounds.experiments.reproduce.dynamic import summary as dynamic_summary
from sparsebounds.experiments.reproduce.dynamic.channels import random_below, random_spread, statistics
from sparsebounds.experiments.shared import rows as row_files
from sparsebounds.experiments.shared.data import halve, load_small, standardise
from sparsebounds.experiments.shared.problems import Problem
from sparsebounds.nets import grow, prune

TINY = dataclasses.replace(
    dynamic.QUICK, train=60, test=60, width=4, methods=("chase",), epochs=2, batch_size=5, milestones=(), changes=4,
    channel_changes=3, clock_images=20,
)  # fmt: skip


@pytest.mark.parametrize(("fan_in", "channels", "kept"), [(3, 3, 4), (4, 2, 3), (2, 4, 5), (5, 1, 2), (2, 3, 6)])
def test_chance_by_enumeration(fan_in: int, channels: int, kept: int) -> None:
    """Every mask with `kept` of the weights, as likely as any other."""
    size, below, variance = fan_in * channels, [], []
    for chosen in itertools.combinations(range(size), kept):
        mask = np.zeros(size, bool)
        mask[list(chosen)] = True
        densities = mask.reshape(fan_in, channels).mean(axis=0)
        below.append((densities < 0.8 * kept / size).mean())
        variance.append(densities.var())
    assert random_below(size, kept, channels) == pytest.approx(np.mean(below))
    assert random_spread(size, kept, channels) == pytest.approx(np.sqrt(np.mean(variance)))


def test_random_masks_are_no_further_from_chance_than_chance() -> None:
    net = nets.ResNet(8, in_shape=(8, 8, 1), rngs=nnx.Rngs(0))
    found = [statistics(prune.random(net, 0.1, seed=seed), net.positions())[0] for seed in range(60)]
    away = np.array([(row["below"] - row["below_random"]) / row["below_sd"] for row in found])
    assert abs(away.mean()) < 4 / math.sqrt(60) and away.std() < 1.3
    network, layers = statistics(prune.erk(net, 0.1), net.positions())
    assert network["kept"] == sum(layer["kept"] for layer in layers) == round(0.1 * network["weights"])
    stem = next(layer for layer in layers if layer["layer"] == "stem.v")
    assert stem["density"] == 1 and stem["below_random"] == stem["spread_random"] == stem["below"] == 0


def test_uneven_masks_are_far_from_chance() -> None:
    """Channels filled one after the other."""
    mask = {"kernel": np.arange(40) < np.array([40, 40, 4, 4, 4, 4, 4, 4])[:, None]}
    network, (layer,) = statistics({"kernel": mask["kernel"].T}, {"kernel": 1})
    assert network["below"] == 0.75 and (network["below"] - network["below_random"]) / network["below_sd"] > 4
    assert dynamic_summary.spread_ratio(pd.DataFrame([layer])) > 4


def test_half_resolution(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    small = halve(images)
    assert small.shape == (2, 2, 3, 3) and small.dtype == np.float32
    assert small[1, 1, 2, 0] == pytest.approx(images[1, 2:4, 4:6, 0].mean(), rel=1e-6)
    data = load_small("digits", None, train=20, test=10, seed=0, halved=True)
    assert data.in_shape == (4, 4, 1) and data.preprocessing == "fixed"
    even = standardise(data)
    assert even.preprocessing == "sample" and float(even.x_train.mean()) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(even.x_test, (data.x_test - data.x_train.mean()) / data.x_train.std(), atol=1e-5)
    with pytest.raises(Problem, match="digits train has 1437"):
        load_small("digits", None, train=5000, test=None, seed=0, halved=True)
    with pytest.raises(Problem, match="mnist"):
        load_small("mnist", tmp_path, train=5, test=5, seed=0, halved=True)


def test_rules_scale_with_the_run() -> None:
    """1000 steps: masks stay from step 750 on and change 18 times, channels go 8 times before that."""
    chase = dynamic.rule(dynamic.DynamicConfig(), "chase", 3, 10000)
    assert isinstance(chase, grow.Chase)
    assert (chase.every, chase.until, chase.channel_every, chase.channel_until, chase.seed) == (41, 750, 83, 664, 3)
    rigl = dynamic.rule(dynamic.DynamicConfig(epochs=1), "rigl", 0, 1000)
    assert isinstance(rigl, grow.RigL) and (rigl.every, rigl.until) == (1, 15)
    assert all(dynamic.rule(TINY, method, 0, 100) is None for method in dynamic.STATIC)
    with pytest.raises(Problem, match=r"unknown method 'rigle': choose from dense, .*chase"):
        dynamic.rule(TINY, "rigle", 0, 100)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of Chase on a small network of dense layers, which compiles in a fraction of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dynamic, "build", lambda *_: nets.MLP((64, 24, 16, 10), rngs=nnx.Rngs(0)))
        return reproduced(dynamic.DYNAMIC, TINY, tmp_path_factory.mktemp("dynamic"))


def test_run_writes_every_part(finished: Path) -> None:
    rows = row_files.read_rows(finished / "rows.csv")
    assert tuple(rows.columns) == dynamic.COLUMNS
    layers = rows[rows["part"] == "layer"]
    assert layers.groupby("epoch").size().tolist() == [3, 3, 3]
    network = rows[rows["part"] == "network"].set_index("epoch")
    assert network["kept"].tolist() == layers.groupby("epoch")["kept"].sum().tolist()
    assert network["density"].iloc[[0, -1]].tolist() == pytest.approx([0.1, 0.1], abs=1e-3)  # the budget, in the end
    bounded = rows[rows["part"] == "bound"].set_index("bound")
    assert bounded.loc["occam", "value"] > 0 and "skip" not in bounded.loc["occam", "note"]
    assert network["test_error"].iloc[-1] == bounded["test_error"].iloc[0]
    assert (finished / "figure.png").stat().st_size > 10_000


def test_removed_channels_are_gone_and_nothing_else_changed(finished: Path) -> None:
    """Half of the 24 + 16 channels."""
    cut = json.loads((finished / "found.json").read_text())["removal"]
    assert (cut["channels"], cut["removed"], cut["removed_share"]) == (40, 20, 0.5)
    assert cut["difference"] < 1e-5
    assert cut["arrays_after"] < cut["arrays_before"] and cut["dense_flops_after"] < cut["dense_flops_before"]
    assert cut["seconds_before"] > 0 and cut["seconds_after"] > 0


def test_resumed_run_does_not_train_again(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "rows.csv").write_bytes((finished / "rows.csv").read_bytes())
    monkeypatch.setattr(nets, "train", lambda *_, **__: pytest.fail("trained again"))
    found = dynamic.run(TINY, tmp_path, resume=True, progress=False, data_dir=None)
    assert found["removal"]["removed"] == 20
    assert dynamic.DYNAMIC.plan(dynamic.DynamicConfig())[1].startswith("dense, random, erk, set, rigl, chase")


def test_committed_results_show_the_channels() -> None:
    found = dynamic_summary.summary(
        row_files.read_rows(Path(__file__).resolve().parents[3] / "results" / "dynamic" / "rows.csv")
    )
    methods = found["methods"]
    assert {row["seeds"] for row in methods.values()} == {3}
    assert all(abs(methods[name]["deviations"]) < 4 for name in ("random", "erk", "set"))
    assert all(methods[name]["deviations"] > 15 for name in ("rigl", "chase"))
    said = {"random": 0.97, "erk": 1.02, "set": 1.27, "rigl": 3.54, "chase": 3.04}  # results/README.md
    assert {name: round(methods[name]["spread_ratio"], 2) for name in said} == said
    assert [round(methods[name]["below"], 3) for name in ("rigl", "chase", "set")] == [0.471, 0.449, 0.133]
    assert found["removal"]["removed"] == 56 and found["removal"]["difference"] < 1e-6
    assert found["removal"]["removed_share"] == pytest.approx(56 / 240)
