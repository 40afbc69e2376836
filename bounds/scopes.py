"""Names of the layers of an NNX module: in what is traced, in its tree of arrays, and which are in training mode."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import jax
from flax import nnx


def scoped(module: Any) -> Any:
    """The same module, its layers named in whatever is traced: by path, functions in lists of layers too."""
    for path, layer in list(nnx.iter_modules(module)):
        if isinstance(layer, nnx.List):
            for i, part in enumerate(layer):
                if isinstance(part, FunctionType) or hasattr(part, "lower"):  # a function, or a jitted one
                    layer[i] = _named_function(part, _path((*path, i)))
        if path and callable(layer):
            _name_calls(layer, _path(path))
    return module


def _name_calls(layer: Any, name: str) -> None:
    kind = type(layer)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(name):
            return kind.__call__(self, *args, **kwargs)

    layer.__class__ = type(kind.__name__, (kind,), {"__call__": call})


def _named_function(function: Any, name: str) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with jax.named_scope(name):
            return function(*args, **kwargs)

    return call


def in_training(module: Any) -> Iterator[tuple[str, str]]:
    """Path and class of every layer in training mode: dropout, normalisation by the batch."""
    for path, layer in nnx.iter_modules(module):
        drops = getattr(layer, "deterministic", None) is False
        rate = getattr(layer, "rate", getattr(layer, "dropout_rate", 0.0))
        if getattr(layer, "use_running_average", None) is False or (drops and rate != 0.0):
            yield _path(path), type(layer).__name__


def _path(path: tuple[Any, ...]) -> str:
    return ".".join(map(str, path))


def name_of(path: tuple[Any, ...]) -> str:
    """Where an array stands in a tree, such as "conv.kernel"."""
    keys = (str(getattr(k, "key", getattr(k, "name", getattr(k, "idx", k)))) for k in path)
    return ".".join(key for key in keys if key != "value")
