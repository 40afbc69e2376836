"""What pruning does to accuracy, gap and bounds: six methods at five densities on a stride-2 convolutional network.

Command: sparsebounds reproduce sparsity [--preset quick|cpu]; CPU.
Expected (cpu, means of two seeds): test error 2.4 % dense; at density 0.05 magnitude 7 %, SynFlow 12 %, GraSP 14 %,
random 22 %, SNIP 26 %; at 0.02 SynFlow 22 %, the others above 50 %, some dead (all scores 0: every prediction counts
as wrong). The gap falls to zero at 0.05. galanti with single units as nodes falls by a factor 15 (magnitude) to 41
(random) from density 1 to 0.05, with positions as nodes hardly at all before the network stops learning; the Occam
bound of 16 values per layer falls from 0.90 to 0.43 (magnitude, 0.05) and 0.40 (SynFlow, 0.1). About twelve minutes of
CPU time in all.
To shrink: fewer methods, densities, seeds or epochs in the config. The bounds are those of `bounds.BOUNDS`; no figure
of a paper is redone.
"""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsebounds import nets
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.reproduce.sparsity.figure import draw_sparsity
from sparsebounds.experiments.reproduce.sparsity.networks import SparsityConfig, Study
from sparsebounds.experiments.reproduce.sparsity.rows import COLUMNS, bound_rows, topology_row
from sparsebounds.experiments.reproduce.sparsity.summary import show_sparsity, summary
from sparsebounds.experiments.shared.data import load_data
from sparsebounds.experiments.shared.problems import one_line
from sparsebounds.experiments.shared.rows import Row, RowFile
from sparsebounds.nets import masks as masking

QUICK = SparsityConfig(
    dataset="digits", train=None, widths=(8, 16), densities=(1.0, 0.2, 0.05), seeds=1, floor=8, epochs=10,
    batch_size=32, milestones=(6, 8),
)  # fmt: skip


def rows_of(study: Study, method: str, density: float, seed: int) -> list[Row]:
    """All rows of a network; one that says why where it could not be made or trained."""
    about: Row = {"dataset": study.data.name}
    try:
        model, masks, fixed = study.network(method, density, seed)
    except (nets.Diverged, ValueError) as error:
        return [about | {"bound": "none", "note": one_line(error)}]
    leaves = [masking.leaves(masks)[path] for path in masking.kernels(model)]
    kept = [int(np.sum(mask)) for mask in leaves]
    about |= {
        "mask_fixed": fixed,
        "weights": sum(mask.size for mask in leaves),
        "kept": sum(kept),
        "kept_per_layer": " ".join(map(str, kept)),
        **topology_row(model, masks),
    }
    config = study.config
    found = bound_rows(model, study.data, delta=config.delta, mask_fixed=fixed, bits=config.bits)
    return [row | about for row in found]


def run(config: SparsityConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    """Train and bound every network; rows are written after each."""
    data = load_data(config.dataset, data_dir, train=config.train, seed=config.seed)
    rows = RowFile(folder / "rows.csv", ("method", "density", "seed"), keep=resume, columns=COLUMNS)
    return summary(rows.measure(config.groups(), partial(rows_of, Study(config, data)), progress=progress))


def plan(config: SparsityConfig) -> list[str]:
    """What a run trains."""
    images = "all" if config.train is None else str(config.train)
    widths = ", ".join(map(str, config.widths))
    return [
        f"train {len(config.groups())} networks of {len(config.widths)} stride-2 convolutions ({widths} channels) on "
        f"{images} images of {config.dataset}, {config.epochs} epochs each",
        f"methods {', '.join(config.methods)} at densities {', '.join(f'{d:g}' for d in config.densities)}, "
        f"{config.seeds} seeds, at least {config.floor} weights per layer",
        "evaluate every bound, those that depend on nodes in three partitions, and the topology of the masks",
    ]


SPARSITY = Experiment(
    name="sparsity", summary="six ways to prune at five densities: accuracy, gap, topology and every bound",
    presets={"quick": QUICK, "cpu": SparsityConfig()}, minutes={"quick": 1.0, "cpu": 12.0},
    run=run, plan=plan, figure=draw_sparsity, show=show_sparsity,
)  # fmt: skip
