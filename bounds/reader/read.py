"""read_graph: trace the function, interpret its program, put it in canonical form, check it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from bounds.evaluate import evaluate
from bounds.front_end import FrontEnd
from bounds.graph import Graph, Input, Linear, Partition, check_partition
from bounds.reader import elementwise_rules, linear_rules, structure_rules, window_rules
from bounds.reader.builder import Builder
from bounds.reader.interpreter import Interpreter
from bounds.reader.scores import picked
from bounds.reader.simplify import simplify
from bounds.reader.values import Const, ReadError, Value, View

RULES = structure_rules.RULES | elementwise_rules.RULES | linear_rules.RULES | window_rules.RULES
"""Primitive → rule. What is not in this table is refused."""

TOLERANCE = 1e-3
"""Largest difference between the graph and the function, relative to the largest score (float32 networks)."""


def read_graph(
    f: Callable[..., Any],
    x: Any,
    nodes: Partition = "position",
    *,
    group_size: int = 8,
    input_nodes: np.ndarray | None = None,
    front_end: FrontEnd | None = None,
) -> Graph:
    """Read a trained network from its function.

    The function is traced once with a single input; whatever does not depend on the input (weight normalisation,
    masks, inference batch norm) is computed, the rest becomes layers. The graph is then evaluated and compared with
    `f` on the given inputs and on noise. `f` is never called otherwise, and never changed.

    Args:
        f: a function of one batched input, or a Flax NNX module; it returns scores (B, C), C ≥ 2.
        x: (B, …) a few example inputs: images (B, H, W, channels), sequences (B, T, channels), or flat (B, D).
        nodes: which coordinates form a node: "position" (all channels of a position), "group" (`group_size`
            channels of a position, or the groups of a grouped convolution), "scalar". A flat input has one node per
            coordinate.
        group_size: channels per node with nodes="group".
        input_nodes: the caller's own grouping of the input coordinates: integers of the shape of one input.
        front_end: fixed layers that come before f: f is then a function of their output, and the graph begins there.

    Returns:
        A Graph equal to `f` as a function.

    Raises:
        ReadError: an operation is not covered (the message names it, its layer or source line), a weight is not
            finite, or the graph does not reproduce `f`.
        ValueError: an argument is out of range.

    Example:
        >>> import jax, jax.numpy as jnp, bounds
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
    x = np.asarray(x) if front_end is None else front_end.outputs(x[:2])
    first = _input(x, input_nodes)
    builder = Builder(first)
    program, leaves = _trace(f, x[:1])
    interpreter = Interpreter(builder, RULES)
    start = View(builder.ids(0).reshape(1, *first.shape))
    (out, *more) = interpreter.closed(program, [*leaves, start])
    if more:
        raise ReadError(f"the function returns {1 + len(more)} arrays; needed one array of scores (B, C)")
    output = _output_layer(builder, out)
    graph = Graph(simplify(builder, output)).partition(nodes, group_size)
    _require_finite(graph)
    _check(graph, f, x)
    return graph


def _input(x: np.ndarray, input_nodes: np.ndarray | None) -> Input:
    """The input layer: images and sequences keep their channels together, flat inputs have none."""
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"example inputs of shape {x.shape}; needed (B, …) with at least one input")
    shape = x.shape[1:]
    channels = shape[-1] if len(shape) > 1 else 1
    size = int(np.prod(shape))
    node = None
    if input_nodes is not None:
        if np.shape(input_nodes) != shape:
            raise ValueError(f"input_nodes of shape {np.shape(input_nodes)}; needed the shape of one input, {shape}")
        _, node = np.unique(np.ravel(input_nodes), return_inverse=True)
        node = node.astype(np.int32)
    return Input(shape, size // channels, channels, node)


def _trace(f: Callable[..., Any], x: np.ndarray) -> tuple[Any, list[Value]]:
    """The program of f, and the parameters that are passed to it as arguments (named, for an NNX module)."""
    try:
        split = _nnx_split(f)
        if split is None:
            return jax.make_jaxpr(f)(x), []
        call, state, names = split
        flat, tree = jax.tree.flatten(state)
        program = jax.make_jaxpr(lambda leaves, x: call(jax.tree.unflatten(tree, leaves), x))(flat, x)
        return program, [Const(leaf, frozenset([name])) for leaf, name in zip(flat, names, strict=True)]
    except ReadError:
        raise
    except Exception as error:
        if isinstance(error, (NameError, AttributeError, ImportError)):
            raise
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ReadError(
            f"the function could not be traced on inputs of shape {x.shape}: {first_line}; needed a function of one "
            "batched input without branches on its values or side effects (evaluation mode for batch norm and dropout)"
        ) from error


def _nnx_split(f: Callable[..., Any]) -> tuple[Callable[..., Any], Any, list[str]] | None:
    """For an NNX module: a pure call, its state and the names of its arrays. The module itself is never called."""
    try:
        from flax import nnx
    except ImportError:
        return None
    if not isinstance(f, nnx.Module):
        return None
    definition, state = nnx.split(f)
    paths = jax.tree_util.tree_flatten_with_path(state)[0]
    names = [".".join(_key(k) for k in path if _key(k) != "value") for path, _ in paths]
    return (lambda s, x: nnx.merge(definition, s)(x)), state, names


def _key(entry: Any) -> str:
    return str(getattr(entry, "key", getattr(entry, "name", getattr(entry, "idx", entry))))


def _output_layer(builder: Builder, out: Value) -> int:
    """Index of the layer that holds the scores, in the order of the classes."""
    if isinstance(out, Const):
        raise ReadError("the function does not depend on its input; needed scores (B, C)")
    if not isinstance(out, View) or out.ids.ndim != 2 or out.shape[0] != 1:
        shape = getattr(out, "shape", "()")
        hint = "; for a network with one output return the two scores (0, f)" if shape == (1,) else ""
        raise ReadError(
            f"for one input the function returns shape {shape}; needed (1, C): one row of scores per input{hint}"
        )
    view = builder.settle(out)
    sources = builder.sources(view)
    last = builder.layers[sources[0]]
    whole = len(sources) == 1 and view.plain and np.array_equal(view.ids.ravel(), builder.ids(sources[0]))
    if not (whole and isinstance(last, Linear) and not last.activated):
        index = picked(builder, view, sources[0]) if len(sources) == 1 else None
        if index is None:
            index = int(builder.layer_indices(builder.materialise(view).ids)[0, 0])
        last, sources = builder.layers[index], [index]
    builder.layers[sources[0]] = replace(last, positions=1, channels=last.size)
    return sources[0]


def _require_finite(graph: Graph) -> None:
    for layer in graph.layers:
        if isinstance(layer, Linear):
            arrays = [getattr(t, "weight", getattr(t, "scale", None)) for t in layer.terms] + [layer.bias]
            if not all(a is None or np.isfinite(a).all() for a in arrays):
                raise ReadError(f"layer {layer.name} ({layer.where}) has weights that are not finite; retrain it")


def _check(graph: Graph, f: Callable[..., Any], x: np.ndarray) -> None:
    """The graph must equal f on the examples and on noise of their size; a batch of several inputs shows mixing."""
    examples = x[:1].astype(np.float32) if x.dtype.kind in "iub" else x[:1]
    noise = np.random.default_rng(0).normal(size=(1, *x.shape[1:])) * (np.abs(examples).max() or 1.0)
    inputs = np.concatenate([examples, noise.astype(examples.dtype)])
    with jax.default_matmul_precision("highest"):
        expected = np.asarray(_pure(f)(inputs), dtype=np.float64)
    found = evaluate(graph, inputs)
    if expected.shape != found.shape:
        raise ReadError(f"for {len(inputs)} inputs the function returns shape {expected.shape}; needed {found.shape}")
    worst = float(np.max(np.abs(found - expected), initial=0.0))
    scale = float(np.max(np.abs(expected), initial=1e-30))
    if not worst <= TOLERANCE * scale:
        raise ReadError(
            f"the graph differs from the function by {worst:.3g} (scores up to {scale:.3g}) on a batch of "
            f"{len(inputs)}; does the function mix the inputs of a batch, or compute in low precision?"
        )


def _pure(f: Callable[..., Any]) -> Callable[..., Any]:
    """f as a function that leaves an NNX module as it was."""
    split = _nnx_split(f)
    if split is None:
        return f
    call, state, _ = split
    return lambda x: call(state, x)
