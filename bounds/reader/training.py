"""Networks that were left in training mode: what they are recognised by, and what the message says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.values import ReadError

DRAWS = ("random_bits", "threefry2x32", "rng_bit_generator", "rng_uniform")
"""Primitives that make random numbers."""


Reduced = tuple[str, Sequence[str]]
"""A scope, and the functions that were being called there, such as "BatchNorm.__call__": a name may be anything."""


def mode_error(network: Network, reduced: Sequence[Reduced] = ()) -> str:
    """What to do about layers in training mode; empty where there are none.

    Args:
        network: layers of an NNX module are known by path.
        reduced: where a program sums what depends on its input; Linen modules leave their names there.

    Example:
        >>> from flax import nnx
        >>> layers = nnx.Sequential(nnx.Linear(3, 2, rngs=nnx.Rngs(0)), nnx.Dropout(0.5, rngs=nnx.Rngs(0)))
        >>> mode_error(Network(layers))
        'layers.1 (Dropout) is in training mode; call model.eval()'
    """
    named = [f"{path} ({kind})" if path else f"the network, a {kind}," for path, kind in network.training]
    if named:
        shown = ", ".join(named[:3]) + (f" and {len(named) - 3} more" if len(named) > 3 else "")
        return f"{shown} {'is' if len(named) == 1 else 'are'} in training mode; call model.eval()"
    for scope, calls in reduced:
        path = [name for name in scope.split("/") if name]
        called = any(name == "BatchNorm.__call__" for name in calls)
        norms = [name for name in path if name.startswith("BatchNorm")] or [
            f"{name} (BatchNorm)" for name in path if called
        ]
        if norms:
            return f"{norms[-1]} is in training mode; apply it with use_running_average=True"
    return ""


def check_draws(network: Network, program: ClosedJaxpr, x: np.ndarray) -> None:
    """Raise ReadError if the program draws random numbers anew in every call or for every input.

    A function that draws the same numbers whatever it is given, such as a random projection from a fixed key, is a
    fixed one. A module has a stream of keys, and draws others in every call.

    Args:
        network, program: as traced.
        x: the one input of that trace.

    Raises:
        ReadError: dropout in training mode, or another layer that depends on chance.
    """
    drawn = list(_draws(program.jaxpr, ""))
    if not drawn:
        return
    if not network.module:
        more = network.traced(np.repeat(x, 2, axis=0))[0]
        if [shapes for _, shapes in drawn] == [shapes for _, shapes in _draws(more.jaxpr, "")]:
            return
    message = mode_error(network)
    if not message:
        names = [name for name in drawn[0][0].split("/") if name]
        layer = f"{names[-1]} draws" if names else "the function draws"
        message = (
            f"{layer} random numbers, as dropout does in training mode; needed the function of evaluation mode "
            "(deterministic=True, or train=False)"
        )
    raise ReadError(message)


def _draws(jaxpr: Jaxpr, scope: str) -> Iterator[tuple[str, list[tuple[int, ...]]]]:
    """Where random numbers are drawn, by name, and the shapes of what comes out."""
    for eqn in jaxpr.eqns:
        inside = "/".join(part for part in (scope, str(eqn.source_info.name_stack)) if part)
        if eqn.primitive.name in DRAWS:
            yield inside, [tuple(v.aval.shape) for v in eqn.outvars]  # type: ignore[attr-defined]
        for value in eqn.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                if isinstance(inner, ClosedJaxpr | Jaxpr):
                    yield from _draws(inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner, inside)
