"""The jaxpr of a network, its arrays named."""

from __future__ import annotations

import traceback
from pathlib import Path

import flax
import jax
import numpy as np
from flax.errors import TraceContextError
from jax.extend.core import ClosedJaxpr
from jaxtyping import Shaped

from sparsebounds.bounds.network import CHANGES, Network
from sparsebounds.bounds.reader.values import Const, ReadError, Value

PARAMS = "; one of (params, x) takes its parameters from bounds.table(…, params=…), or is lambda x: f(params, x)"


def traced(network: Network, x: Shaped[np.ndarray, "B ..."]) -> tuple[ClosedJaxpr, list[Value]]:
    """The program of a network, and the arrays that are passed to it as arguments (named, for an NNX module)."""
    try:
        program, returned = network.traced(x)
    except TraceContextError as error:
        raise ReadError(CHANGES) from error
    except Exception as error:
        if isinstance(error, (ReadError, NameError, AttributeError, ImportError)):
            raise
        raise ReadError(
            f"the function could not be traced on inputs of shape {x.shape}{line_of(error)}: {_other_axes(network, x)}"
            f"{said_by(error)}; needed a function of one batched input without branches on its values or side effects "
            f"(evaluation mode for batch norm and dropout){PARAMS if 'positional argument' in str(error) else ''}"
        ) from error
    if isinstance(returned, dict) or (isinstance(returned, tuple | list) and len(returned) == 1):
        key = repr(next(iter(returned), "logits")) if isinstance(returned, dict) else "0"
        raise ReadError(
            f"the function returns a {type(returned).__name__}; needed one array of scores (B, C), such as "
            f"lambda x: f(x)[{key}]"
        )
    return program, [
        Const(a, frozenset([name]), given=True) for a, name in zip(network.arrays, network.names, strict=True)
    ]


def _other_axes(network: Network, x: np.ndarray) -> str:
    """What to do where the network takes the same images with the channels on another axis."""
    if x.ndim != 4:
        return ""
    for source, target, word in ((1, -1, "last"), (-1, 1, "first")):
        try:
            network.traced(np.moveaxis(x, source, target))
        except Exception:  # the user's function raises what it likes
            continue
        return f"it takes channels {word}, hand in numpy.moveaxis(x, {source}, {target}); it said "
    return ""


def said_by(error: Exception) -> str:
    """The first line of an error, or its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def line_of(error: Exception) -> str:
    """The user's line that an error came from: the last outside this package and JAX, Flax and NumPy."""
    packages = [Path(found.__file__ or "").parent for found in (jax, flax, np)]
    skipped = [*packages, Path(__file__).resolve().parents[1]]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename).resolve()
        if not any(file.is_relative_to(folder) for folder in skipped):
            return f" at {file.name}:{frame.lineno}"
    return ""
