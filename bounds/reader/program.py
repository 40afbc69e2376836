"""read_program: a network without its graph, for bounds that look at predictions or at the length of a program."""

from __future__ import annotations

from typing import Any

import numpy as np
from flax.errors import TraceContextError
from jax.extend.core import ClosedJaxpr
from jaxtyping import Float64, Shaped

from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.check import scores_alone
from sparsebounds.bounds.reader.read import check_examples, input_layer
from sparsebounds.bounds.reader.trace import traced
from sparsebounds.bounds.reader.training import check_draws, mode_error
from sparsebounds.bounds.reader.values import ReadError
from sparsebounds.bounds.reader.writing import Written

NOT_ASKED = "nobody asked for it"


def read_program(f: Any, x: Any, *, params: Any = None, reason: str = NOT_ASKED) -> Program:
    """A network as its program: text and arrays, whatever the operations are.

    Bounds that need no graph (`held_out`, `occam`, `occam_quantised`, `parameter_count`) take it in the place of one;
    `table` does so by itself where `read_graph` refuses. Parameters are those of an NNX module, or `params`; arrays of
    the closure are constants of the program. Only what the scores depend on is kept.

    Args:
        f: function of one batched input, or of (params, x); or a Flax NNX module.
        x: (B, …) a few example inputs.
        params: a pytree of arrays, the first argument of f.
        reason: why there is no graph; every bound that needs one gives it.

    Returns:
        Program. Its text is None where the function could not be traced or calls what is no program of JAX; `occam`
        and `parameter_count` do not cover it then.

    Raises:
        ReadError: the scores of an input depend on the others in its batch, or on chance.
        ValueError: inputs without a batch axis.

    Example:
        >>> import jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> f = lambda params, x: jnp.sort(x @ params["w"], axis=1)
        >>> program = bounds.read_program(f, np.eye(3, dtype=np.float32), params={"w": np.ones((3, 2), np.float32)})
        >>> [(name, array.shape) for name, array in program.numbers], program.classes
        ([('w', (3, 2))], 2)
    """
    network, x = Network.of(f, params), np.asarray(x)
    check_examples(x)
    first = input_layer(x, None)
    if mode_error(network):
        raise ReadError(mode_error(network))
    try:
        program, said = traced(network, x[:1])[0], ""
    except ReadError as error:
        if isinstance(error.__cause__, TraceContextError):  # it changes a module, and must not be called
            raise
        program, said = None, str(error)
    if program is not None:
        check_draws(network, program, x[:1])
    _, scores = scores_alone(network, x)
    try:
        text, numbers, constants = (None, (), 0) if program is None else _written(network, program)
    except ReadError as error:
        text, numbers, constants, said = None, (), 0, str(error)

    def run(inputs: Shaped[np.ndarray, "B ..."]) -> Float64[np.ndarray, "B C"]:
        return np.asarray(network(inputs.astype(x.dtype)), dtype=np.float64)

    classes = scores.shape[-1] if scores.ndim == 2 else 1
    if said and said != reason:
        reason = said if reason == NOT_ASKED else f"{reason}; {said}"
    return Program(first, classes, run, reason, text, numbers, constants, network.ends or ())


def _written(network: Network, program: ClosedJaxpr) -> tuple[str | None, tuple[tuple[str, np.ndarray], ...], int]:
    """Text, named arrays, and how many of these were closed over."""
    written = Written()
    text = written.program(program, network.arrays)
    names = {id(array): name for array, name in zip(network.arrays, network.names, strict=True)}
    given = [names.get(id(source), "") for source in written.sources]
    order = sorted(range(len(given)), key=lambda i: not given[i])  # parameters first, else as they came
    constants = given.count("")
    named = ((given[i] or f"constant {n}", written.arrays[i]) for n, i in enumerate(order, constants - len(given)))
    return text, tuple(named), constants
