"""Training with checkpoints in a folder, its troubles told as problems of the user."""

from pathlib import Path
from typing import Any

from sparsebounds import nets
from sparsebounds.experiments.shared.problems import Problem, one_line
from sparsebounds.nets.data.datasets import Dataset


def train_in(folder: Path, model: Any, data: Dataset, training: nets.TrainConfig, **options: Any) -> nets.History:
    """`nets.train` with checkpoints in a folder.

    Raises:
        Problem: the folder holds another training, or cannot be written.
        Diverged: the loss is NaN or infinite; the folder keeps the last good weights.
    """
    try:
        return nets.train(model, data, training, checkpoint=folder, **options)
    except ValueError as error:  # what lies in the folder is another training's
        raise Problem(one_line(error)) from error
    except OSError as error:
        raise Problem(
            f"cannot write checkpoints to {folder} ({error.strerror}): give another folder with --out"
        ) from error
