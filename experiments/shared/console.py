"""What a command prints to, and whether the packages of an extra are there."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator

from rich.console import Console

from sparsebounds.experiments.shared.problems import Problem

WIDTH = 100
"""Columns where stdout is no terminal: the tables do not fit into the usual guess of 80."""


@contextlib.contextmanager
def human_output(as_json: bool) -> Iterator[Console]:
    """A console for people. With JSON asked for, whatever is printed inside goes to stderr instead."""
    if as_json:
        with contextlib.redirect_stdout(sys.stderr):
            yield Console(stderr=True, quiet=True)
    else:
        yield Console(width=None if sys.stdout.isatty() else WIDTH)


def needs(extra: str, *packages: str) -> None:
    """Whether the packages of an extra are there.

    Raises:
        Problem: one is not.

    Example:
        >>> needs("sweep", "absent")
        Traceback (most recent call last):
            ...
        sparsebounds.experiments.shared.problems.Problem: absent is not installed: pip install 'sparsebounds[sweep]'
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise Problem(f"{package} is not installed: pip install 'sparsebounds[{extra}]'")
