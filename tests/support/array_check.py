"""Check at every call the arrays that the annotations speak of: shapes and element types."""

from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype

Checkable = Callable[..., Any]


def checked(function: Checkable) -> Checkable:
    """The function, refusing other arrays than it says; annotations without an array are the type checker's."""
    hints = function.__annotations__.items()
    function.__annotations__ = {name: hint if "ndarray" in str(hint) else object for name, hint in hints}
    return beartype(function, conf=BeartypeConf(is_pep484_tower=True))
