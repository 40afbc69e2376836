"""Networks that compute in bfloat16 or float16: the same program in float32, which the graph is compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal

from sparsebounds.bounds.graph.evaluation import evaluate
from sparsebounds.bounds.graph.graph import Graph
from sparsebounds.bounds.network import Network
from sparsebounds.bounds.reader.uses import CALLS, inner_program

ROUNDED = 1e-2
"""How far a graph may be from its program in float32: numbers in the text, as those of GELU, stay rounded there."""
LOW = tuple(map(np.dtype, (jnp.bfloat16, jnp.float16)))


def in_low_precision(program: Jaxpr) -> bool:
    """Whether an operation gives numbers coarser than float32."""
    for eqn in program.eqns:
        if any(_low(v.aval) for v in eqn.outvars):
            return True
        for value in eqn.params.values():
            inner = value.jaxpr if isinstance(value, ClosedJaxpr) else value
            if isinstance(inner, Jaxpr) and in_low_precision(inner):
                return True
    return False


def in_float32(network: Network) -> Callable[[Any], Any]:
    """The network with everything that depends on its input computed in float32, its weights rounded as they are.

    Args:
        network: what computes in low precision.

    Returns:
        A function of one batched input, no end taken off that `network` keeps.
    """

    def run(x: Any) -> Any:
        program, _ = network.traced(x)
        given = [(a, False) for a in jax.tree.leaves(network.arrays)]
        (scores, _), *_ = _run(program.jaxpr, program.consts, [*given, (jnp.asarray(x), True)])
        return scores

    return run


def rounding(graph: Graph, network: Network, x: np.ndarray) -> float:
    """The largest difference between graph and network on two examples, relative to the largest score."""
    with jax.default_matmul_precision("highest"):
        scores = np.asarray(network(x[:2]), dtype=np.float64)
    worst = np.max(np.abs(evaluate(graph, x[:2]) - scores), initial=0.0)
    return float(worst / np.max(np.abs(scores), initial=1e-30))


def _low(aval: Any) -> bool:
    return getattr(aval, "dtype", None) in LOW


Moving = tuple[Any, bool]
"""A value, and whether it depends on the input."""


def _run(program: Jaxpr, consts: Sequence[Any], values: Sequence[Moving]) -> list[Moving]:
    env: dict[Any, Moving] = dict(zip(program.invars, values, strict=True))
    env |= {var: (const, False) for var, const in zip(program.constvars, consts, strict=True)}

    def read(atom: Any) -> Moving:
        return (atom.val, False) if isinstance(atom, Literal) else env[atom]

    for eqn in program.eqns:
        operands = [read(atom) for atom in eqn.invars]
        env.update(zip(eqn.outvars, _step(eqn, operands), strict=True))
    return [read(atom) for atom in program.outvars]


def _step(eqn: JaxprEqn, operands: list[Moving]) -> list[Moving]:
    moves, params = any(moving for _, moving in operands), dict(eqn.params)
    given = [value for value, _ in operands]
    if moves and eqn.primitive.name in CALLS:
        inner = inner_program(eqn)
        closed = inner if isinstance(inner, ClosedJaxpr) else ClosedJaxpr(inner, [])
        return _run(closed.jaxpr, closed.consts, operands)
    if moves and any(isinstance(value, ClosedJaxpr | tuple) and _programs(value) for value in params.values()):
        # loops and branches stay what they are
        given = [jnp.asarray(value, atom.aval.dtype) for value, atom in zip(given, eqn.invars, strict=True)]  # type: ignore[attr-defined]
    elif moves:
        given = [jnp.asarray(v, jnp.float32) if jnp.asarray(v).dtype in LOW else v for v in given]
        raised = {
            key: np.dtype(jnp.float32)
            for key, value in params.items()
            if key.endswith(("dtype", "type")) and _is_low(value)
        }
        params |= raised
    out = eqn.primitive.bind(*given, **params)
    return [(each, moves) for each in (out if eqn.primitive.multiple_results else [out])]


def _is_low(value: Any) -> bool:
    try:
        return value is not None and np.dtype(value) in LOW
    except TypeError:
        return False


def _programs(value: Any) -> bool:
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(part, ClosedJaxpr | Jaxpr) for part in parts)
