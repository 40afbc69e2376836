"""What was computed from a graph, kept with it: several bounds ask for the same norms, blocks and sources."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import is_dataclass
from functools import wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import numpy as np

from sparsebounds.bounds.graph.frozen import frozen

LARGE = 1 << 28
"""Bytes; a result with more is computed anew at every call: blocks of wide dense layers are as large as the weights."""

P = ParamSpec("P")
R = TypeVar("R")


class Memory(dict[Hashable, Any]):
    """Results by function and arguments. A copy or a pickle of its owner begins with an empty one."""

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()


class Remembers(Protocol):
    """A graph, or anything else that never changes and has a field `memory`."""

    @property
    def memory(self) -> Memory: ...


G = TypeVar("G", bound=Remembers)


def per_network(function: Callable[Concatenate[G, P], R]) -> Callable[Concatenate[G, P], R]:
    """As `per_graph`, for what does not depend on the partition into nodes: once for all partitions of a network."""
    return _remembering(function, _shared)


def _shared(graph: Remembers) -> Memory:
    found = getattr(graph, "shared", None)
    return graph.memory if found is None else found


def per_graph(function: Callable[Concatenate[G, P], R]) -> Callable[Concatenate[G, P], R]:
    """A function or method of a graph that computes its result once for each graph and each other arguments.

    A result of more than `LARGE` bytes, an array or blocks, is not kept.

    Args:
        function: f(graph, …) whose other arguments are hashable and whose result nobody changes. Arrays, also those
            inside a result, are handed out unwritable; whoever needs to write makes a copy.

    Returns:
        The function; an exception is not kept.

    Example:
        >>> from types import SimpleNamespace
        >>> @per_graph
        ... def count(graph, step=1):
        ...     graph.calls += step
        ...     return graph.calls
        >>> owner = SimpleNamespace(calls=0, memory=Memory())
        >>> count(owner), count(owner, 1), count(owner, step=1), count(owner, 2)
        (1, 1, 1, 3)
    """
    return _remembering(function, lambda graph: graph.memory)


def _remembering(
    function: Callable[Concatenate[G, P], R], memory_of: Callable[[G], Memory]
) -> Callable[Concatenate[G, P], R]:
    arguments = signature(function)
    every = len(arguments.parameters) - 1

    @wraps(function)
    def remembered(graph: G, /, *args: P.args, **kwargs: P.kwargs) -> R:
        key: tuple[Hashable, ...] = args
        if kwargs or len(args) != every:  # the same call in other words
            bound = arguments.bind(graph, *args, **kwargs)
            bound.apply_defaults()
            key = tuple(bound.arguments.values())[1:]
        memory = memory_of(graph)
        if (function, key) in memory:
            kept: R = memory[function, key]
            return kept
        found: R = _unwritable(function(graph, *args, **kwargs))
        if _bytes(found) <= LARGE:
            memory[function, key] = found
        return found

    return remembered


def _bytes(result: Any) -> int:
    """Of an array, or of those that a dataclass has as fields."""
    if isinstance(result, np.ndarray):
        return result.nbytes
    if not is_dataclass(result):
        return 0
    return sum(value.nbytes for value in vars(result).values() if isinstance(value, np.ndarray))


def _unwritable(result: Any) -> Any:
    if not isinstance(result, np.ndarray):
        return frozen(result) if isinstance(result, tuple | list | dict) or is_dataclass(result) else result
    view = result.view()
    view.flags.writeable = False
    return view
