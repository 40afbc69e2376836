"""Which array of a checkpoint goes where in a network, and what is wrong where they do not fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

SHOWN = 40
"""So many differences are written out; how many more there are is said."""


def fitted(
    arrays: Mapping[str, np.ndarray], wanted: Mapping[str, Any], apart: frozenset[str], file: str
) -> dict[str, np.ndarray]:
    """The arrays under the names of the network, in its types.

    A training keeps its weights beside the state of its optimiser, and one of Linen modules among other variables:
    where a single first word of the names, such as `params`, makes them those of the network, it is taken off.

    Args:
        arrays: of the checkpoint.
        wanted: name → what has a shape and a type, of the network.
        apart: names that the network has beside these and keeps as they are: random keys.
        file: its name, for messages.

    Raises:
        ValueError: something is missing, left over, of another shape or no number; all of it in one message.

    Example:
        >>> ones = {"params.w": np.ones(2), "opt_state.w": np.ones(2), "step": np.array(3)}
        >>> fitted(ones, {"w": np.zeros(2, np.float32)}, frozenset(), "a")["w"].dtype
        dtype('float32')
    """
    found = _under_their_names({name: value for name, value in arrays.items() if name not in apart}, wanted)
    if found and not found.keys() & wanted.keys():
        raise ValueError(
            f"{file} holds another network: none of its {len(found)} names ({_some(found)}) is one of the "
            f"{len(wanted)} that are needed ({_some(wanted)})"
        )
    wrong = _differences(found, wanted)
    if wrong:
        more = f", and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError(
            f"{file} does not fit the network: {'; '.join(wrong[:SHOWN])}{more}; needed all of its weights and nothing "
            "else, as the same architecture saves them"
        )
    return {name: np.asarray(found[name]).astype(leaf.dtype, copy=False) for name, leaf in wanted.items()}


def _under_their_names(arrays: dict[str, np.ndarray], wanted: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """As they are, or those below one first word, if these alone have every name of the network."""
    if wanted.keys() <= arrays.keys():
        return arrays
    firsts = {name.partition(".")[0] for name in arrays}
    for first in sorted(firsts):
        below = {name.removeprefix(f"{first}."): v for name, v in arrays.items() if name.startswith(f"{first}.")}
        if wanted.keys() == below.keys():
            return below
    words = {name.partition(".")[0] for name in wanted}
    if len(words) == 1:  # only `params` of a Linen module was kept, or all of it beside an optimiser's state
        (word,) = words
        longer = {f"{word}.{name}": value for name, value in arrays.items()}
        if wanted.keys() == longer.keys():
            return longer
    kept = {name: value for name, value in arrays.items() if name.partition(".")[0] in words}
    return kept if wanted.keys() == kept.keys() else arrays


def _differences(found: Mapping[str, np.ndarray], wanted: Mapping[str, Any]) -> list[str]:
    wrong = [f"{name} is missing" for name in wanted if name not in found]
    wrong += [f"{name} is not in the network" for name in found if name not in wanted]
    wrong += [
        f"{name} has shape {found[name].shape}, not {tuple(leaf.shape)}"
        for name, leaf in wanted.items()
        if name in found and found[name].shape != tuple(leaf.shape)
    ]
    wrong += [
        f"{name} is {found[name].dtype}, not {leaf.dtype}"
        for name, leaf in wanted.items()
        if name in found and not _convertible(found[name].dtype, leaf.dtype)
    ]
    return wrong


def _convertible(of: np.dtype, to: np.dtype) -> bool:
    """Whether numbers of one type can stand for those of another: real numbers for real ones, all else for its like."""
    return of == to or (of.kind in "fiuV" and np.dtype(to).kind in "fiuV")


def _some(names: Mapping[str, Any]) -> str:
    shown = list(names)[:3]
    return ", ".join(shown) + (", …" if len(names) > len(shown) else "")
