"""What pruning does to accuracy, gap and bounds: six methods at five densities on a stride-2 convolutional network.

Command: sparsebounds reproduce sparsity [--preset quick|cpu]; CPU, quick about a minute.
Expected: errors rise below a density of about 0.1, first for random masks; the sound bounds with scalar nodes and the
Occam bound fall with the density. To shrink: fewer methods, densities, seeds or epochs in the config. The bounds are
those of `bounds.BOUNDS`; no figure of a paper is redone.
"""

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import nets
import nets.data
from nets import masks as masking
from nets.data import Dataset
from nets.progress import Bar
from nets.prune import METHODS, FloorApplied
from nets.strided import StridedNet

from .problems import Problem, one_line
from .registry import Experiment
from .row_file import RowFile
from .sparsity_plot import draw_sparsity
from .sparsity_rows import bound_rows, filled, topology_row
from .sparsity_summary import show_sparsity, summary
from .sparsity_train import Trainer

Row = dict[str, Any]
Tree = Any
DENSE = "dense"
TRAINED = ("magnitude", "magnitude_layer", "n_of_m")
"""Methods that read the weights of the trained dense network; what they keep goes on training from there."""


@dataclass(frozen=True)
class SparsityConfig:
    """What is trained. The networks have no biases, which some of the theorems do not cover.

    Args:
        dataset: name of a data set of `nets.data`.
        train: number of training images, None for all.
        widths: channels of the convolutions.
        methods: keys of `nets.prune.METHODS`.
        densities: shares of weights kept; 1 is the dense network, one for all methods.
        seeds: networks per method and density.
        floor: weights that every layer keeps at least.
        scored: training images on which the methods that look at the data score the weights.
        epochs, batch_size, learning_rate, momentum, weight_decay, milestones, decay, loss: as in `nets.TrainConfig`;
            after pruning a trained network it is trained once more in the same way.
        delta: probability that a certificate fails.
        bits: of the quantised Occam bound.
        seed: of everything random.
    """

    dataset: str = "mnist"
    train: int | None = 20000
    widths: tuple[int, ...] = (16, 32, 64)
    methods: tuple[str, ...] = ("magnitude", "random", "erk", "snip", "grasp", "synflow")
    densities: tuple[float, ...] = (1.0, 0.2, 0.1, 0.05, 0.02)
    seeds: int = 2
    floor: int = 16
    scored: int = 128
    epochs: int = 4
    batch_size: int = 64
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    milestones: tuple[int, ...] = (2, 3)
    decay: float = 0.3
    loss: nets.config.Loss = "cross_entropy"
    delta: float = 1e-3
    bits: int = 4
    seed: int = 0

    def training(self) -> nets.TrainConfig:
        """The settings of the training."""
        names = ("epochs", "batch_size", "learning_rate", "momentum", "weight_decay", "milestones", "decay", "loss")
        return nets.TrainConfig(**{name: getattr(self, name) for name in names})

    def groups(self) -> list[tuple[str, float, int]]:
        """(method, density, seed) of every network, the dense one of a seed first."""
        sparse = [(method, density) for method in self.methods for density in self.densities if density < 1]
        dense = [(DENSE, 1.0)] if 1.0 in self.densities else []
        return [(method, density, seed) for seed in range(self.seeds) for method, density in dense + sparse]


class Study:
    """Everything that the networks of one run share."""

    def __init__(self, config: SparsityConfig, data: Dataset) -> None:
        self.config, self.data = config, data
        self.trainer = Trainer(self.build(0), data, config.training())
        self.dense = functools.lru_cache(maxsize=1)(self._dense)

    def build(self, seed: int) -> StridedNet:
        """A network before training."""
        return StridedNet(
            self.config.widths,
            in_shape=self.data.in_shape,
            classes=self.data.classes,
            init="flax",
            use_bias=False,
            rngs=nnx.Rngs(1000 * self.config.seed + seed),
        )

    def _dense(self, seed: int) -> Tree:
        """The trained dense network of a seed."""
        start = masking.parameters(self.build(seed))
        return self.fit(start, jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), start), seed)

    def fit(self, params: Tree, masks: Tree, seed: int) -> Tree:
        """Parameters after training."""
        return self.trainer.fit(params, masks, 1000 * self.config.seed + seed)

    def network(self, method: str, density: float, seed: int) -> tuple[StridedNet, Tree, bool]:
        """A trained network, its masks, and whether its zeros were fixed without looking at the training sample.

        Raises:
            Diverged: the loss became no number.
            ValueError: the mask cannot be made; the message says why.
        """
        model = self.build(seed)
        if method == DENSE:
            masks = jax.tree.map(lambda leaf: jnp.ones(leaf.shape, bool), masking.parameters(model))
            masking.set_parameters(model, self.dense(seed))
            return model, masks, _zeros(model) == 0
        if method in TRAINED:
            masking.set_parameters(model, self.dense(seed))
        masks = self.masks(model, method, density, seed)
        masking.set_parameters(model, self.fit(masking.parameters(model), masks, seed))
        # Trained weights are made of the sample; so is a score on a batch of it, and a weight that became zero.
        drawn = method not in TRAINED and not METHODS[method].data
        return model, masks, drawn and _zeros(model) == _zeros(masks)

    def masks(self, model: StridedNet, method: str, density: float, seed: int) -> Tree:
        """Booleans in the tree of the model's parameters."""
        count = self.config.scored
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FloorApplied)  # the weights kept per layer stand in the rows
            return METHODS[method](
                model,
                density,
                batch=(self.data.x_train[:count], self.data.y_train[:count]),
                loss=self.config.loss,
                seed=1000 * self.config.seed + seed,
                floor=self.config.floor,
            )

    def rows(self, method: str, density: float, seed: int) -> list[Row]:
        """All rows of a network; one that says why where it could not be made or trained."""
        about: Row = {"dataset": self.data.name, "method": method, "density": density, "seed": seed}
        try:
            model, masks, fixed = self.network(method, density, seed)
        except (nets.Diverged, ValueError) as error:
            return filled([{"bound": "none", "nodes": "", "guarantee": "", "note": one_line(error)}], about)
        leaves = [mask for path, mask in masking.leaves(masks).items() if masking.is_weight(path, mask)]
        kept = [int(np.sum(mask)) for mask in leaves]
        about |= {
            "mask_fixed": fixed,
            "weights": sum(mask.size for mask in leaves),
            "kept": sum(kept),
            "kept_per_layer": " ".join(map(str, kept)),
            **topology_row(model, masks),
        }
        config = self.config
        found = bound_rows(model, self.data, delta=config.delta, mask_fixed=fixed, bits=config.bits)
        return filled(found, about)


def _zeros(tree: Any) -> int:
    """How many weights of a model, or entries of masks, are zero."""
    leaves = masking.leaves(masking.parameters(tree)).items()
    return sum(leaf.size - int(np.count_nonzero(leaf)) for path, leaf in leaves if masking.is_weight(path, leaf))


def run(config: SparsityConfig, folder: Path, *, resume: bool, progress: bool, data_dir: Path | None) -> dict[str, Any]:
    """Train and bound every network; rows are written after each."""
    try:
        data = nets.data.load(config.dataset, data_dir, train=config.train, seed=config.seed)
    except nets.DataError as error:
        raise Problem(one_line(error)) from error
    rows = RowFile(folder / "rows.csv", ("method", "density", "seed"), keep=resume)
    study, groups = Study(config, data), config.groups()
    with Bar(len(groups), enabled=progress) as bar:
        for done, (method, density, seed) in enumerate(groups):
            bar.update(done, f"{method}, density {density:g}, seed {seed}")
            if not rows.group(method, density, seed):
                rows.put(study.rows(method, density, seed))
        bar.update(len(groups), "done")
    return summary(rows.frame())


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


QUICK = SparsityConfig(
    dataset="digits", train=None, widths=(8, 16), densities=(1.0, 0.2, 0.05), seeds=1, floor=8, epochs=10,
    batch_size=32, milestones=(6, 8),
)  # fmt: skip

EXPERIMENT = Experiment(
    name="sparsity",
    summary="six ways to prune at five densities: accuracy, gap, topology and every bound",
    presets={"quick": QUICK, "cpu": SparsityConfig()},
    minutes={"quick": None, "cpu": None},
    run=run,
    figure=draw_sparsity,
    show=show_sparsity,
    plan=plan,
)
