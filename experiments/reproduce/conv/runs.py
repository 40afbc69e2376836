"""Train CONV-L-H with the settings of Figure 1 and evaluate it at some epochs; what was done is not done again."""

import dataclasses
import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flax import nnx

from sparsebounds import nets
from sparsebounds.experiments.reproduce.conv.data import FigureData
from sparsebounds.experiments.reproduce.conv.rows import COLUMNS, is_complete, rows_of
from sparsebounds.experiments.reproduce.conv.weights import Weights
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.experiments.shared.rows import RowFile
from sparsebounds.experiments.shared.training import train_in


@dataclass(frozen=True)
class Setting:
    """How the networks of an experiment are trained and when they are looked at.

    Everything else is the authors' setting "paper-readme": SGD, batch 32, rate 0.01, momentum 0.9, weight decay 0.003,
    mean squared error, initial weights as PyTorch draws them. Their networks have biases, which none of the five
    formulas reads and three of the theorems do not allow: ours have none.

    Args:
        dataset: digits or mnist.
        train: number of training images, None for all.
        epochs: passes over them.
        milestones: epochs after which the rate is multiplied by 0.1.
        points: at most so many epochs are evaluated besides the start: the last, and others evenly on a logarithmic
            axis.
        seed: of the initial weights, of the order of the images and of the draw of `train` images.
        delta: probability that a certificate fails.
    """

    dataset: str = "mnist"
    train: int | None = None
    epochs: int = 12
    milestones: tuple[int, ...] = (8, 10)
    points: int = 8
    seed: int = 0
    delta: float = 1e-3

    def training(self) -> nets.TrainConfig:
        """The settings of the training."""
        return dataclasses.replace(
            nets.PRESETS["paper-readme"], epochs=self.epochs, milestones=self.milestones, seed=self.seed
        )

    def looks(self) -> list[int]:
        """Epochs after which the bounds are computed: 0, the last, and some between.

        Example:
            >>> Setting(epochs=12, points=6).looks()
            [0, 1, 2, 3, 4, 7, 12]
        """
        return sorted({0, *np.geomspace(self.epochs, 1, self.points).round().astype(int).tolist()})


@dataclass(frozen=True)
class Conv:
    """CONV-L-H.

    Example:
        >>> Conv(3, 200).name
        'CONV-3-200'
    """

    depth: int
    width: int

    @property
    def name(self) -> str:
        """As the paper calls it."""
        return f"CONV-{self.depth}-{self.width}"

    def build(self, data: FigureData, seed: int) -> nets.ConvNet:
        """The untrained network."""
        return nets.ConvNet(
            self.depth,
            self.width,
            in_shape=data.dataset.in_shape,
            classes=data.dataset.classes,
            init="torch",
            use_bias=False,
            rngs=nnx.Rngs(seed),
        )

    def about(self, data: FigureData, model: nets.ConvNet, known: dict[str, Any]) -> dict[str, Any]:
        """The columns that are the same in all rows of an epoch."""
        size = {"network": self.name, "depth": self.depth, "width": self.width}
        return {"dataset": data.dataset.name, **size, **known, "rho": model.rho()}


def follow(
    conv: Conv, setting: Setting, data: FigureData, rows: RowFile, folder: Path, *, resume: bool, progress: bool
) -> None:
    """Train a network and put its rows, one group per epoch looked at.

    Args:
        conv: which network.
        setting: how.
        data: on what.
        rows: with the keys network and epoch.
        folder: of checkpoints and weights, see `Weights`.
        resume: go on from what the folder holds. Epochs whose rows are there are not touched, those whose rows lack a
            bound are evaluated again from their weights, without training.
        progress: show a progress bar.

    Raises:
        Problem: the loss is no number, the folder holds another training or cannot be written.
    """
    model = conv.build(data, setting.seed)
    kept, place = Weights(folder / f"{conv.name}-weights"), folder / conv.name
    due = set(setting.looks())

    def look(epoch: int, model: nets.ConvNet, row: dict[str, Any]) -> None:
        if epoch not in due:
            return
        known = {"epoch": epoch, "step": row["step"], "loss": row["loss"]}
        kept.store(epoch, model, known)
        rows.put(rows_of(model, data, conv.about(data, model, known), delta=setting.delta))

    def lacking() -> list[int]:
        return [epoch for epoch in setting.looks() if not is_complete(rows.group(conv.name, epoch))]

    if 0 in set(lacking()) - kept.epochs():
        look(0, model, {"step": 0, "loss": math.nan})
    # A run may have been stopped between an epoch and its weights: then it is trained once more.
    for go_on in (resume, False):
        if set(lacking()) - kept.epochs():
            _train(model, data, setting, place, look, resume=go_on, progress=progress)
            model = conv.build(data, setting.seed)
    for epoch in lacking():
        known = {name: math.nan if value is None else value for name, value in kept.restore(epoch, model).items()}
        rows.put(rows_of(model, data, conv.about(data, model, known), delta=setting.delta))


def follow_all(
    convs: Sequence[Conv], setting: Setting, data: FigureData, folder: Path, *, resume: bool, progress: bool
) -> RowFile:
    """`follow` one network after the other; the rows lie in rows.csv, everything else in the subfolder checkpoints."""
    checkpoints = folder / "checkpoints"
    if not resume and checkpoints.exists():
        shutil.rmtree(checkpoints)
    rows = RowFile(folder / "rows.csv", ("network", "epoch"), keep=resume, columns=COLUMNS)
    for conv in convs:
        follow(conv, setting, data, rows, checkpoints, resume=resume, progress=progress)
    return rows


def plan_all(convs: Sequence[Conv], setting: Setting) -> list[str]:
    """What `follow_all` does, in words."""
    images = "all" if setting.train is None else str(setting.train)
    return [
        f"train {', '.join(conv.name for conv in convs)} on {images} training images of {setting.dataset}, "
        f"{setting.epochs} epochs each",
        f"evaluate every bound, and five formulas as coded, after epochs {', '.join(map(str, setting.looks()))}",
    ]


def _train(
    model: nets.ConvNet, data: FigureData, setting: Setting, place: Path, look: Any, *, resume: bool, progress: bool
) -> None:
    if not resume and place.exists():
        shutil.rmtree(place)
    try:
        train_in(place, model, data.dataset, setting.training(), resume=resume, on_epoch=look, progress=progress)
    except nets.Diverged as error:
        raise Problem(f"{place.name}: {one_line(error)}") from error
