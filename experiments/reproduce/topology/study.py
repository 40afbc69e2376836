"""Do topology scores of masks predict accuracy? Six masks at initialisation, Hoang et al., ICLR 2023, NeurIPS 2023.

Command: sparsebounds reproduce topology [--preset quick|cpu] [--data-dir DIR]; CPU. quick: digits, no data needed.
Expected: 91.5 to 94.5 % at density 0.05, 94.9 to 96.3 % at 0.2; ERK and SynFlow first, random and GraSP last; pooled
correlations of 0.86 to 0.92 with Δr, Δr_imdb, λ_imsg and the full-spectrum score, p = 0.001 to 0.02 over the orders of
six methods, with eight scores tried. Fewer steps measure how fast a mask trains, and decide nothing. Whether a score
ranks the methods is said with an interval over seeds and a permutation test over methods, and said to be undecided
where it is. To shrink: fewer `seeds`, `densities` or `steps`.
"""

import dataclasses
import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.reproduce.topology.figure import draw_topology, show_topology
from sparsebounds.experiments.reproduce.topology.networks import METHODS, Trainings, draw_masks
from sparsebounds.experiments.reproduce.topology.summary import summary
from sparsebounds.experiments.shared.data import load_small, standardise
from sparsebounds.experiments.shared.layers import layer_means
from sparsebounds.experiments.shared.rows import Row, RowFile
from sparsebounds.nets.masks import density as density_of
from sparsebounds.nets.masks import parameters, zeroed
from sparsebounds.nets.topology import defined_share, network_score, network_topology
from sparsebounds.nets.topology.network import SCORES, LayerTopology


@dataclass(frozen=True)
class TopologyConfig:
    """What is pruned and trained.

    Args:
        dataset, train, test: images; None takes all.
        halved: at half the resolution.
        width: channels of every layer. A layer's mean degrees are about 9 · width · d and width · d at density d, and
            most scores need both at least 3.
        methods: masks, see `METHODS`.
        densities: share of all weights kept.
        batch: images on which data-dependent masks are scored.
        steps, batch_size, learning_rate: of Adam, cosine to zero.
        seeds: of weights, mask, scored batch and order of the images, which all methods and densities share.
    """

    dataset: str = "mnist"
    train: int | None = 10000
    test: int | None = 2000
    halved: bool = True
    width: int = 64
    methods: tuple[str, ...] = METHODS
    densities: tuple[float, ...] = (0.05, 0.2)
    batch: int = 100
    steps: int = 400
    batch_size: int = 32
    learning_rate: float = 0.003
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


QUICK = dataclasses.replace(
    TopologyConfig(), dataset="digits", train=None, test=None, halved=False, densities=(0.1,), seeds=(0, 1),
    steps=80,
)  # fmt: skip


def run(config: TopologyConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> Row:
    """Every seed, density and method; a row is written after each, and rows that are there are kept."""
    chosen: Row = {"train": config.train, "test": config.test, "seed": 0, "halved": config.halved}
    data = standardise(load_small(config.dataset, data_dir, **chosen))
    rows = RowFile(folder / "rows.csv", ("seed", "density", "method"), keep=resume)
    # Seeds first: a run that is stopped has complete comparisons.
    todo = [(s, d, method) for s in config.seeds for d in config.densities for method in config.methods]
    trainings = Trainings(data, width=config.width, steps=config.steps, learning_rate=config.learning_rate)
    return summary(rows.measure(todo, partial(one_run, config, trainings), progress=progress))


def one_run(config: TopologyConfig, trainings: Trainings, seed: int, density: float, method: str) -> list[Row]:
    """One mask: its scores at initialisation, and the accuracy of the network trained under it."""
    data, model = trainings.data, trainings.build(seed)
    rng = np.random.RandomState([seed, 1])
    order = rng.permutation(len(data.y_train))
    chosen = order[: config.batch]
    masks = draw_masks(method, model, density, (data.x_train[chosen], data.y_train[chosen]), seed=seed)
    layers = network_topology(masks, zeroed(parameters(model), masks), layout=model)
    right = trainings.accuracy(seed, masks, visits(config, len(data.y_train), rng))
    spread = math.sqrt(right * (1 - right) / len(data.y_test))
    return [{"accuracy": right, "accuracy_se": spread, "kept": density_of(masks), **scores_of(layers)}]


def visits(config: TopologyConfig, samples: int, rng: np.random.RandomState) -> np.ndarray:
    """Which images each step sees: (steps, batch_size), a new order after every pass."""
    total = config.steps * config.batch_size
    order = np.concatenate([rng.permutation(samples) for _ in range(-(-total // samples))])
    return order[:total].reshape(config.steps, config.batch_size).astype(np.int32)


def scores_of(layers: list[LayerTopology]) -> Row:
    """Means over the layers where a score is defined, the full-spectrum score, and per score the share defined."""
    defined = {f"{name}_defined": share for name, share in defined_share(layers).items()}
    return {**layer_means(layers, SCORES), "full_spectrum": network_score(layers), **defined}


def plan(config: TopologyConfig) -> list[str]:
    """What a run prunes and trains."""
    trainings = len(config.seeds) * len(config.densities) * len(config.methods)
    return [
        f"{', '.join(config.methods)} at densities {', '.join(map(str, config.densities))}, {len(config.seeds)} seeds: "
        f"{trainings} masks with their scores",
        f"as many trainings of a residual network of width {config.width} on {config.dataset}, {config.steps} steps of "
        f"{config.batch_size} images",
    ]


TOPOLOGY = Experiment(
    name="topology", summary="six masks at initialisation: does their topology rank accuracies? Hoang et al. 2023",
    presets={"quick": QUICK, "cpu": TopologyConfig()}, minutes={"quick": 1.3, "cpu": 10.0},
    run=run, plan=plan, figure=draw_topology, show=show_topology,
)  # fmt: skip
