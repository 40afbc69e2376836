"""A small run of an experiment, for the tests of its study."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from sparsebounds.experiments.reproduce.registry import Experiment
from sparsebounds.experiments.reproduce.run import reproduce


def reproduced(experiment: Experiment, config: Any, folder: Path) -> Path:
    """The folder with the run's files, and in found.json what it returned."""
    found = reproduce(dataclasses.replace(experiment, presets={"tiny": config}), "tiny", folder, progress=False)
    (folder / "found.json").write_text(json.dumps(found, default=str))
    return folder
