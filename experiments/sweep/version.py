"""The version of the code that decides what a cell gives: two workers that differ in it must not share a sweep."""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

from sparsebounds.bounds.plugins import Origin
from sparsebounds.bounds.registry import ORIGINS

PACKAGE = Path(__file__).resolve().parents[2]
ROOMS = (
    "bounds",
    "nets",
    "experiments/shared/data.py",
    "experiments/shared/files.py",
    "experiments/shared/layers.py",
    "experiments/shared/problems.py",
    "experiments/sweep/config.py",
    "experiments/sweep/factors.py",
    "experiments/sweep/grid.py",
    "experiments/sweep/networks.py",
    "experiments/sweep/quantities.py",
    "experiments/sweep/samples.py",
    "experiments/sweep/training.py",
    "experiments/sweep/work.py",
)
"""What a cell is made by, below the folder that holds the packages: all that `work` imports. The cluster, the progress
and the command line are no part of it."""
LEFT_OUT = ("bounds/audit", "bounds/show")


def sources() -> Iterator[Path]:
    """The files of `ROOMS`, below `PACKAGE`."""
    for room in ROOMS:
        place = PACKAGE / room
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            if not path.relative_to(PACKAGE).as_posix().startswith(LEFT_OUT):
                yield path


@cache
def code_version() -> str:
    """The package's version and a hash of what makes a cell, as it was when this process first asked.

    Example:
        >>> code_version() == code_version(), "+" in code_version()
        (True, True)
    """
    return f"{version('sparsebounds')}+{digest_of(ORIGINS)}"


def digest_of(origins: dict[str, Origin]) -> str:
    """The hash of the source text of `sources`, and of the bounds and measures that other packages brought.

    Args:
        origins: name → package, its version and the hash of the file that it stands in.
    """
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    for name, origin in sorted(origins.items()):
        said = (name, origin.package, origin.version, origin.sha256)
        digest.update("\0".join(said).encode() + b"\0")
    return digest.hexdigest()[:12]
