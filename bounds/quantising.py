"""From a trained network to a quantised one: its arrays rounded to few bits, and its own margins on the sample."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sparsebounds.bounds.bound import NotCovered
from sparsebounds.bounds.confidence.binomial import kl_upper
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.graph.program import Program
from sparsebounds.bounds.graph.uniform import on_grid
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader import read_graph, read_program
from sparsebounds.bounds.reader.writing import as_numbers
from sparsebounds.bounds.sample.front_end import Received
from sparsebounds.bounds.sample.margins import Margins
from sparsebounds.bounds.theorems.description.beyond_layers import flat_numbers
from sparsebounds.bounds.theorems.description.grid_code import quantised_code, quantised_part
from sparsebounds.bounds.theorems.description.quantised import Quantised, least_value, network_bits

BITS = (2, 3, 4, 6, 8)
"""What is tried; each array says in its code which of 2, …, 8 it has."""
TRIED = 2000
"""Samples, spread over all, on which the numbers of bits are compared."""
HOPELESS = 0.99
"""Where a code leaves this much without a single error, a pass over the sample decides nothing."""
DELTA = 1e-3
"""Of the comparison alone."""


def quantised(
    f: Any,
    x: Any,
    y: Any,
    *,
    params: Any = None,
    selections_fixed: bool = False,
    repetitions: str = "counted",
    batch_size: int = 256,
) -> Quantised:
    """A network rounded to few bits, for `occam_quantised`: uniform quantisation after training.

    Every array of an NNX module or of `params`, or of what a function without any closes over, is rounded to a uniform
    grid of 2, 3, 4, 6 or 8 bits, arrays of one axis to 8 (`on_grid`). The number of bits that promises the smallest
    bound is taken, by up to 2000 samples; with it the network runs over all of them once. Where the graph of the
    rounded network can be read and is the shorter description it is the network, its program otherwise, and where a
    bound below 0.99 is out of reach.

    Args:
        f: function of one batched input, or of (params, x); or a Flax NNX module.
        x, y: the sample that trained it, as in `Sample.measure`.
        params: a pytree of arrays, the first argument of f.
        selections_fixed: as in `read_graph`.
        repetitions, batch_size: as in `Sample.measure`.

    Returns:
        Quantised; without margins where more than 2000 samples would have to be run through a network whose code
        leaves more than 0.99 even without an error.

    Raises:
        ReadError: the scores of an input depend on the others in its batch, or on chance.
        ValueError: bad data, as in `Sample.measure`.

    Example:
        >>> w = np.array([[1.0, 0.02], [0.3, -1.0]], np.float32)
        >>> found = quantised(lambda x: x @ w, np.eye(2, dtype=np.float32), np.array([0, 1]))
        >>> found.network.numbers[0][1].tolist(), found.margins.margins.tolist()
        ([[1.0, 0.0], [0.0, -1.0]], [1.0, -1.0])

    Source: Jacob et al., Quantization and training of neural networks, CVPR 2018, section 2, symmetric and per array.
    """
    network = Network.of(f, params)
    inputs, m = x.values if isinstance(x, Received) else np.asarray(x), len(y)
    spread = np.unique(np.linspace(0, m - 1, min(m, TRIED)).astype(int))
    tried = list(_tried(network, inputs[spread], np.asarray(y)[spread], m))
    if not tried:  # it cannot be traced, or has no scores with fewer bits
        return Quantised(read_program(network, inputs[:2]))
    value, bits = min(tried)
    small = rounded(network, bits)
    program = read_program(small, inputs[:2])
    if m > TRIED and value >= HOPELESS:
        return Quantised(program)
    margins = Margins.measure(small, x, y, repetitions=repetitions, batch_size=batch_size)
    chosen = program if value >= HOPELESS else _shorter(small, program, inputs[:2], margins, selections_fixed)
    return Quantised(chosen, margins)


def rounded(network: Network, bits: int) -> Network:
    """The network with its arrays on grids."""
    seen: dict[int, tuple[Any, Any]] = {}

    def change(array: Any) -> Any:
        if not isinstance(array, jax.Array):  # of NumPy's every trace has a new one
            return _rounded(array, bits)
        if id(array) not in seen:
            seen[id(array)] = array, _rounded(array, bits)
        return seen[id(array)][1]

    return network.with_arrays(change)


def _rounded(array: Any, bits: int) -> Any:
    if not hasattr(array, "dtype") or not jnp.issubdtype(array.dtype, jnp.floating):
        return array
    values = on_grid(np.asarray(array), bits)
    narrowed = jax.dtypes.canonicalize_dtype(values.dtype) != values.dtype
    return values if narrowed else jnp.asarray(values)  # JAX keeps its own arrays without a copy


def _tried(network: Network, x: np.ndarray, y: np.ndarray, m: int) -> Iterator[tuple[float, int]]:
    """What each number of bits promises for m samples, and the number; not those whose code alone costs more."""
    try:
        network.traced(jnp.asarray(x[:1]))
    except Exception:  # whatever stopped it, the caller reads the program and is told
        return
    best = math.inf
    for bits in BITS:
        small = rounded(network, bits)
        arrays = small.arrays or small.traced(jnp.asarray(x[:1]))[0].consts
        code = sum(quantised_part("", flat_numbers(as_numbers(array))).bits for array in arrays)
        value = least_value(code, m, DELTA)
        if value >= best:
            return
        if len(y) == m or value < HOPELESS:
            try:
                errors = Margins.measure(small, x, y).error
            except ValueError:  # scores that are not finite
                continue
            value = kl_upper(errors, (code * math.log(2) - math.log(DELTA)) / m)
        best = min(best, value)
        yield value, bits


def _shorter(
    network: Network, program: Program, x: np.ndarray, margins: Margins, selections_fixed: bool
) -> Graph | Program:
    """The graph, or the program, whichever is the shorter description; the program where there is no graph."""
    try:
        graph = read_graph(network, x, selections_fixed=selections_fixed)
        margins.check_network(graph)
        lengths = {found: network_bits(found, quantised_code(found)) for found in (graph, program)}
    except (ValueError, NotCovered):
        return program
    return min(lengths, key=lambda found: lengths[found])
