"""What `table` checks of its arguments before it reads or measures anything."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np

from sparsebounds.bounds.bound import Theorem
from sparsebounds.bounds.margins_alike import check_margin
from sparsebounds.bounds.registry import BOUNDS
from sparsebounds.bounds.sample.given import Given, handed
from sparsebounds.bounds.sample.limits import Range


def checked_options(
    options: Mapping[str, Any] | None,
    chosen: Mapping[str, Theorem[...]],
    pixel_range: Range | None,
    gamma: float | str | None,
) -> dict[str, Any]:
    """The further keywords, each of which some bound of the table must take: a misspelt one would be lost silently."""
    own = {"graph", "sample", "delta", "reference", "mask_fixed", "test", "quantised"}
    known = {key for bound in (*BOUNDS.values(), *chosen.values()) for key in inspect.signature(bound).parameters} - own
    for key in options or {}:
        if key not in known:
            raise ValueError(f"no bound takes the option {key!r}; the known ones are {', '.join(sorted(known))}")
    given = dict(options or {})
    if gamma is not None:
        check_margin(gamma)
        if "gamma" in given:
            raise ValueError("gamma was given twice, by itself and among the options; give it by itself")
    if pixel_range is not None:
        if "pixel_range" in given:
            raise ValueError("pixel_range was given twice, by itself and among the options; give it by itself")
        given["pixel_range"] = pixel_range
    return given


def checked_test(x: Any, y: Any) -> Given | None:
    """The test samples, where there are any; inputs and labels go together."""
    if x is None and y is None:
        return None
    if x is None or (y is None and hasattr(x, "shape")):
        raise ValueError("x_test and y_test go together; one of them was given alone")
    return handed(x, y, "test sample")


def check_alike(given: Given, tested: Given | None) -> None:
    """Raise ValueError unless both samples have inputs of one shape and one kind."""
    if tested is None:
        return
    train, test = given.example, tested.example
    if train.shape[1:] != test.shape[1:]:
        raise ValueError(
            f"x_train has inputs of shape {train.shape[1:]} and x_test of shape {test.shape[1:]}; needed the same"
        )
    kinds = [np.dtype(x.dtype).kind in "iub" for x in (train, test)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"x_train is {train.dtype} and x_test {test.dtype}; needed both as the network receives them: was one "
            "of them scaled to numbers with a point, and the other not?"
        )
