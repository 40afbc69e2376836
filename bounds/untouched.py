"""Flax NNX modules that a function reaches are put back as they were, whatever its call does to them."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from flax import nnx

LONGEST = 10_000
"""Entries of a list or dictionary that is looked through."""
_LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "optax")
_ATOMS = (str, bytes, int, float, complex, bool, type(None), type, ModuleType)


@contextmanager
def untouched(f: Any) -> Iterator[None]:
    """Whatever happens inside, the NNX modules that `f` reaches have afterwards what they had before.

    A transformed module function (`nnx.jit`, `nnx.remat`, also one called `__call__`) takes the module apart while it
    is traced, and where the trace fails, which it does inside another one, the module is left without its parameters.
    Modules are found in closures, defaults, partial functions, methods, attributes, lists and dictionaries, and in the
    global names that a function uses. Put back are attributes, variables, and what lists, dictionaries and arrays of
    NumPy among them hold.

    Args:
        f: anything callable.

    Example:
        >>> import jax
        >>> layer, call = nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.jit(lambda module, x: module(x))
        >>> with untouched(lambda x: call(layer, x)):
        ...     try:
        ...         jax.make_jaxpr(lambda x: call(layer, x))(np.ones((1, 3), np.float32))
        ...     except Exception as error:
        ...         print(type(error).__name__)
        TraceContextError
        >>> len(jax.tree.leaves(nnx.state(layer)))
        2
    """
    kept = _Kept()
    kept.search(f)
    try:
        yield
    finally:
        kept.put_back()


class _Kept:
    """What was found, and its content."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}  # the objects themselves: an id is theirs only while they live
        self.attributes: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.variables: list[tuple[Any, dict[str, Any]]] = []
        self.containers: list[tuple[Any, Any]] = []

    def search(self, found: Any, inside: bool = False) -> None:
        """Look through an object and all that it reaches; `inside` a module, content is kept."""
        waiting = [(found, inside)]
        while waiting:
            found, inside = waiting.pop()
            if isinstance(found, _ATOMS) or id(found) in self.seen:
                continue
            module = isinstance(found, nnx.Pytree)
            self.seen[id(found)] = found
            if isinstance(found, nnx.Variable) or "_trace_state" in getattr(type(found), "__slots__", ()):
                self._keep_variable(found)
            elif isinstance(found, np.ndarray):
                self._keep(found, found.copy, inside)
            elif isinstance(found, list | dict | set):
                self._keep(found, found.copy, inside)
                waiting += ((part, inside) for part in _parts(found))
            elif module:
                self.attributes.append((vars(found), dict(vars(found))))
                waiting += ((part, True) for part in vars(found).values())
            else:
                waiting += ((part, inside) for part in _reached(found))

    def _keep(self, found: Any, copy: Any, inside: bool) -> None:
        if inside:
            self.containers.append((found, copy()))

    def _keep_variable(self, variable: Any) -> None:
        """A variable, or what a module knows of the trace that made it."""
        slots = dict(_slots(variable))
        held = slots.get("_raw_value")
        if isinstance(held, np.ndarray):
            self.containers.append((held, held.copy()))
        slots = {name: dict(value) if isinstance(value, dict) else value for name, value in slots.items()}
        self.variables.append((variable, slots))

    def put_back(self) -> None:
        for attributes, held in self.attributes:
            attributes.clear()
            attributes.update(held)
        for variable, slots in self.variables:
            for name, value in slots.items():
                object.__setattr__(variable, name, value)
        for container, content in self.containers:
            if isinstance(container, np.ndarray):
                if container.flags.writeable:
                    container[...] = content
            elif isinstance(container, list):
                container[:] = content
            else:
                container.clear()
                container.update(content)


def _slots(variable: Any) -> Iterator[tuple[str, Any]]:
    """Its own slots; by `getattr` a variable would answer for its value."""
    for kind in type(variable).__mro__:
        for name in getattr(kind, "__slots__", ()):
            try:
                yield name, object.__getattribute__(variable, name)
            except AttributeError:  # never set
                continue


def _parts(container: Any) -> Iterator[Any]:
    if len(container) <= LONGEST:
        yield from container.values() if isinstance(container, dict) else container


def _reached(found: Any) -> Iterator[Any]:
    """What a function, a method, a tuple or another object holds."""
    if isinstance(found, tuple | frozenset):
        yield from _parts(found)
    elif isinstance(found, MethodType):
        yield from (found.__self__, found.__func__)
    elif isinstance(found, functools.partial):
        yield from (found.func, found.args, found.keywords)
    elif isinstance(found, FunctionType):
        yield from _of_function(found)
    else:
        yield getattr(found, "__wrapped__", None)
        yield vars(type(found)).get("__call__")
        attributes = getattr(found, "__dict__", None)
        if isinstance(attributes, dict):
            yield from attributes.values()


def _of_function(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # a name that has no value yet
            continue
    yield from (function.__defaults__, tuple((function.__kwdefaults__ or {}).values()))
    yield tuple(vars(function).values())
    if (function.__module__ or "").partition(".")[0] not in _LIBRARIES:
        names = _names(function.__code__)
        yield from (function.__globals__[name] for name in names if name in function.__globals__)


def _names(code: CodeType) -> set[str]:
    """Global names that a function and the functions written in it may use."""
    inner = (_names(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)
