"""The teacher-student experiment: its model worked out literally, the law in small, fits, resumption."""

import json
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from reproduced import reproduced

from sparsebounds.experiments.reproduce.lottery import study as lottery
from sparsebounds.experiments.reproduce.lottery import summary as lottery_laws
from sparsebounds.experiments.reproduce.lottery import teacher_student as model
from sparsebounds.experiments.shared import rows as row_files

TINY = lottery.LotteryConfig(
    inputs=30, neurons=3, steps=250, r=(4,), ratios=(3.0, 14.0), finer=2, trials=3, success=1e-2, rate_r=(4,),
    rate_samples=150, rate_steps=500, rate_trials=2, noise_r=(4,), noise_samples=(100, 200), noise_trials=2,
    mask_r=4, mask_samples=120, mask_cuts=(0, 2), mask_trials=2,
)  # fmt: skip
drawn = jax.jit(model.draw_task, static_argnums=1, static_argnames=("noise", "cut", "distance"))


def literal_descent(task: object, count: int, eta: float, beta: float, steps: int) -> np.ndarray:
    """The update as it is written, sample by sample and neuron by neuron, in float64."""
    x, y, mask, start = (np.asarray(getattr(task, name), np.float64) for name in ("x", "y", "mask", "start"))
    now = before = start
    inputs, neurons = start.shape
    for _ in range(steps):
        gradient = np.zeros_like(now)
        for n in range(count):
            heights = [sum(now[i, k] * x[n, i] for i in range(inputs)) for k in range(neurons)]
            miss = sum(max(h, 0.0) for h in heights) / neurons - y[n]
            for k in range(neurons):
                if heights[k] > 0:
                    gradient[:, k] += miss * x[n] / neurons / count
        now, before = now - eta * mask * gradient + beta * (now - before), now
    return now


def test_descent_against_its_definition(key: jax.Array) -> None:
    task = drawn(key, model.Sizes(6, 2, 3, 12), noise=0.1, cut=1)
    run = jax.jit(lambda count: model.descend(task, count, eta=0.8, beta=0.6, steps=15))
    for count in (7, 12):
        np.testing.assert_allclose(run(jnp.asarray(count)), literal_descent(task, count, 0.8, 0.6, 15), atol=2e-5)
    trace = jax.jit(lambda: model.error_trace(task, eta=0.8, beta=0.6, steps=15))()
    last = literal_descent(task, 12, 0.8, 0.6, 15)
    assert trace.shape == (15,)
    assert float(trace[-1]) == pytest.approx(
        float(model.relative_error(task, jnp.asarray(last, jnp.float32))), rel=1e-4
    )


def test_task_is_what_it_says(key: jax.Array) -> None:
    task = drawn(key, model.Sizes(40, 4, 10, 2000), cut=3)
    teacher, mask = np.asarray(task.teacher), np.asarray(task.mask)
    np.testing.assert_allclose(np.linalg.norm(teacher, axis=0), 1, rtol=1e-5)
    assert ((teacher != 0).sum(0) == 10).all() and (mask.sum(0) == 10).all()
    assert ((teacher != 0) & ~mask).sum(0).tolist() == [3] * 4
    np.testing.assert_allclose(task.y, np.maximum(np.asarray(task.x) @ teacher, 0).mean(1), atol=1e-5)
    assert not np.asarray(task.start)[~mask].any()
    whole = drawn(key, model.Sizes(40, 4, 10, 5), distance=0.5)
    assert float(model.relative_error(whole, whole.start)) == pytest.approx(0.5, rel=1e-5)


def test_effective_sparsity() -> None:
    apart = np.zeros((8, 2), bool)
    apart[:3, 0] = apart[3:8, 1] = True
    # by hand: ((2√6) + 2·√8 + (2√10))² / (8·16)
    assert model.effective_sparsity(apart) == pytest.approx((2 * 6**0.5 + 2 * 8**0.5 + 2 * 10**0.5) ** 2 / 128)
    assert model.effective_sparsity(np.ones((9, 5), bool)) == 9  # all meet, equal degrees: r


def test_half_point_of_a_known_curve() -> None:
    n = np.linspace(200, 300, 21)
    curve = 1 / (1 + np.exp(-(n - 247.0) / 9))
    assert lottery_laws.half_point(n, curve) == pytest.approx(247, abs=0.5)
    draws = np.random.default_rng(0).binomial(400, curve) / 400
    assert lottery_laws.half_point(n, draws) == pytest.approx(247, abs=2)
    assert lottery_laws.half_point(np.array([10.0, 20.0]), np.array([0.0, 1.0])) == pytest.approx(15)
    assert math.isnan(lottery_laws.half_point(n, np.zeros_like(n)))
    assert math.isnan(lottery_laws.half_point(n, np.ones_like(n)))


def test_lines() -> None:
    fit = lottery_laws.line([1, 2, 3, 4], [3.0, math.nan, 7.0, 9.0])
    assert (fit["slope"], fit["intercept"], fit["r2"], fit["points"]) == (pytest.approx(2), pytest.approx(1), 1, 3)
    assert math.isnan(lottery_laws.line([1, 1], [2, 3])["slope"])


def test_contraction_needs_both_levels() -> None:
    assert lottery.contraction(0.95 ** np.arange(400.0)) == pytest.approx(0.05)
    assert math.isnan(lottery.contraction(0.95 ** np.arange(20.0)))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reproduced(lottery.LOTTERY, TINY, tmp_path_factory.mktemp("lottery"))


def test_run_writes_every_part(finished: Path) -> None:
    rows = row_files.read_rows(finished / "rows.csv")
    assert rows.groupby("part", sort=False).size().to_dict() == {"samples": 4, "rate": 1, "noise": 2, "mask": 2}
    assert tuple(rows.columns) == lottery.COLUMNS
    found = json.loads((finished / "found.json").read_text())
    assert {"slope", "r2", "rate", "noise", "mask", "folder"} <= found.keys()
    assert (finished / "figure.png").stat().st_size > 10_000
    shares = rows[rows["part"] == "samples"].set_index("samples")["value"]
    assert list(shares.index) == sorted(shares.index) and shares[12] == 0 and shares[56] == 1  # 3r fail, 14r succeed
    assert 12 < lottery_laws.n50(rows)["n50"][0] < 56
    wrong = rows[rows["part"] == "mask"].set_index("cut")
    assert wrong.loc[2, "value"] >= wrong.loc[2, "cut_norm"] > 0 == wrong.loc[0, "cut_norm"]
    np.testing.assert_allclose(wrong.loc[0, "kept_error"], wrong.loc[0, "value"])


def test_resumed_run_keeps_what_is_there_and_ends_the_same(finished: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(finished / "rows.csv")
    marked = rows[rows["part"] != "mask"].copy()
    marked.loc[marked["part"] == "noise", "trials"] = 77.0  # recognisable: it must not be measured again
    marked.to_csv(tmp_path / "rows.csv", index=False)
    lottery.run(TINY, tmp_path, resume=True, progress=False, data_dir=None)
    again = pd.read_csv(tmp_path / "rows.csv")
    assert (again[again["part"] == "noise"]["trials"] == 77).all()
    for part in ("samples", "rate", "mask"):  # the last one is measured again, and the same
        pd.testing.assert_frame_equal(
            again[again["part"] == part].reset_index(drop=True), rows[rows["part"] == part].reset_index(drop=True)
        )


def test_committed_results_show_the_law() -> None:
    """The expected law, refitted from the committed rows."""
    folder = Path(__file__).resolve().parents[3] / "results" / "lottery"
    found = lottery_laws.summary(row_files.read_rows(folder / "rows.csv"))
    assert found["points"] == 9 and found["r2"] > 0.99
    assert found["slope"] == pytest.approx(6.66, abs=0.15)
    assert found["rate"]["r2"] > 0.95 and found["rate"]["slope"] < 0
    assert found["noise"]["r2"] > 0.95
