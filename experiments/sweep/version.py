"""The version of the code that decides what a cell gives: two workers that differ in it must not share a sweep."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2]
ROOMS = ("bounds", "nets", "experiments/shared", "experiments/sweep")
"""What a cell is made by, below the folder that holds the packages."""
LEFT_OUT = ("bounds/audit", "bounds/show")


@cache
def code_version() -> str:
    """The package's version and a hash of the source text of `ROOMS`, as it was when this process first asked.

    Example:
        >>> code_version() == code_version(), "+" in code_version()
        (True, True)
    """
    digest = hashlib.sha256()
    for room in ROOMS:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            place = path.relative_to(PACKAGE).as_posix()
            if not place.startswith(LEFT_OUT):
                digest.update(place.encode() + b"\0" + path.read_bytes() + b"\0")
    return f"{version('sparsebounds')}+{digest.hexdigest()[:12]}"
