"""Why pruned networks need fewer samples: the teacher-student experiment of Zhang et al., NeurIPS 2021.

Command: sparsebounds reproduce lottery [--preset quick|cpu]; CPU, quick about a minute, cpu six, on two idle cores.
Expected: N50 = 6.66 r − 5.5 with R² > 0.99 (N50: samples at which half of the students find the teacher; seen: 6.74 r −
8.2, R² 0.9998); at β = 0 the rate 1 − ν falls linearly in √r, R² > 0.95 (seen 0.965, from 0.0144 at r = 10 to 0.0044 at
r = 90); with noise the error grows like √(r/N), R² > 0.95 (seen 0.98), faster where N is not far above N50; with a mask
that cuts a share of the teacher the error is about 1.3 times that share. The quick preset has few students: its rates
scatter. To shrink: fewer `r`, `trials` or `steps` in the config.
"""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from sparsebounds.experiments.reproduce.lottery.figure import draw_laws
from sparsebounds.experiments.reproduce.lottery.summary import show_laws, summary
from sparsebounds.experiments.reproduce.lottery.teacher_student import (
    Sizes,
    descend,
    draw_task,
    effective_sparsity,
    error_trace,
    relative_error,
)
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.rows import Row, RowFile

Errors = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LotteryConfig:
    """What is trained; every part has its own non-zeros per neuron.

    Args:
        inputs, neurons: d and K. Steps have size K/2.
        momentum: β where the rate is not what is measured.
        steps: of every student, except for the rate.
        success: relative error below which a student has found the teacher.
        r: non-zeros per neuron for N50.
        ratios: N/r tried first; between the two where half succeed, `finer` more N are tried.
        trials: students per r and N.
        rate_r, rate_samples, rate_steps, rate_trials: for the rate at β = 0.
        noise, noise_r, noise_samples, noise_trials: standard deviation of ξ, and where the error is measured.
        mask_r, mask_samples, mask_cuts, mask_trials: how many of a neuron's inputs the mask misses.
        seed: of everything random.
    """

    inputs: int = 100
    neurons: int = 5
    momentum: float = 0.9
    steps: int = 1500
    success: float = 1e-4
    r: tuple[int, ...] = (10, 20, 30, 40, 50, 60, 70, 80, 90)
    ratios: tuple[float, ...] = (4.0, 5.0, 6.0, 7.0, 8.0, 9.0)
    finer: int = 5
    trials: int = 16
    rate_r: tuple[int, ...] = (10, 20, 30, 50, 70, 90)
    rate_samples: int = 1500
    rate_steps: int = 2000
    rate_trials: int = 8
    noise: float = 0.05
    noise_r: tuple[int, ...] = (10, 30, 50, 70, 90)
    noise_samples: tuple[int, ...] = (1500, 3000)
    noise_trials: int = 6
    mask_r: int = 20
    mask_samples: int = 1000
    mask_cuts: tuple[int, ...] = (0, 2, 4, 6, 8, 10)
    mask_trials: int = 16
    seed: int = 0


QUICK = LotteryConfig(
    r=(10, 20, 30, 40), trials=10, rate_r=(10, 20, 40), rate_samples=800, rate_steps=1500, rate_trials=8,
    noise_r=(10, 30), noise_samples=(600, 1200), noise_trials=4, mask_samples=500, mask_cuts=(0, 4, 8), mask_trials=6,
)  # fmt: skip
PARTS = ("samples", "rate", "noise", "mask")
COLUMNS = ("part", "r", "samples", "cut", "trials", "value", "spread", "cut_norm", "kept_error", "r_tilde")


def run(config: LotteryConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    """All parts; a row per r, N and cut, written after every r."""
    rows = RowFile(folder / "rows.csv", ("part", "r"), keep=resume, columns=COLUMNS)
    of_part = {"samples": samples_rows, "rate": rate_rows, "noise": noise_rows, "mask": mask_rows}
    counts = {"samples": config.r, "rate": config.rate_r, "noise": config.noise_r, "mask": (config.mask_r,)}
    todo = [(part, r) for part, rs in counts.items() for r in rs]
    return summary(rows.measure(todo, lambda part, r: of_part[part](config, r), progress=progress))


def samples_rows(config: LotteryConfig, r: int) -> list[Row]:
    """Share of students that find the teacher, against N: coarsely, then finely around one half."""
    keys = _keys(config, "samples", r, config.trials)
    sizes = Sizes(config.inputs, config.neurons, r, math.ceil(max(config.ratios) * r))
    tilde = float(np.mean([effective_sparsity(np.asarray(support)) for support in _supports(keys, sizes)]))

    def rows(counts: list[int]) -> list[Row]:
        errors = _final_errors(keys, sizes, jnp.asarray(counts), config)
        shares = (errors < config.success).mean(axis=0)
        return [
            {"samples": n, "trials": config.trials, "value": float(share), "r_tilde": tilde}
            for n, share in zip(counts, shares, strict=True)
        ]

    coarse = rows([round(ratio * r) for ratio in config.ratios])
    below = max((row["samples"] for row in coarse if row["value"] < 0.5), default=coarse[0]["samples"])
    above = min((row["samples"] for row in coarse if row["value"] >= 0.5), default=coarse[-1]["samples"])
    low, high = sorted((below, above))
    fine = np.rint(np.linspace(low, high, config.finer + 2)[1:-1]).astype(int).tolist()
    return sorted(coarse + rows(fine), key=lambda row: row["samples"])


def rate_rows(config: LotteryConfig, r: int) -> list[Row]:
    """1 − ν at β = 0: how much of the relative error a step removes, between errors of 10⁻³ and 10⁻⁴."""
    keys = _keys(config, "rate", r, config.rate_trials)
    sizes = Sizes(config.inputs, config.neurons, r, config.rate_samples)
    rates = np.array([contraction(trace) for trace in _traces(keys, sizes, config.neurons / 2, config.rate_steps)])
    return [{"samples": config.rate_samples, "trials": len(rates), **_mean(rates)}]


def contraction(trace: Errors, high: float = 1e-3, low: float = 1e-4) -> float:
    """1 − ν where the error falls like νᵗ from `high` to `low`; NaN if it never gets there.

    Example:
        >>> round(contraction(0.99 ** np.arange(2000)), 6)
        0.01
    """
    start, end = int(np.argmax(trace < high)), int(np.argmax(trace < low))
    if not trace[end] < low:
        return math.nan
    return float(1 - (trace[end] / trace[start]) ** (1 / (end - start)))


def noise_rows(config: LotteryConfig, r: int) -> list[Row]:
    """Relative error of what students find in noisy samples, for every N."""
    keys = _keys(config, "noise", r, config.noise_trials)
    sizes = Sizes(config.inputs, config.neurons, r, max(config.noise_samples))
    errors = _final_errors(keys, sizes, jnp.asarray(config.noise_samples), config, noise=config.noise)
    return [
        {"samples": n, "trials": len(column), **_mean(column)}
        for n, column in zip(config.noise_samples, errors.T, strict=True)
    ]


def mask_rows(config: LotteryConfig, r: int) -> list[Row]:
    """Relative error with masks that miss some of the teacher's inputs and hold as many wrong ones."""
    keys = _keys(config, "mask", r, config.mask_trials)
    sizes = Sizes(config.inputs, config.neurons, r, config.mask_samples)
    rows = []
    for cut in config.mask_cuts:
        missing, errors = _errors_and_cuts(keys, sizes, config.neurons / 2, config.momentum, config.steps, cut)
        kept = np.sqrt(np.maximum(errors**2 - missing**2, 0.0))
        rows.append({
            "samples": config.mask_samples, "cut": cut, "trials": len(errors), **_mean(errors),
            "cut_norm": float(missing.mean()), "kept_error": float(kept.mean()),
        })  # fmt: skip
    return rows


def _final_errors(
    keys: jax.Array, sizes: Sizes, counts: jax.Array, config: LotteryConfig, noise: float = 0.0
) -> Errors:
    """Relative errors (trials, N)."""
    found = _students(keys, counts, sizes, config.neurons / 2, config.momentum, config.steps, noise)
    return np.asarray(found, np.float64)


@partial(jax.jit, static_argnums=(2, 3, 4, 5, 6))
def _students(
    keys: jax.Array, counts: jax.Array, sizes: Sizes, eta: float, beta: float, steps: int, noise: float
) -> jax.Array:
    # A trial's students share its sample, the smaller N being its first rows: one matrix product serves them all.
    def trial(key: jax.Array) -> jax.Array:
        task = draw_task(key, sizes, noise=noise)
        found = jax.vmap(lambda count: descend(task, count, eta=eta, beta=beta, steps=steps))(counts)
        return jax.vmap(lambda weights: relative_error(task, weights))(found)

    return jax.vmap(trial)(keys)


@partial(jax.jit, static_argnums=(1, 2, 3))
def _trace(keys: jax.Array, sizes: Sizes, eta: float, steps: int) -> jax.Array:
    return jax.vmap(lambda key: error_trace(draw_task(key, sizes), eta=eta, beta=0.0, steps=steps))(keys)


def _traces(keys: jax.Array, sizes: Sizes, eta: float, steps: int) -> Errors:
    return np.asarray(_trace(keys, sizes, eta, steps), np.float64)


@partial(jax.jit, static_argnums=(1, 2, 3, 4, 5))
def _cut_students(
    keys: jax.Array, sizes: Sizes, eta: float, beta: float, steps: int, cut: int
) -> tuple[jax.Array, jax.Array]:
    def trial(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        task = draw_task(key, sizes, cut=cut)
        found = descend(task, jnp.asarray(sizes.samples), eta=eta, beta=beta, steps=steps)
        missing = relative_error(task, jnp.where(task.mask, task.teacher, 0.0))
        return missing, relative_error(task, found)

    return jax.vmap(trial)(keys)


def _errors_and_cuts(
    keys: jax.Array, sizes: Sizes, eta: float, beta: float, steps: int, cut: int
) -> tuple[Errors, Errors]:
    missing, errors = _cut_students(keys, sizes, eta, beta, steps, cut)
    return np.asarray(missing, np.float64), np.asarray(errors, np.float64)


def _supports(keys: jax.Array, sizes: Sizes) -> jax.Array:
    return jax.vmap(lambda key: draw_task(key, sizes._replace(samples=1)).teacher != 0)(keys)


def _keys(config: LotteryConfig, part: str, r: int, trials: int) -> jax.Array:
    key = jax.random.fold_in(jax.random.fold_in(jax.random.key(config.seed), PARTS.index(part)), r)
    return jax.random.split(key, trials)


def _mean(values: Errors) -> Row:
    """Mean and its standard error; a trial that is NaN makes both NaN."""
    return {"value": float(values.mean()), "spread": float(values.std(ddof=1) / math.sqrt(len(values)))}


def plan(config: LotteryConfig) -> list[str]:
    """What a run trains."""
    per_r = len(config.ratios) + config.finer
    return [
        f"samples: {len(config.r)} r × {per_r} N × {config.trials} students of {config.steps} steps",
        f"rate at β = 0: {len(config.rate_r)} r × {config.rate_trials} students of {config.rate_steps} steps",
        f"noise: {len(config.noise_r)} r × {len(config.noise_samples)} N × {config.noise_trials} students",
        f"wrong masks: {len(config.mask_cuts)} masks × {config.mask_trials} students",
    ]


LOTTERY = Experiment(
    name="lottery", presets={"quick": QUICK, "cpu": LotteryConfig()}, minutes={"quick": 1.5, "cpu": 6.0},
    summary="samples, rate and error of a sparse student against its non-zeros: the laws of Zhang et al. 2021",
    run=run, plan=plan, figure=draw_laws, show=show_laws,
)  # fmt: skip
