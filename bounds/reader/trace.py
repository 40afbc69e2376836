"""The jaxpr of a network, its arrays named."""

from __future__ import annotations

import numpy as np
from flax.errors import TraceContextError
from jax.extend.core import ClosedJaxpr
from jaxtyping import Shaped

from sparsebounds.bounds.network import CHANGES, Network
from sparsebounds.bounds.reader.values import Const, ReadError, Value


def traced(network: Network, x: Shaped[np.ndarray, "B ..."]) -> tuple[ClosedJaxpr, list[Value]]:
    """The program of a network, and the arrays that are passed to it as arguments (named, for an NNX module)."""
    try:
        program, _ = network.traced(x)
    except TraceContextError as error:
        raise ReadError(CHANGES) from error
    except Exception as error:
        if isinstance(error, (ReadError, NameError, AttributeError, ImportError)):
            raise
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ReadError(
            f"the function could not be traced on inputs of shape {x.shape}: {first_line}; needed a function of one "
            "batched input without branches on its values or side effects (evaluation mode for batch norm and dropout)"
        ) from error
    return program, [
        Const(a, frozenset([name]), given=True) for a, name in zip(network.arrays, network.names, strict=True)
    ]
