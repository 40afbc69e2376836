"""What a report depends on: the options of `sparsebounds report`. Nothing heavy is imported here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from sparsebounds.experiments.shared.values import ARCHITECTURES, DATASETS, TRAININGS, one_of


@dataclass(frozen=True)
class ReportConfig:
    """Everything a report depends on; None means what the architecture or the preset says.

    Args:
        dataset, data_dir, normalisation, train: as in `nets.data.datasets.load`; train limits the number of images.
        arch, depth, width, init: the network, see `ARCHITECTURES`.
        tree: add the second network, an explicit tree of `tree_width` channels per node.
        preset: training, one of `PRESETS`; the fields after it replace what the preset says.
        certificate: also certify a network of each architecture by its distance from a reference.
        seed: of the initial weights and of the order of the images.
        repetitions: as in `bounds.Sample.measure`; for a data set of one's own that repeats inputs.
        delta, gamma: probability that a certificate fails; margin, a number or "best".
    """

    dataset: Annotated[str, Option(help=f"{one_of(DATASETS)}.")] = "digits"
    data_dir: Annotated[Path | None, Option(help="Folder of the data files.", show_default="$SPARSEBOUNDS_DATA")] = None
    normalisation: Annotated[str, Option(help="fixed, or paper: statistics of the sample.")] = "fixed"
    train: Annotated[int | None, Option(help="Only so many training images.", show_default="all")] = None
    arch: Annotated[str, Option(help=f"{one_of(ARCHITECTURES)}.")] = "conv"
    depth: Annotated[int | None, Option(help="Hidden layers.", show_default="3 for conv")] = None
    width: Annotated[int | None, Option(help="Channels of a layer.", show_default="32 for conv")] = None
    init: Annotated[str, Option(help="Initial weights as torch or flax draws them.")] = "torch"
    tree: Annotated[bool, Option(help="Also train an explicit tree-connected network.")] = True
    tree_width: Annotated[int, Option(help="Channels per node of that tree.")] = 48
    certificate: Annotated[
        bool, Option(help="Also certify a network of each kind, near a reference that half of the images train.")
    ] = True
    preset: Annotated[str, Option(help=f"Training: {one_of(TRAININGS)}.")] = "report"
    epochs: Annotated[int | None, Option(show_default="the preset's")] = None
    batch_size: Annotated[int | None, Option(show_default="the preset's")] = None
    learning_rate: Annotated[float | None, Option("--lr", help="Learning rate.", show_default="the preset's")] = None
    momentum: Annotated[float | None, Option(show_default="the preset's")] = None
    weight_decay: Annotated[float | None, Option(show_default="the preset's")] = None
    loss: Annotated[str | None, Option(help="mse or cross_entropy.", show_default="the preset's")] = None
    seed: Annotated[int, Option(help="Of the weights and of the order of the images.")] = 0
    repetitions: Annotated[str, Option(help="counted, or natural: the distribution itself repeats inputs.")] = "counted"
    delta: Annotated[float, Option(help="Probability that a certificate fails.")] = 1e-3
    gamma: Annotated[str, Option(help="Margin: a number, or best.")] = "1"
