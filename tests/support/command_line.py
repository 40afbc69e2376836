"""The command line from inside the process."""

import json
from typing import Any

import pytest

from sparsebounds.experiments.cli import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def strict(text: str) -> Any:
    """JSON without the NaN and Infinity that Python's reader would let through."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)
