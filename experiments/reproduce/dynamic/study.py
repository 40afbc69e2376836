"""Dynamic sparse training and its channels: SET, RigL and Chase against static masks; Yin et al., NeurIPS 2023.

Command: sparsebounds reproduce dynamic [--preset quick|cpu] [--data-dir DIR]; CPU. quick: digits, no data needed.
Expected: the masks of RigL and Chase spread over channels far more unevenly than a random mask with as many weights in
every layer, those of SET and of static training hardly; Chase loses more than 20 % of all channels and the network
without them is the same function. To shrink: fewer `epochs`, `train` or `methods`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from sparsebounds import bounds, nets
from sparsebounds.experiments.reproduce.dynamic.channels import beside_chance, statistics
from sparsebounds.experiments.reproduce.dynamic.figure import draw_dynamic
from sparsebounds.experiments.reproduce.dynamic.removal import removal
from sparsebounds.experiments.reproduce.dynamic.summary import show_dynamic, summary
from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.shared.data import load_small
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.rows import Row, RowFile
from sparsebounds.nets import grow, prune
from sparsebounds.nets.data.datasets import Dataset


@dataclass(frozen=True)
class DynamicConfig:
    """What is trained. Settings of the rules are shares of the run, so that shorter runs change masks as often.

    Args:
        dataset, train, test: images; None takes all.
        halved: at half the resolution.
        width: of the ResNet-8's first stage.
        methods: dense; random and erk, which keep their mask; set, rigl and chase.
        density: share of the weights that is active.
        epochs, batch_size, learning_rate, milestones: of SGD with momentum 0.9, weight decay 5e-4, cross entropy.
        changes: how often masks change, at equal distances until `until` of all steps.
        until: share of the steps after which masks stay.
        fraction: of a layer's weights that SET and RigL exchange first.
        extra: how far Chase's soft memory bound starts above the budget.
        channel_share, channel_changes, floor_share: Chase's S_c, how often channels go, and β.
        clock_images: on which the network with and without the removed channels is timed.
        delta: probability that a certificate fails.
        seeds: of weights, masks and order; one training per method and seed.
    """

    dataset: str = "mnist"
    train: int | None = 10000
    test: int | None = None
    halved: bool = True
    width: int = 16
    methods: tuple[str, ...] = ("dense", "random", "erk", "set", "rigl", "chase")
    density: float = 0.1
    epochs: int = 5
    batch_size: int = 50
    learning_rate: float = 0.05
    milestones: tuple[int, ...] = (4,)
    changes: int = 18
    until: float = 0.75
    fraction: float = 0.3
    extra: float = 0.5
    seeds: tuple[int, ...] = (0, 1, 2)
    channel_share: float = 0.5
    channel_changes: int = 9
    floor_share: float = 0.5
    clock_images: int = 1000
    delta: float = 1e-3

    def training(self, seed: int) -> nets.TrainConfig:
        """The settings of a training."""
        return nets.TrainConfig(
            epochs=self.epochs, batch_size=self.batch_size, learning_rate=self.learning_rate, weight_decay=5e-4,
            milestones=self.milestones, loss="cross_entropy", seed=seed,
        )  # fmt: skip


QUICK = dataclasses.replace(
    DynamicConfig(), dataset="digits", train=None, halved=False, width=8, epochs=12, batch_size=32, milestones=(9,),
    clock_images=360, methods=("random", "erk", "rigl", "chase"), seeds=(0,),
)  # fmt: skip
COLUMNS = (
    "method", "seed", "part", "epoch", "layer", "weights", "kept", "density", "channels", "alive", "spread",
    "relative_spread", "spread_random", "below", "below_random", "below_sd", "flops", "parameters", "loss",
    "train_error", "test_error", "test_error_se", "gap", "bound", "value", "complexity", "margin_error", "confidence",
    "gamma", "guarantee", "note", "removed", "removed_share", "arrays_before", "arrays_after", "dense_flops_before",
    "dense_flops_after", "difference", "seconds_before", "seconds_after", "images",
)  # fmt: skip
STATIC = ("dense", "random", "erk")


def run(config: DynamicConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> Row:
    """Train every method; rows are written after each training, and a training without rows is done from its start."""
    data = load_small(config.dataset, data_dir, train=config.train, test=config.test, seed=0, halved=config.halved)
    rows = RowFile(folder / "rows.csv", ("method", "seed"), keep=resume, columns=COLUMNS)
    todo = [(method, seed) for seed in config.seeds for method in config.methods]
    return summary(rows.measure(todo, partial(one_run, config, data), progress=progress))


def one_run(config: DynamicConfig, data: Dataset, method: str, seed: int) -> list[Row]:
    """Train a network by one method: rows of the parts network and layer per epoch, bound, and removal for Chase."""
    model = build(config, data, seed)
    masks = start_masks(config, model, method, seed)
    rows = _epoch_rows(statistics(masks, model.positions()), {"epoch": 0})

    def look(epoch: int, model: Any, row: Row) -> None:
        known = {name: row[name] for name in ("epoch", "loss", "train_error")}
        grown = beside_chance(row["sparsity"]) if "sparsity" in row else statistics(masks, model.positions())
        rows.extend(_epoch_rows(grown, known))

    try:
        history = nets.train(
            model, data, config.training(seed), masks=masks, growth=rule(config, method, seed, len(data.y_train)),
            on_epoch=look, progress=False,
        )  # fmt: skip
    except nets.Diverged as error:
        raise Problem(f"{method}: {one_line(error)}") from error
    bounded = _bound_rows(config, model, data, fixed=method in STATIC)
    last = next(row for row in reversed(rows) if row["part"] == "network")
    last |= {name: bounded[0][name] for name in ("test_error", "test_error_se", "gap")}
    rows += bounded
    if method == "chase":
        found = removal(model, history.masks, data.x_test[: config.clock_images])
        rows.append({"part": "removal", "epoch": config.epochs, **found})
    return rows


def build(config: DynamicConfig, data: Dataset, seed: int) -> nets.ResNet:
    """The untrained network."""
    return nets.ResNet(config.width, in_shape=data.in_shape, classes=data.classes, rngs=nnx.Rngs(seed))


def start_masks(config: DynamicConfig, model: nets.ResNet, method: str, seed: int) -> Any:
    """Masks at the start: all weights, uniformly random, or ERK, from which dynamic training starts as well."""
    if method == "dense":
        return jax.tree.map(lambda leaf: np.ones(leaf.shape, bool), nets.masks.parameters(model))
    draw = prune.random if method == "random" else prune.erk
    return draw(model, config.density, seed=seed, floor=1)


def rule(config: DynamicConfig, method: str, seed: int, samples: int) -> grow.Rule | None:
    """How masks change; None for those that do not.

    Raises:
        Problem: an unknown method.
    """
    if method in STATIC:
        return None
    steps = config.epochs * -(-samples // config.batch_size)
    last = max(1, round(config.until * steps))
    every = max(1, last // config.changes)
    if method in ("set", "rigl"):
        return grow.METHODS[method](every=every, until=last, seed=seed, fraction=config.fraction)
    if method != "chase":
        raise Problem(f"unknown method {method!r}: choose from {', '.join(DynamicConfig.methods)}")
    channel_every = max(1, last // config.channel_changes)
    return grow.Chase(
        every=every, until=last, seed=seed, extra=config.extra, channel_share=config.channel_share,
        channel_every=channel_every, channel_until=min(last, channel_every * max(1, config.channel_changes - 1)),
        floor_share=config.floor_share,
    )  # fmt: skip


def _epoch_rows(found: tuple[Row, list[Row]], known: Mapping[str, Any]) -> list[Row]:
    network, layers = found
    return [{**network, **known, "part": "network"}] + [{**row, **known, "part": "layer"} for row in layers]


def _bound_rows(config: DynamicConfig, model: Any, data: Dataset, *, fixed: bool) -> list[Row]:
    """Every bound; where the mask was changed by the data, its choice is paid for."""
    low, high = (float(end[0]) if np.ndim(end) else float(end) for end in data.pixel_range)
    table = bounds.table(
        model, data.x_train, data.y_train, data.x_test, data.y_test, delta=config.delta, mask_fixed=fixed,
        preprocessing=data.preprocessing, options={"pixel_range": (low, high)},
    )  # fmt: skip
    named = [{str(name): value for name, value in row.items()} for row in table.to_dict(orient="records")]
    return [{"part": "bound", "epoch": config.epochs} | {k: v for k, v in row.items() if k in COLUMNS} for row in named]


def plan(config: DynamicConfig) -> list[str]:
    """What a run trains."""
    images = "all" if config.train is None else str(config.train)
    return [
        f"ResNet-8 of width {config.width} on {images} images of {config.dataset}, {config.epochs} epochs",
        f"{', '.join(config.methods)} at density {config.density}, seeds {', '.join(map(str, config.seeds))}",
        f"masks change {config.changes} times, Chase removes {config.channel_share:.0%} of the removable channels",
        "channel statistics per layer and epoch, every bound at the end, Chase's channels cut out",
    ]


DYNAMIC = Experiment(
    name="dynamic", presets={"quick": QUICK, "cpu": DynamicConfig()}, minutes={"quick": 1.0, "cpu": 16.0},
    summary="channels of dynamic sparse training: SET, RigL, Chase against static masks, Yin et al. 2023",
    run=run, plan=plan, figure=draw_dynamic, show=show_dynamic,
)  # fmt: skip
