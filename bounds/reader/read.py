"""read_graph: trace the function, interpret its program, put it in canonical form, check it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Int, Shaped

from sparsebounds.bounds.graph.graph import Graph, Partition, check_partition
from sparsebounds.bounds.graph.layers import Input
from sparsebounds.bounds.graph.layers.input import check_tokens
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.builder import Builder
from sparsebounds.bounds.reader.canonical.simplify import simplify
from sparsebounds.bounds.reader.check import check
from sparsebounds.bounds.reader.interpreter import Interpreter
from sparsebounds.bounds.reader.precision import ROUNDED, in_float32, in_low_precision, rounding
from sparsebounds.bounds.reader.rules import RULES
from sparsebounds.bounds.reader.scores import picked_scores
from sparsebounds.bounds.reader.selections import dearer
from sparsebounds.bounds.reader.tokens import vocabulary
from sparsebounds.bounds.reader.trace import traced
from sparsebounds.bounds.reader.training import check_draws, mode_error
from sparsebounds.bounds.reader.values import Const, Pointwise, ReadError, Tabulated, Value, View
from sparsebounds.bounds.reader.wiring import wirings
from sparsebounds.bounds.sample.batches import SQUEEZED
from sparsebounds.bounds.sample.front_end import FrontEnd


def read_graph(
    f: Callable[..., Any],
    x: Any,
    nodes: Partition = "position",
    *,
    group_size: int = 8,
    input_nodes: Int[np.ndarray, " ..."] | None = None,
    front_end: FrontEnd | None = None,
    selections_fixed: bool = False,
) -> Graph:
    """Read a trained network from its function.

    The function is traced once with a single input; whatever does not depend on the input (weight normalisation,
    masks, inference batch norm) is computed, the rest becomes layers. The graph is then evaluated and compared with
    `f` on the given inputs and on noise. `f` is never called otherwise, and never changed.

    A network that computes in bfloat16 or float16 is read as what it computes in float32, with its weights as they are;
    how far its own scores are from that is measured on the examples (`Graph.rounding`).

    A softmax, log-softmax or sigmoid of all scores at the very end is taken off, here and in `Sample.measure`: the
    largest score stays the largest, and margins are measured below it (`Graph.ends`); so are those of slices of them,
    and (p, 1 − p) is the one score below p.

    Args:
        f: a function of one batched input, or a Flax NNX module; it returns scores (B, C), C ≥ 2, or one score d per
            input, (B,) or (B, 1), which is read as the two scores (0, d).
        x: (B, …) a few example inputs: images (B, H, W, channels), sequences (B, T, channels), or flat (B, D);
            integers (B, …) that f looks up in tables are tokens (`Input.vocabulary`), other integers are numbers.
        nodes: which coordinates form a node: "position" (all channels of a position), "group" (`group_size`
            channels of a position, or the groups of a grouped convolution), "scalar". A flat input has one node per
            coordinate.
        group_size: channels per node with nodes="group".
        input_nodes: the caller's own grouping of the input coordinates: integers of the shape of one input.
        selections_fixed: True if constant indices, slices that leave gaps, lists of predecessors, masks of zeros and
            ones, and whatever else the network reads without a rule were fixed before seeing the sample. Otherwise
            every certificate pays for what they select.
        front_end: fixed layers that come before f: f is then a function of their output, and the graph begins there.

    Returns:
        A Graph equal to `f` as a function, up to what was taken off its end.

    Raises:
        ReadError: an operation is not covered (the message names it, its layer or source line), a weight is not
            finite, or the graph does not reproduce `f`.
        ValueError: an argument is out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from sparsebounds import bounds
        >>> w = jnp.ones((2, 2, 1, 3))
        >>> def f(x):
        ...     h = jax.lax.conv_general_dilated(x, w, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        ...     return jax.nn.relu(h).reshape(len(x), -1) @ jnp.ones((12, 2))
        >>> graph = bounds.read_graph(f, jnp.ones((2, 3, 3, 1)))
        >>> graph.pred_counts()[1].tolist(), graph.pred_counts()[2].tolist()
        ([4, 4, 4, 4], [4])

    Source: the nodes and predecessors are those of Galanti, Xu, Galanti, Poggio (NeurIPS 2023), section 2.
    """
    check_partition(nodes)
    network = Network.of(f)
    x = np.asarray(x) if front_end is None else front_end.outputs(x[:2])
    check_examples(x)
    program, leaves = traced(network, x[:1])
    tokens = None if np.issubdtype(x.dtype, np.floating) else vocabulary(program.jaxpr)
    first = input_layer(x, input_nodes, tokens)
    builder = Builder(first)
    check_draws(network, program, x[:1])
    interpreter = Interpreter(builder, RULES)
    interpreter.whole_numbers = tokens is None and not np.issubdtype(x.dtype, np.floating)
    start = _start(builder, first, x.dtype)
    try:
        graph = _graph(interpreter, interpreter.closed(program, [*leaves, start]), selections_fixed)
        graph = replace(graph, ends=network.ends or ()).partition(nodes, group_size)
        _require_finite(graph)
        if in_low_precision(program.jaxpr):
            check(graph, in_float32(network), x, ROUNDED)
            graph = replace(graph, rounding=rounding(graph, network, x))
        else:
            check(graph, network, x)
    except ReadError as error:  # where layers are in training mode, that is what the user is told
        message = mode_error(network, interpreter.reduced)
        if not message:
            raise
        raise ReadError(message) from error
    if interpreter.refusals and mode_error(network):
        raise ReadError(mode_error(network)) from interpreter.refusals[0]
    return graph


def _graph(interpreter: Interpreter, outputs: list[Value], selections_fixed: bool) -> Graph:
    """The graph whose scores are what the program returns."""
    builder = interpreter.builder
    views = [interpreter.as_view(v) for v in outputs]
    (out, *more) = [interpreter.settled(v) if isinstance(v, Pointwise) else v for v in views]
    if more:
        raise ReadError(f"the function returns {1 + len(more)} arrays; needed one array of scores (B, C)")
    output = _output_layer(builder, out)
    graph = Graph(simplify(builder, output))
    return graph if selections_fixed else replace(graph, selections=dearer(builder.selected(), wirings(graph)))


def _start(builder: Builder, first: Input, kind: np.dtype[Any]) -> Value:
    """What the program is handed: the coordinates of an input, or its tokens."""
    if first.vocabulary is None:
        return View(builder.ids(0).reshape(1, *first.shape))
    places = np.arange(first.positions).reshape(1, *first.shape)
    words = np.arange(first.vocabulary).astype(jax.dtypes.canonicalize_dtype(kind))
    return Tabulated(places, np.zeros_like(places), words[:, None])


def check_examples(x: Shaped[np.ndarray, ...]) -> None:
    """Raise ValueError unless there is a batch of one input or more."""
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"example inputs of shape {x.shape}; needed (B, …) with at least one input")


def input_layer(
    x: Shaped[np.ndarray, "B ..."], input_nodes: Int[np.ndarray, " ..."] | None, tokens: int | None = None
) -> Input:
    """The input layer: images and sequences keep their channels together, flat inputs have none, tokens the words."""
    shape = x.shape[1:]
    channels = shape[-1] if len(shape) > 1 else 1
    size = int(np.prod(shape))
    node = None
    if input_nodes is not None:
        if np.shape(input_nodes) != shape:
            raise ValueError(f"input_nodes of shape {np.shape(input_nodes)}; needed the shape of one input, {shape}")
        _, node = np.unique(np.ravel(input_nodes), return_inverse=True)
        node = node.astype(np.int32)
    if tokens is not None:
        check_tokens(x, tokens)
        node = None if node is None else np.repeat(node, tokens)
        return Input(shape, size, tokens, node, vocabulary=tokens)
    return Input(shape, size // channels, channels, node)


def _output_layer(builder: Builder, out: Value) -> int:
    """Index of the layer that holds the scores, in the order of the classes."""
    if isinstance(out, Const):
        raise ReadError("the function does not depend on its input; needed scores (B, C)")
    if not isinstance(out, View) or out.ids.ndim != 2 or out.shape[0] != 1:
        shape = getattr(out, "shape", "()")
        if shape == ():
            raise ReadError(f"for one input the function returns one number without a batch axis; {SQUEEZED}")
        raise ReadError(f"for one input the function returns shape {shape}; needed (1, C): one row of scores per input")
    view = builder.settle(out)
    sources = builder.sources(view)
    last = builder.layers[sources[0]]
    whole = len(sources) == 1 and view.plain and np.array_equal(view.ids.ravel(), builder.ids(sources[0]))
    if not (whole and last.affine):
        index = picked_scores(builder, view, sources[0]) if len(sources) == 1 else None
        if index is None:
            index = builder.in_order(view)
            if len(sources) == 1:  # no operation of the program: it goes by the name of the layer that it copies
                builder.layers[index] = replace(builder.layers[index], name=last.name, where=last.where)
        last, sources = builder.layers[index], [index]
    builder.layers[sources[0]] = replace(last, positions=1, channels=last.size)
    return sources[0]


def _require_finite(graph: Graph) -> None:
    for layer in graph.layers:
        arrays = [*(term.parameters for term in layer.terms), layer.bias]
        if not all(a is None or np.isfinite(a).all() for a in arrays):
            raise ReadError(
                f"layer {layer.name} ({layer.where}) has weights that are not finite; retrain it, and leave classes "
                "out that a mask of -inf rules out"
            )
