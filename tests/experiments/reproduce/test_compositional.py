"""The compositional experiment: targets by hand, many runs at once against one run, samples for equal error."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from reproduced import reproduced

from sparsebounds import bounds
from sparsebounds.experiments.reproduce.compositional import study as compositional
from sparsebounds.experiments.reproduce.compositional import summary as compositional_summary
from sparsebounds.experiments.reproduce.compositional.targets import TARGETS, draw_inputs, draw_sample, threshold
from sparsebounds.experiments.shared import rows as row_files
from sparsebounds.experiments.shared.many_runs import Runs, errors, train_errors, train_many
from sparsebounds.nets.connectivity.graphs import tree

TINY = compositional.CompositionalConfig(
    targets=("mixed",), samples=(40, 80), tree_widths=(2,), dense_widths=(3,), learning_rates=(0.02,), steps=20,
    batch_size=8, tuning_seeds=2, seeds=2, validation=100, test=100, bound_samples=(80,),
)  # fmt: skip


def test_targets_by_hand() -> None:
    x = np.array([[1.0, 2.0, -1.0, 0.5]])
    first, second = (1 + 2 + 2) / 3**0.5, (-1 + 0.5 - 0.5) / 3**0.5
    assert TARGETS["affine"].root(x)[0] == pytest.approx((first + second + first * second) / 3**0.5)
    assert TARGETS["game"].root(x)[0] == min(2.0, 0.5)
    assert TARGETS["mixed"].root(x)[0] == pytest.approx((1 + 2 + 2 - 0.5) / 2)
    with pytest.raises(ValueError, match="6 inputs came; need a power of 4"):
        TARGETS["mixed"].root(np.zeros((2, 6)))


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_reads_its_inputs_as_the_tree_of_its_arity(name: str) -> None:
    """Changing the inputs under one node of the first level changes the root through that node's value alone."""
    target, rng = TARGETS[name], np.random.default_rng(0)
    x = draw_inputs(rng, 200, 16)
    under = tree(16, target.arity).pred[0][1]
    other = x.copy()
    other[:, under] = draw_inputs(rng, 200, target.arity)
    values = target.node(x.reshape(200, -1, target.arity), 1)
    moved = target.node(other.reshape(200, -1, target.arity), 1)
    assert (np.delete(values, 1, axis=1) == np.delete(moved, 1, axis=1)).all() and (values[:, 1] != moved[:, 1]).any()


@pytest.mark.parametrize("name", ["affine", "mixed"])
def test_variance_is_one_on_every_level(name: str) -> None:
    target, x = TARGETS[name], draw_inputs(np.random.default_rng(1), 200_000, 16)
    level = 0
    while x.shape[1] > 1:
        level += 1
        x = target.node(x.reshape(len(x), -1, target.arity), level)
        assert x.mean() == pytest.approx(0, abs=0.02) and x.var() == pytest.approx(1, abs=0.05), level


def test_labels_are_balanced_and_samples_nested() -> None:
    for name in TARGETS:
        x, y = draw_sample(name, 20_000, 16, (7, 1))
        assert y.mean() == pytest.approx(0.5, abs=0.015)  # four standard errors
        assert ((TARGETS[name].root(x) > threshold(name, 16)) == y).all()
        np.testing.assert_array_equal(draw_sample(name, 30, 16, (7, 1))[0], x[:30])


def linear(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    return x @ params["w"]


@pytest.fixture(scope="module")
def problem() -> tuple[Runs, dict[str, jax.Array]]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 30, 4)).astype(np.float32)
    y = (x.sum(axis=2) > 0).astype(np.int32)
    runs = Runs(
        x, y, np.array([0, 1, 1], np.int32), np.array([30, 30, 5], np.int32), np.array([0.1, 0.1, 0.02], np.float32)
    )
    return runs, {"w": jnp.asarray(rng.normal(size=(3, 4, 2)), jnp.float32)}


def test_many_runs_are_single_runs(problem: tuple[Runs, dict[str, jax.Array]]) -> None:
    """Each run against a loop written with optax on its own sample, its own rows and its own rate."""
    runs, start = problem
    found = train_many(linear, start, runs, steps=12, batch_size=6, seed=3)
    keys = jax.random.split(jax.random.key(3), 3)
    for run in range(3):
        x, y = runs.x[runs.sample[run]], runs.y[runs.sample[run]]
        w = np.asarray(start["w"][run], np.float64)
        first, second = np.zeros_like(w), np.zeros_like(w)
        for i in range(12):
            key = jax.random.fold_in(keys[run], i)
            rows = np.asarray(jax.random.randint(key, (6,), 0, int(runs.count[run])))
            assert rows.max() < runs.count[run]
            scores = x[rows] @ w
            share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
            gradient = x[rows].T @ (share - np.eye(2)[y[rows]]) / 6
            first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
            step = first / (1 - 0.9 ** (i + 1)) / (np.sqrt(second / (1 - 0.999 ** (i + 1))) + 1e-8)
            w -= float(runs.learning_rate[run]) * 0.5 * (1 + math.cos(math.pi * i / 12)) * step
        np.testing.assert_allclose(found["w"][run], w, rtol=2e-4, atol=2e-5)


def test_errors_of_many_runs(problem: tuple[Runs, dict[str, jax.Array]]) -> None:
    runs, params = problem
    own, all_ = train_errors(linear, params, runs), errors(linear, params, runs.x[0], runs.y[0])
    for run in range(3):
        w = np.asarray(params["w"][run])
        x, y = (array[runs.sample[run]][: runs.count[run]] for array in (runs.x, runs.y))
        assert own[run] == pytest.approx(np.mean((x @ w).argmax(1) != y))
        assert all_[run] == pytest.approx(np.mean((runs.x[0] @ w).argmax(1) != runs.y[0]))
    assert errors(linear, {"w": jnp.zeros((1, 4, 2))}, runs.x[0], runs.y[0]) == 1  # ties are wrong


def test_samples_needed() -> None:
    rows = pd.DataFrame(
        [
            (m, s, e)
            for s, es in enumerate(([0.4, 0.2, 0.1], [0.4, 0.3, 0.1]))
            for m, e in zip((100, 200, 400), es, strict=True)
        ],
        columns=["samples", "seed", "test_error"],
    )
    # seed 0 crosses 0.3 at √2·100, seed 1 at 200
    assert compositional_summary.samples_needed(rows, 0.3) == pytest.approx(100 * 2**0.75)
    back = pd.DataFrame({"samples": [1, 2, 4, 8], "seed": 0, "test_error": [0.3, 0.1, 0.3, 0.1]})
    assert compositional_summary.samples_needed(back, 0.2) == pytest.approx(4 * 2**0.5)  # the last crossing counts
    assert compositional_summary.samples_needed(back, 0.01) == math.inf


def test_the_setting_is_chosen_per_m() -> None:
    rows = [
        {"samples": m, "width": w, "learning_rate": 0.1, "validation_error": abs(w - m)} for m in (4, 8) for w in (4, 8)
    ]
    assert compositional.chosen(rows, 4)[0] == 4 and compositional.chosen(rows, 8)[0] == 8


def test_networks_are_what_the_targets_ask_for() -> None:
    config = compositional.CompositionalConfig()
    assert len(config.dense_widths) * len(config.learning_rates) >= 8
    net = compositional.build(config, "mixed", "tree", 2, 0)
    assert [layer.buckets.sources[0].shape for layer in net.layers()] == [(4, 4), (1, 4)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reproduced(compositional.COMPOSITIONAL, TINY, tmp_path_factory.mktemp("compositional"))


def test_run_has_every_seed_setting_and_bound(finished: Path) -> None:
    rows = row_files.read_rows(finished / "rows.csv")
    assert tuple(rows.columns) == compositional.COLUMNS
    sizes = rows.groupby(["network", "part"]).size()
    for network in ("tree", "dense"):
        assert sizes[network, "tuning"] == 2 and sizes[network, "result"] == 4
        assert sizes[network, "bounds"] == 2 * len(bounds.BOUNDS)
    bounded = rows[rows["part"] == "bounds"]
    held = bounded[bounded["bound"] == "held_out"]
    assert (held["value"] >= held["test_error"]).all()
    result = rows[rows["part"] == "result"]
    np.testing.assert_allclose(result["gap"], result["test_error"] - result["train_error"])
    # The network that the bounds read is the one that was trained: they measure the same errors.
    keys = ["network", "samples", "seed"]
    both = bounded.merge(result, on=keys, suffixes=("", "_trained"))
    assert len(both) == len(bounded)
    for name in ("train_error", "gap"):
        np.testing.assert_allclose(both[name], both[f"{name}_trained"], atol=1e-12)
    found = json.loads((finished / "found.json").read_text())["targets"]["mixed"]
    assert [line["dense_samples"] for line in found["equal_error"]] == [40, 80] and found["bounds_at"] == 80
    assert (finished / "figure.png").stat().st_size > 10_000


def test_resuming_does_nothing_twice(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = row_files.read_rows(finished / "rows.csv")
    monkeypatch.setattr(compositional, "train_many", None)  # calling it would fail
    compositional.run(TINY, finished, resume=True, progress=False, data_dir=None)
    pd.testing.assert_frame_equal(row_files.read_rows(finished / "rows.csv"), before)
