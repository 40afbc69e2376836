"""One compiled program for all networks that do the same with other weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, Jaxpr, jaxpr_as_fun

KEPT = 128
"""So many compiled programs are kept, over all networks."""


class ProgramOfNetwork:
    """What a network does with its weights and inputs of one shape; equal programs are compiled once.

    The weights are arguments, also those that a function closes over: another network of the same architecture is the
    same program, and no network is run with weights that it had before.
    """

    def __init__(self, jaxpr: Jaxpr, weights: Any, x: jax.Array) -> None:
        # A jitted function inside keeps its constants: they belong to the program and are told apart as objects.
        # What a program calls in Python is not in its text: those calls are told apart in the same way.
        self.inner = (*_inner_constants(jaxpr), *_callbacks(jaxpr))
        self.run = jax.jit(lambda weights, x: jaxpr_as_fun(ClosedJaxpr(jaxpr, weights[0]))(*weights[1], x))
        self.text = hashlib.sha256(self.run.lower(weights, x).as_text().encode()).digest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProgramOfNetwork) or self.text != other.text or len(self.inner) != len(other.inner):
            return False
        return all(a is b for a, b in zip(self.inner, other.inner, strict=True))

    def __hash__(self) -> int:
        return hash(self.text)


@lru_cache(maxsize=KEPT)
def shared(program: ProgramOfNetwork) -> ProgramOfNetwork:
    """The first of all programs equal to this one."""
    return program


def _inner_constants(jaxpr: Jaxpr) -> Iterator[Any]:
    for inner in _inner(jaxpr):
        if isinstance(inner, ClosedJaxpr):
            yield from inner.consts
        yield from _inner_constants(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)


def _callbacks(jaxpr: Jaxpr) -> Iterator[Any]:
    """What pure_callback and its like call."""
    for eqn in jaxpr.eqns:
        if "callback" in eqn.primitive.name:
            yield from (value for value in eqn.params.values() if callable(value))
    for inner in _inner(jaxpr):
        yield from _callbacks(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner)


def _inner(jaxpr: Jaxpr) -> Iterator[ClosedJaxpr | Jaxpr]:
    """The programs inside the operations of a program."""
    for eqn in jaxpr.eqns:
        for value in jax.tree.leaves(list(eqn.params.values())):
            if isinstance(value, ClosedJaxpr | Jaxpr):
                yield value
